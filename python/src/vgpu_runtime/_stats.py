"""What a pool counts, as values."""

from __future__ import annotations

import dataclasses
from typing import Optional, Tuple

from . import _native

_NO_CPU = 0xFFFFFFFF


@dataclasses.dataclass(frozen=True)
class WorkerStats:
    """What one worker has done. Times are in seconds; what is left of ``PoolStats.elapsed``, the worker was busy."""

    #: Python tasks that it has run. Those that the thread waiting for them ran are not among them.
    python_tasks: int
    #: Native tasks that it has run: turns at the queue of Python tasks, and loops and products begun from outside.
    executed: int
    #: Pieces of loops and products that it made public for others to take.
    promoted: int
    #: Those among them that nobody took, and that it ran itself.
    reclaimed: int
    #: Its looks at what others have, and how many found something: the nearest others first (same core, L2, L3, node, elsewhere).
    steals_tried: Tuple[int, ...]
    steals_done: Tuple[int, ...]
    #: How often it slept, and was called because there was work.
    parks: int
    wakeups: int
    searching: float
    sleeping: float
    #: The CPU it is pinned to, or None.
    cpu: Optional[int]


@dataclasses.dataclass(frozen=True)
class PoolStats:
    """What a pool has done since it was made."""

    #: For how many seconds the pool has existed.
    elapsed: float
    workers: Tuple[WorkerStats, ...]


def pool_stats(pool: int, python_tasks: Tuple[int, ...]) -> PoolStats:
    stats, workers = _native.stats_of(pool)
    return PoolStats(
        stats.elapsed_ns / 1e9,
        tuple(
            WorkerStats(
                tasks,
                worker.executed,
                worker.promoted,
                worker.reclaimed,
                tuple(worker.steals_tried),
                tuple(worker.steals_done),
                worker.parks,
                worker.wakeups,
                worker.searching_ns / 1e9,
                worker.sleeping_ns / 1e9,
                None if worker.cpu == _NO_CPU else worker.cpu,
            )
            for tasks, worker in zip(python_tasks, workers)
        ),
    )
