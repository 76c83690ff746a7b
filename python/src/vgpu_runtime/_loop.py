"""Parallel loops over Python callables and over native functions."""

from __future__ import annotations

import ctypes
import operator
from typing import Any, Callable, Optional, Union

from . import _native
from ._buffer import Memory
from ._core import Core, current_core


def range_signature(element: str = "float64") -> str:
    """What a Numba ``cfunc`` must be declared as to be a body of ``parallel_for``: worker, data, begin, end.

    ``element`` is Numba's name for what ``data`` points to.
    """
    return f"int32(voidptr, CPointer({element}), uintp, uintp)"


class PythonLoop:
    """A loop whose body is a Python callable, while it runs."""

    def __init__(self, indices: range, body: Callable[[int], object]) -> None:
        self.indices = indices
        self.body = body
        self.is_stopped = False
        self.exception: Optional[BaseException] = None

    def run(self, pool: int, grain: int) -> None:
        piece = _native.RangeFunction(self.piece)
        status = _native.parallel_for(pool, len(self.indices), grain, piece, None)
        if self.exception is not None:
            try:
                raise self.exception
            finally:
                # No cycle from the traceback over this object.
                self.exception = None
        _native.check(status)

    def piece(self, _worker: Optional[int], _data: Optional[int], begin: int, end: int) -> int:
        body = self.body
        try:
            for index in self.indices[begin:end]:
                if self.is_stopped:
                    return 1
                body(index)
        except BaseException as exception:
            self.is_stopped = True
            if self.exception is None:
                self.exception = exception
            return 1
        return 0


#: What ctypes makes of any C function.
_FunctionPointer: Any = _native.RangeFunction.__mro__[1]


def _native_address(body: Any) -> Optional[int]:
    """Where a native body begins; None for a Python callable."""
    if isinstance(body, _FunctionPointer):
        return ctypes.cast(body, ctypes.c_void_p).value
    address = getattr(body, "address", None)
    # Numba knows the types of its functions. One with other arguments would read what is not there.
    signature = getattr(body, "_sig", None)
    if signature is not None and address is not None:
        found = [str(kind) for kind in (signature.return_type, *signature.args)]
        if len(found) != 5 or found[0] != "int32" or found[3:] != ["uint64", "uint64"]:
            raise TypeError(
                f"body is a cfunc of the signature {signature}; declare it as numba.cfunc(vgpu_runtime.range_signature(...))"
            )
    return address if isinstance(address, int) else None


def parallel_for(core: Core, indices: Union[int, range], body: Any, data: Any, grain: int) -> None:
    if not isinstance(indices, range):
        indices = range(operator.index(indices))
    if grain < 0:
        raise ValueError(f"grain must be at least 0, and is {grain}")
    address = _native_address(body)
    if address is not None:
        _native_loop(core, indices, address, data, grain)
        return
    if not callable(body):
        raise TypeError(f"body must be a Python callable, a Numba cfunc or a RangeFunction, and is a {type(body).__name__}")
    if data is not None:
        raise TypeError("data is for native bodies; a Python callable has its own")
    loop = PythonLoop(indices, body)
    if current_core() is core:
        with core.native() as pool:
            loop.run(pool, grain)
        return
    # On a worker, so that the caller can be interrupted while it waits.
    future = core.submit(_run_on_worker, (loop, core, grain), {}, False)
    try:
        future.result()
    except BaseException:
        if not future.done():
            loop.is_stopped = True
            future.exception()
        raise


def _run_on_worker(loop: PythonLoop, core: Core, grain: int) -> None:
    with core.native() as pool:
        loop.run(pool, grain)


def _native_loop(core: Core, indices: range, address: int, data: Any, grain: int) -> None:
    if indices.start != 0 or indices.step != 1:
        raise ValueError(f"a native body counts from 0 in steps of 1, and the indices are {indices}: let data say the rest")
    with core.native() as pool:
        if data is None or isinstance(data, int):
            _native.check(_native.parallel_for(pool, len(indices), grain, address, data))
        else:
            with Memory(data, "data") as memory:
                if not memory.contiguous:
                    raise ValueError("data has gaps between its elements, which a native body would not know of: pass a copy")
                _native.check(_native.parallel_for(pool, len(indices), grain, address, memory.address))
