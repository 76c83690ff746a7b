"""ThreadPool: an executor as ``concurrent.futures`` defines it, on workers of the native pool."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import operator
import os
import weakref
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator, Optional, Tuple, Type, TypeVar, Union

from . import _gemm, _loop, _native
from ._core import Core
from ._future import Future
from ._latency import LatencyReport, measure
from ._map import map_calls
from ._queue import NORMAL, PRIORITIES, Queue
from ._stats import PoolStats, pool_stats

T = TypeVar("T")

_names = itertools.count()


class TaskExecutor(concurrent.futures.Executor):
    """What submits tasks to a pool: the pool itself, and its views."""

    _core: Core
    #: None: the queue of what may run anywhere.
    _queue: Optional[Queue] = None
    _lane: int = NORMAL

    def _pool(self) -> ThreadPool:
        raise NotImplementedError

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Schedules ``fn(*args, **kwargs)`` and returns its future. Tasks are begun in the order they were submitted in."""
        core = self._core
        return core.submit(fn, args, kwargs, core.may_run_here, self._queue, self._lane)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: Optional[float] = None,
        chunksize: int = 1,
        buffersize: Optional[int] = None,
    ) -> Iterator[T]:
        """As ``map(fn, *iterables)``, with the calls made by the pool; the results come in order.

        Arguments are collected at once, or, with a ``buffersize``, as results are taken. ``chunksize`` calls make one task: more
        is quicker for short calls. If a result is not there ``timeout`` seconds after the call of ``map``, ``next()``
        raises ``TimeoutError``. An exception of a call is raised where its result would come.
        """
        return map_calls(self, fn, iterables, timeout, chunksize, buffersize)

    def prioritized(self, priority: str) -> PoolView:
        """An executor that submits to this pool with another priority: ``"max"``, ``"high"``, ``"normal"`` or ``"low"``.

        Workers take the most urgent task first; every 16th task is taken from one priority after the other, so that none starves.
        """
        if priority not in PRIORITIES:
            raise ValueError(f"priority must be one of {', '.join(PRIORITIES)}, and is {priority!r}")
        return PoolView(self._pool(), PRIORITIES.index(priority), self._queue)

    def on_node(self, node: int) -> PoolView:
        """An executor whose tasks run on the workers of a NUMA node only, by its number in ``topology().nodes``.

        The pool must have workers pinned to CPUs of the node (``pin=True``), or ``ValueError`` says where its workers are; on a machine with
        one node, all are there. No thread that waits for such a task runs it, unless it is a worker of that node. So a task
        should not wait for one that is bound to another node, whose workers may all be waiting for this one.
        """
        number = operator.index(node)
        if not 0 <= number < 1 << 32:
            raise ValueError(f"node is {number}; topology().nodes has the numbers there are")
        return PoolView(self._pool(), self._lane, self._core.queue_of_node(number))


