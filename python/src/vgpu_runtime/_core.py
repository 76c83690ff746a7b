"""A pool as its tasks and threads see it: the queue of Python tasks, the workers that run them, and the end of it all.

Python tasks wait in a :class:`Queue`. What goes to the native pool is a *drain*: a native task that takes the interpreter's
lock once and then runs queued tasks until there are none. A queue has as many *tokens* as there are workers that may run its tasks, and
a drain holds one. Tasks that are bound to a NUMA node have a queue and drains of their own, bound to the node.

* Submitting appends the task to the queue, and then takes a token if there is one and starts a drain with it. If there is
  none, all drains are under way.
* A drain that finds the queue empty gives its token back, and then looks at the queue once more.

Both sides write first and look afterwards, so a task is seen by a drain that is under way or gets one of its own. A drain that has
run for a while goes to the end of the native queue, so that loops and matrix products get their turn.

:class:`Core` knows nothing of :class:`ThreadPool`, so that a pool nobody refers to any more can be collected and shut down.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import concurrent.futures.thread
import itertools
import os
import sys
import threading
import time
from typing import Any, Callable, Dict, FrozenSet, Optional, Set, Tuple

from . import _native
from ._future import Future, Item, mark_worker, run_item
from ._queue import NORMAL, Queue
from ._topology import topology

#: How long a drain runs before it lets other native tasks have their turn.
_TURN_SECONDS = 0.001

Initializer = Tuple[Callable[..., object], Tuple[Any, ...]]

#: What the native library's callbacks are passed, and what it stands for.
_cores: Dict[int, Core] = {}
_drained: Dict[int, Tuple[Core, Queue]] = {}
_keys = itertools.count(1)
_exiting = False
_this_thread = threading.local()


def current_core() -> Optional[Core]:
    """The pool whose worker the calling thread is."""
    core: Optional[Core] = getattr(_this_thread, "core", None)
    return core


def current_worker() -> Optional[int]:
    """The number of the worker that the calling thread is, or None."""
    index: Optional[int] = getattr(_this_thread, "index", None)
    return index


class NativeUse:
    """A use of a core's native pool: see :meth:`Core.native`. Quicker than a generator would be."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    def __enter__(self) -> int:
        return self._core.begin_use()

    def __exit__(self, *_raised: object) -> None:
        self._core.end_use()


