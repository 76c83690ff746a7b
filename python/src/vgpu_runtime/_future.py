"""Futures: ``concurrent.futures.Future`` with a short way for the common case.

A standard future makes a condition variable at birth and takes it at every step. Here ``_condition``, ``_waiters`` and
``_done_callbacks`` come into being when somebody asks for them, so that everything the standard library does with a
future works unchanged, and a future nobody blocks on needs none of it.

Why no wake-up is lost. Whoever waits makes the condition first, and looks at the state afterwards, holding it. Whoever finishes
writes the state first, and looks for a condition afterwards. The interpreter puts these four steps in one order, so either the
one sees the state, or the other sees the condition. Without a global lock (free-threaded Python) nothing is left
to that argument: the condition is always taken.
"""

from __future__ import annotations

import concurrent.futures
import sys
import threading
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Set, Tuple, TypeVar

__all__ = ["Future", "Item", "run_item"]

T = TypeVar("T")

#: What a future waits for: one tuple, taken out by whoever runs or cancels the task. Taking it is one atomic operation, so
#: a task is run or cancelled once; an empty list is a task that has begun.
Item = List[Tuple["Future[Any]", Callable[..., Any], Tuple[Any, ...], Dict[str, Any]]]

_HAS_GLOBAL_LOCK: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
_LAZY: Dict[str, Callable[[], Any]] = {"_condition": threading.Condition, "_waiters": list, "_done_callbacks": list}


_this_thread = threading.local()


def mark_worker(unfinished: Set[Future[Any]], index: int) -> None:
    """Says that the calling thread is this worker of the pool with these tasks."""
    _this_thread.unfinished = unfinished
    _this_thread.index = index


class Future(concurrent.futures.Future[T]):
    """The outcome of a task that may still be running. Made by :meth:`ThreadPool.submit`."""

    _state = PENDING
    _result: Any = None
    _exception: Optional[BaseException] = None
    _workers: Optional[FrozenSet[int]] = None

    def __init__(self, item: Item, unfinished: Set[Future[Any]], may_run_here: bool) -> None:
        # The base class's attributes come when they are asked for: see __getattr__.
        self._item = item
        self._unfinished = unfinished
        self._may_run_here = may_run_here

    def _bind(self, workers: FrozenSet[int]) -> None:
        """Says that only these workers may run the task, and so nobody else who waits for it."""
        self._workers = workers
        self._may_run_here = False

    def __getattr__(self, name: str) -> Any:
        make = _LAZY.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.__dict__.setdefault(name, make())

    def __reduce__(self) -> Any:
        raise TypeError("a Future cannot be pickled: it belongs to the pool of this process")

    def result(self, timeout: Optional[float] = None) -> T:
        """The task's value, or its exception, raised.

        Waits until the task is done, for at most ``timeout`` seconds (then ``TimeoutError``). If no worker has begun the
        task and there is no timeout, the calling thread runs it: see ``ThreadPool(run_in_waiter=...)``.
        """
        try:
            if self._state != FINISHED and timeout is None and self._can_run_here():
                run_item(self._item)
            if self._state != FINISHED:
                return super().result(timeout)
            if self._exception is None:
                return self._result  # type: ignore[no-any-return]
            raise self._exception
        finally:
            # The exception's traceback would hold this frame, and the frame the exception.
            del self

    def get(self, timeout: Optional[float] = None) -> T:
        """The same as :meth:`result`."""
        return self.result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """The exception that the task ended with, or None. Waits as :meth:`result` does."""
        try:
            if self._state != FINISHED and timeout is None and self._can_run_here():
                run_item(self._item)
            if self._state != FINISHED:
                return super().exception(timeout)
            return self._exception
        finally:
            # As in result().
            del self

    def done(self) -> bool:
        """Whether the task is done or was cancelled."""
        return self._state in (FINISHED, CANCELLED, CANCELLED_AND_NOTIFIED)

    def running(self) -> bool:
        """Whether the task is being run."""
        return self._state == RUNNING

    def cancelled(self) -> bool:
        """Whether the task was cancelled."""
        return self._state in (CANCELLED, CANCELLED_AND_NOTIFIED)

    def cancel(self) -> bool:
        """Cancels the task unless it has begun. False if it runs or is done."""
        try:
            self._item.pop()
        except IndexError:
            return self.cancelled()
        self._state = CANCELLED
        self._unfinished.discard(self)
        with self._condition:
            self._state = CANCELLED_AND_NOTIFIED
            for waiter in self._waiters:
                waiter.add_cancelled(self)
            self._condition.notify_all()
        self._invoke_callbacks()
        return True

    def _can_run_here(self) -> bool:
        if self._may_run_here:
            return True
        # A worker that waits for a task of its own pool might be the only one who could run it.
        if getattr(_this_thread, "unfinished", None) is not self._unfinished:
            return False
        return self._workers is None or _this_thread.index in self._workers

    def finish(self, result: Any, exception: Optional[BaseException]) -> None:
        """Sets the outcome and wakes whoever waits. Called once, by whoever runs the task."""
        self._result = result
        self._exception = exception
        self._state = FINISHED
        self._unfinished.discard(self)
        if _HAS_GLOBAL_LOCK and "_condition" not in self.__dict__:
            return
        with self._condition:
            for waiter in self._waiters:
                if exception is None:
                    waiter.add_result(self)
                else:
                    waiter.add_exception(self)
            self._condition.notify_all()
        self._invoke_callbacks()

    def abandon(self, exception: BaseException) -> None:
        """Sets the outcome in a forked child, where nobody else can be waiting and locks may be held by nobody who is left."""
        self._item.clear()
        for name in _LAZY:
            self.__dict__.pop(name, None)
        self._exception = exception
        self._state = FINISHED


def run_item(item: Item) -> bool:
    """Runs a task unless somebody has begun or cancelled it; then it returns False."""
    try:
        future, function, args, kwargs = item.pop()
    except IndexError:
        return False
    future._state = RUNNING
    try:
        result = function(*args, **kwargs)
    except BaseException as exception:
        future.finish(None, exception)
        # As in Future.result: no cycle from the exception over this frame to the future.
        del future
    else:
        future.finish(result, None)
    return True
