"""``Executor.map`` with chunks and with a bound on how far it runs ahead."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import time
import weakref
from typing import Any, Callable, Deque, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar

T = TypeVar("T")


def map_calls(
    executor: concurrent.futures.Executor,
    fn: Callable[..., T],
    iterables: Sequence[Iterable[Any]],
    timeout: Optional[float],
    chunksize: int,
    buffersize: Optional[int],
) -> Iterator[T]:
    """What :meth:`ThreadPool.map` promises, by ``submit`` of any executor."""
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1, and is {chunksize}")
    if buffersize is not None and buffersize < 1:
        raise ValueError(f"buffersize must be at least 1, and is {buffersize}")
    deadline = None if timeout is None else time.monotonic() + timeout
    chunks = _chunks(zip(*iterables), chunksize)
    ahead = None if buffersize is None else -(-buffersize // chunksize)
    futures: Deque[concurrent.futures.Future[List[T]]] = collections.deque(
        executor.submit(_call_chunk, fn, chunk) for chunk in itertools.islice(chunks, ahead)
    )
    # The generator holds the pool weakly, as the standard one does, so that it cannot keep it alive.
    return _results(futures, deadline, weakref.ref(executor), fn, chunks)


def _chunks(calls: Iterable[Tuple[Any, ...]], size: int) -> Iterator[Sequence[Tuple[Any, ...]]]:
    calls = iter(calls)
    while True:
        chunk = list(itertools.islice(calls, size))
        if not chunk:
            return
        yield chunk


def _call_chunk(function: Callable[..., T], calls: Sequence[Tuple[Any, ...]]) -> List[T]:
    return [function(*args) for args in calls]


def _results(
    futures: Deque[concurrent.futures.Future[List[T]]],
    deadline: Optional[float],
    pool_ref: weakref.ref[concurrent.futures.Executor],
    function: Callable[..., T],
    chunks: Iterator[Sequence[Tuple[Any, ...]]],
) -> Iterator[T]:
    try:
        while futures:
            # With a buffer size, the next chunk is submitted when one is taken.
            pool = pool_ref()
            following = next(chunks, None) if pool is not None else None
            if pool is not None and following is not None:
                futures.append(pool.submit(_call_chunk, function, following))
            del pool
            future = futures.popleft()
            try:
                results = future.result(None if deadline is None else deadline - time.monotonic())
            finally:
                # Its exception's traceback refers to this frame.
                del future
            results.reverse()
            while results:
                yield results.pop()
    finally:
        for future in futures:
            future.cancel()