class Core:
    def __init__(
        self, num_workers: int, flags: int, stack_size: int, name: str, initializer: Optional[Initializer], may_run_here: bool
    ) -> None:
        if _exiting:
            raise RuntimeError("cannot make a ThreadPool while the interpreter shuts down")
        self.name = name
        self.initializer = initializer
        self.may_run_here = may_run_here and initializer is None
        self.unfinished: Set[Future[Any]] = set()
        self.refusal: Optional[BaseException] = None
        self._lock = threading.Lock()
        self._thread: Optional[threading.Thread] = None
        self._has_ended = threading.Event()
        self._is_forked = False
        self._key = next(_keys)
        _cores[self._key] = self
        prefix = name.encode("ascii", "replace")[:8]
        try:
            self._address = _native.create_pool(
                num_workers, flags, stack_size, prefix, _on_worker_start, _on_worker_stop, self._key
            )
        except BaseException:
            del _cores[self._key]
            raise
        self.num_workers: int = _native.pool_num_workers(self._address)
        # Each worker counts for itself.
        self.python_tasks = [0] * self.num_workers
        #: Tasks that may run anywhere.
        self.queue = self._new_queue(Queue(self.num_workers))
        self._node_queues: Dict[int, Queue] = {}
        # Tasks may be submitted until the native pool's end begins.
        self._is_open = True
        self._num_users = 0
        self._unused = threading.Event()

    def native(self) -> NativeUse:
        """The native pool, which stays during the ``with`` block. The pool's own tasks may use it until the last is done."""
        return NativeUse(self)

    def begin_use(self) -> int:
        """What :meth:`native` does first; :meth:`end_use` comes after."""
        with self._lock:
            if not self._is_open and current_core() is not self:
                raise self.refusal_now()
            self._num_users += 1
        return self._address

    def end_use(self) -> None:
        with self._lock:
            self._num_users -= 1
            if not self._num_users and not self._is_open:
                self._unused.set()

    def refusal_now(self) -> BaseException:
        """Why nothing can be submitted, as a fresh exception."""
        assert self.refusal is not None
        return type(self.refusal)(*self.refusal.args)

    # ---- submitting ----

    def _new_queue(self, queue: Queue) -> Queue:
        _drained[queue.key] = (self, queue)
        return queue

    def queue_of_node(self, node: int) -> Queue:
        """The queue of what is bound to a node, if the pool has workers there."""
        with self.native() as pool:
            queue = self._node_queues.get(node)
            if queue is None:
                # The library knows best whether it would take such a task, and why not.
                _native.check(_native.submit_on(pool, node, _nothing, 0))
                workers = self._workers_on(pool, node)
                queue = self._new_queue(Queue(len(workers), node, workers))
                queue = self._node_queues.setdefault(node, queue)
        return queue

    def _workers_on(self, pool: int, node: int) -> FrozenSet[int]:
        machine = topology()
        # On a machine with one node every worker is there, pinned or not.
        node_of_cpu = {cpu.number: cpu.node for cpu in machine.cpus}
        only = machine.nodes[0].number if len(machine.nodes) == 1 else None
        _, workers = _native.stats_of(pool)
        return frozenset(i for i, worker in enumerate(workers) if node_of_cpu.get(worker.cpu, only) == node)

    def submit(
        self, function: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any], may_run_here: bool,
        queue: Optional[Queue] = None, lane: int = NORMAL,
    ) -> Future[Any]:  # fmt: skip
        if self.refusal is not None:
            raise self.refusal_now()
        item: Item = []
        future: Future[Any] = Future(item, self.unfinished, may_run_here)
        if queue is None:
            queue = self.queue
        elif queue.workers is not None:
            future._bind(queue.workers)
        item.append((future, function, args, kwargs))
        self.unfinished.add(future)
        queue.append(item, lane)
        error = self._start_drain(queue) if queue.tokens else None
        if error is not None:
            # Perhaps the pool was shut down meanwhile. A drain may have been quicker; then all is well.
            try:
                item.pop()
            except IndexError:
                return future
            self.unfinished.discard(future)
            raise error
        return future

    def _start_drain(self, queue: Queue) -> Optional[BaseException]:
        """Starts a drain if there is a token. Returns what kept the native pool from taking it."""
        with self._lock:
            if not self._is_open:
                return self.refusal_now()
            try:
                queue.tokens.pop()
            except IndexError:
                return None
            status = self._submit_drain(queue)
            if status == _native.OK:
                return None
            queue.tokens.append(None)
            return _native.error_of(status)

    def _submit_drain(self, queue: Queue) -> int:
        return _native.submit_on(self._address, queue.node, _drain, queue.key)

    def drain(self, queue: Queue) -> None:
        """Runs queued tasks, on a worker."""
        index = current_worker() or 0
        turn_ends = time.monotonic() + _TURN_SECONDS
        while True:
            while True:
                item = queue.take()
                if item is None:
                    break
                if run_item(item):
                    self.python_tasks[index] += 1
                # Not kept until the next one comes.
                del item
                if time.monotonic() >= turn_ends and queue:
                    if self._submit_drain(queue) == _native.OK:
                        return
                    turn_ends = time.monotonic() + _TURN_SECONDS
            queue.tokens.append(None)
            if not queue:
                return
            try:
                queue.tokens.pop()
            except IndexError:
                return

    # ---- waiting and ending ----

    def wait_all(self) -> None:
        if current_core() is self:
            raise RuntimeError("wait_all() was called by one of the pool's own tasks, and would wait for that task itself")
        if self._is_forked:
            raise self.refusal_now()
        while self.unfinished:
            concurrent.futures.wait(list(self.unfinished))

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        if wait and current_core() is self:
            raise RuntimeError(
                "shutdown(wait=True) was called by one of the pool's own tasks, and would wait for that task itself: "
                "pass wait=False"
            )
        if self.refusal is None:
            self.refusal = RuntimeError("cannot schedule new futures after shutdown")
        if cancel_futures:
            for future in list(self.unfinished):
                future.cancel()
        with self._lock:
            begins = self._is_open
            self._is_open = False
            if not self._num_users:
                self._unused.set()
        if begins:
            # On a thread of its own, because a call of the library cannot be interrupted, and a wait for an event can.
            thread = threading.Thread(target=self._end, name=f"{self.name}-shutdown")
            try:
                thread.start()
                self._thread = thread
            except RuntimeError:
                # Python 3.12 makes no threads any more when the interpreter ends.
                self._end()
        if wait:
            # Not join() alone: before Python 3.13, a join that is interrupted takes the thread for ended from then on.
            self._has_ended.wait()
            if self._thread is not None:
                self._thread.join()

    def collected(self) -> None:
        """Nobody refers to the pool any more. This may come in the middle of anything, so it is a worker who begins the end."""
        if self.refusal is None:
            self.refusal = RuntimeError("cannot schedule new futures after shutdown")
        # Whoever holds the lock is ending the pool already.
        if self._lock.acquire(blocking=False):
            try:
                if self._is_open:
                    _native.submit_on(self._address, None, _shut_down, self._key)
            finally:
                self._lock.release()

    def _end(self) -> None:
        self._unused.wait()
        # Runs what was accepted: each queued task has a drain.
        _native.pool_destroy(self._address)
        _cores.pop(self._key, None)
        for queue in self._queues():
            _drained.pop(queue.key, None)
        self._has_ended.set()

    def _queues(self) -> Tuple[Queue, ...]:
        return (self.queue, *self._node_queues.values())

    def worker_started(self, index: int) -> None:
        _native.keep_thread_state()
        _this_thread.core = self
        _this_thread.index = index
        mark_worker(self.unfinished, index)
        threading.current_thread().name = f"{self.name}-{index}"
        # As threading.Thread does, so that debuggers and coverage tools see the tasks.
        trace, profile = getattr(threading, "_trace_hook", None), getattr(threading, "_profile_hook", None)
        if trace:
            sys.settrace(trace)
        if profile:
            sys.setprofile(profile)
        if self.initializer is not None:
            function, args = self.initializer
            try:
                function(*args)
            except BaseException:
                concurrent.futures._base.LOGGER.critical("Exception in initializer:", exc_info=True)
                self.refusal = concurrent.futures.thread.BrokenThreadPool(
                    "A thread initializer failed, the thread pool is not usable anymore"
                )
                for future in list(self.unfinished):
                    try:
                        future._item.pop()
                    except IndexError:
                        continue
                    future.finish(None, self.refusal_now())

    def forked(self) -> None:
        """In a forked child: the workers are not here, and nothing that was submitted will be done."""
        self.refusal = RuntimeError(
            "this ThreadPool belongs to the parent of this forked process: make one here, "
            "or start processes with multiprocessing's 'spawn' method"
        )
        self._is_open = False
        self._is_forked = True
        self._lock = threading.Lock()
        self._thread = None
        self._has_ended = threading.Event()
        self._has_ended.set()
        for future in list(self.unfinished):
            future.abandon(self.refusal_now())
        self.unfinished.clear()
        for queue in self._queues():
            queue.clear()


