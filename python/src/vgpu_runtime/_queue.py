"""Where Python tasks wait: a queue for tasks that may run anywhere, and one for each NUMA node that tasks are bound to."""

from __future__ import annotations

import collections
import itertools
from typing import Deque, FrozenSet, List, Optional, Tuple

from ._future import Item

#: The lanes of a queue, the most urgent first, as the native library names them.
PRIORITIES = ("max", "high", "normal", "low")
NORMAL = PRIORITIES.index("normal")
#: One task in so many is taken from a lane whose turn it is, so that the less urgent are not starved.
_FAIR_TURN = 16

_keys = itertools.count(1)


class Lanes:
    """Tasks by priority. Each operation is atomic as those of its deques are."""

    def __init__(self) -> None:
        self._lanes: Tuple[Deque[Item], ...] = tuple(collections.deque() for _ in PRIORITIES)
        self._taken = 0

    def append(self, item: Item, lane: int) -> None:
        self._lanes[lane].append(item)

    def take(self) -> Optional[Item]:
        """The oldest task of the most urgent lane that has one; None if all are empty."""
        self._taken += 1
        if self._taken % _FAIR_TURN == 0:
            try:
                return self._lanes[self._taken // _FAIR_TURN % len(PRIORITIES)].popleft()
            except IndexError:
                pass
        for lane in self._lanes:
            if lane:
                try:
                    return lane.popleft()
                except IndexError:
                    continue
        return None

    def __bool__(self) -> bool:
        return any(self._lanes)

    def clear(self) -> None:
        for lane in self._lanes:
            lane.clear()


class Queue(Lanes):
    """Tasks that the same workers may run, and a token for each drain of them that may be under way: see ``_core``."""

    def __init__(self, num_workers: int, node: Optional[int] = None, workers: Optional[FrozenSet[int]] = None) -> None:
        super().__init__()
        #: The NUMA node that the tasks are bound to, and the workers there; None for any.
        self.node = node
        self.workers = workers
        #: What the native library knows the queue by.
        self.key = next(_keys)
        self.tokens: List[None] = [None] * num_workers