class ThreadPool(TaskExecutor):
    """A pool of native worker threads that runs Python functions, native loops and matrix products.

    It is a ``concurrent.futures.Executor``: what works with ``ThreadPoolExecutor`` works with it, ``as_completed``, ``wait`` and
    asyncio's ``run_in_executor`` included. Python functions take turns, because the interpreter has one lock; native loop
    bodies (:meth:`parallel_for` with a Numba cfunc or a C function) and :meth:`gemm` run at the same time.

    :param num_threads: how many workers, at most 4096; None: as many CPUs as this process may use
    :param thread_name_prefix: what the workers' threads are called in Python; the system shows its first 8 bytes
    :param initializer: called by each worker before its first task. If it fails, the pool is broken
    :param initargs: its arguments
    :param run_in_waiter: whether ``Future.result()`` without a timeout runs a task that no worker has begun, on
        the thread that waits for it, which is quicker and keeps tasks that wait for tasks from running out of workers. With
        an initializer, tasks run on workers only
    :param pin: whether each worker stays on a CPU of its own. Good for one pool that has the machine to itself; with several
        processes, or with other libraries' threads, all of them may end up on the same CPUs
    :param stack_size: bytes of each worker's stack; 0: 8 MiB

    Thread-safe. A pool that is no longer referred to shuts down by itself, after its tasks; so does each pool when the
    interpreter exits. In a forked child a pool of the parent raises ``RuntimeError``.
    """

    def __init__(
        self,
        num_threads: Optional[int] = None,
        thread_name_prefix: str = "",
        initializer: Optional[Callable[..., object]] = None,
        initargs: Tuple[Any, ...] = (),
        *,
        run_in_waiter: bool = True,
        pin: bool = False,
        stack_size: int = 0,
    ) -> None:
        if num_threads is not None and not 1 <= num_threads <= 4096:
            raise ValueError(f"num_threads must be between 1 and 4096, and is {num_threads}")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        name = thread_name_prefix or f"ThreadPool-{next(_names)}"
        self._core = Core(
            num_threads or 0,
            0 if pin else _native.NO_PINNING,
            stack_size or 8 << 20,
            name,
            None if initializer is None else (initializer, initargs),
            run_in_waiter,
        )
        setattr(weakref.finalize(self, self._core.collected), "atexit", False)

    def __repr__(self) -> str:
        state = "" if self._core.refusal is None else ", shut down"
        return f"<vgpu_runtime.ThreadPool {self._core.name!r}: {self._core.num_workers} workers{state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a ThreadPool cannot be pickled: its threads belong to this process. Make one in each process")

    def _pool(self) -> ThreadPool:
        return self

    @property
    def num_threads(self) -> int:
        """How many workers the pool has."""
        return self._core.num_workers

    # ---- concurrent.futures.Executor: submit and map come from TaskExecutor ----

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more tasks. Those submitted are still run, unless ``cancel_futures`` drops the ones not begun.

        With ``wait`` it returns when they are done and the threads gone. May be called again.
        """
        self._core.shutdown(wait, cancel_futures)

    def __enter__(self) -> ThreadPool:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.shutdown(wait=True)

    # ---- beyond ----

    def wait_all(self) -> None:
        """Waits until every task submitted so far, and every task these submit, is done. Failures stay with their futures."""
        self._core.wait_all()

    def stats(self) -> PoolStats:
        """What the workers have done since the pool was made."""
        with self._core.native() as pool:
            return pool_stats(pool, tuple(self._core.python_tasks))

    def report(self) -> str:
        """The same in words: a line for all workers, and one for each thing that stands out."""
        with self._core.native() as pool:
            return _native.report_of(pool)

    def latency(self, count: int = 500) -> LatencyReport:
        """Measures how quickly the pool answers, each of three things ``count`` times; ``print`` makes a table of it.

        It takes about 1.5 ms times ``count``. What else the pool runs meanwhile is measured along.
        """
        return measure(self, count)

    def start_trace(self, events_per_worker: int = 0) -> None:
        """Begins to record what the workers do. The trace before is forgotten.

        It shows native tasks: loops, products, and turns at the queue of Python tasks. Each worker's log has room for
        ``events_per_worker`` events of 64 bytes (0: what there is, or 16384); what comes when it is full is counted and left out.
        """
        with self._core.native() as pool:
            _native.check(_native.pool_trace_start(pool, events_per_worker))

    def stop_trace(self) -> None:
        """Ends the recording. What is under way is not in the trace."""
        with self._core.native() as pool:
            _native.check(_native.pool_trace_stop(pool))

    def save_trace(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes the last trace to a file, for https://ui.perfetto.dev."""
        with self._core.native() as pool:
            _native.check(_native.pool_trace_write(pool, os.fsencode(path)))

    @contextlib.contextmanager
    def trace(self, path: Union[str, os.PathLike[str]], events_per_worker: int = 0) -> Iterator[None]:
        """Records what the workers do in the ``with`` block, and saves it: :meth:`start_trace`, :meth:`stop_trace`,
        :meth:`save_trace`."""
        self.start_trace(events_per_worker)
        try:
            yield
        finally:
            self.stop_trace()
        self.save_trace(path)

    def parallel_for(
        self, indices: Union[int, range], body: Any, *, data: Any = None, grain: int = 0
    ) -> None:
        """Calls ``body`` for all indices, on all workers, and returns when that is done.

        ``body`` is one of

        * a Python callable: called as ``body(i)`` for each index of ``indices``, a number n for ``range(n)`` or any range. The
          first exception is raised here, and indices not yet begun are left out;
        * a native function of the type ``int32_t body(vgpu_worker *, void *data, size_t begin, size_t end)``: a Numba cfunc of
          the signature :func:`range_signature`, or a :data:`RangeFunction`. It is called for pieces of
          ``range(n)``, without the interpreter's lock. Numbers other than 0 that it returns are raised as ``VgpuError``.

        :param data: what a native body gets: an array or buffer (its address is passed), an address, or None
        :param grain: how many indices a piece has at most; 0 lets the library adapt them

        While a native body runs, the call cannot be interrupted; a loop over a Python callable ends at the next index.
        """
        _loop.parallel_for(self._core, indices, body, data, grain)

    def gemm(
        self,
        a: Any,
        b: Any,
        out: Any = None,
        *,
        alpha: float = 1.0,
        beta: float = 0.0,
        trans_a: bool = False,
        trans_b: bool = False,
        bf16x3: bool = False,
    ) -> Any:
        """``alpha * op(a) @ op(b) + beta * out``, in float32 or float64, on all workers. Returns ``out``.

        Matrices are anything with two dimensions and the buffer protocol, ``__array_interface__`` or ``__dlpack__`` on the
        CPU: NumPy arrays, memoryviews, torch tensors. They are not copied: one of the dimensions must be contiguous.
        Without ``out`` the result is a new NumPy array, or a memoryview where NumPy is not installed. The interpreter's lock is
        free meanwhile, and the result is the same to the last bit for any number of workers.

        With ``bf16x3`` a float32 product goes by way of bf16 where the CPU has AMX, which is faster and gives other bits; see
        ``vgpu_sgemm_bf16x3`` of the C library. Elsewhere it makes no difference.
        """
        core = self._core
        pool = core.begin_use()
        try:
            return _gemm.gemm(pool, a, b, out, alpha, beta, trans_a, trans_b, bf16x3)
        finally:
            core.end_use()


class PoolView(TaskExecutor):
    """A pool whose tasks have another priority or a NUMA node. Made by :meth:`ThreadPool.prioritized` and
    :meth:`ThreadPool.on_node`; it is ended with its pool."""

    def __init__(self, pool: ThreadPool, lane: int, queue: Optional[Queue]) -> None:
        self._whole = pool
        self._core = pool._core
        self._lane = lane
        self._queue = queue

    def __repr__(self) -> str:
        node = "" if self._queue is None else f", node {self._queue.node}"
        return f"<vgpu_runtime.PoolView of {self._whole!r}: priority {PRIORITIES[self._lane]!r}{node}>"

    def _pool(self) -> ThreadPool:
        return self._whole

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Does nothing: the pool's own ``shutdown`` is meant for that."""