# ---- what the library and the interpreter call ----


def _run_drain(_worker: Optional[int], key: int) -> int:
    core, queue = _drained[key]
    core.drain(queue)
    return 0


def _run_nothing(_worker: Optional[int], _key: Optional[int]) -> int:
    return 0


def _run_shut_down(_worker: Optional[int], key: int) -> int:
    _cores[key].shutdown(wait=False, cancel_futures=False)
    return 0


def _start_worker(key: int, index: int) -> None:
    _cores[key].worker_started(index)


def _stop_worker(_key: int, _index: int) -> None:
    # Before Python 3.13 nobody else takes a foreign thread out of threading.enumerate().
    getattr(threading.current_thread(), "_delete", int)()
    _this_thread.__dict__.clear()
    _native.drop_thread_state()


# One of each for all pools, and for ever: a callback that was freed could still be called.
_drain = _native.TaskFunction(_run_drain)
_nothing = _native.TaskFunction(_run_nothing)
_shut_down = _native.TaskFunction(_run_shut_down)
_on_worker_start = _native.WorkerHook(_start_worker)
_on_worker_stop = _native.WorkerHook(_stop_worker)


def _at_exit() -> None:
    """Before the interpreter goes: no thread of the library may enter it afterwards. As ThreadPoolExecutor, all tasks are run."""
    global _exiting
    _exiting = True
    for core in list(_cores.values()):
        core.shutdown(wait=True, cancel_futures=False)


def _in_forked_child() -> None:
    for core in list(_cores.values()):
        core.forked()
    _cores.clear()
    _drained.clear()
    _this_thread.__dict__.clear()


# threading's own hook runs before the interpreter waits for its threads, atexit's after that.
getattr(threading, "_register_atexit", atexit.register)(_at_exit)
os.register_at_fork(after_in_child=_in_forked_child)
