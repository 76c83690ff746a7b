"""Other people's memory: where it is, what it holds, how it is laid out. Nothing is copied.

Three ways lead there, tried in this order: the buffer protocol (bytes, array, memoryview, NumPy), ``__array_interface__``, and
``__dlpack__`` (torch, jax) for tensors that lie in the CPU's memory.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_ssize_t, c_uint8, c_uint16, c_uint64, c_void_p
from types import TracebackType
from typing import Any, List, Optional, Tuple, Type

_FORMAT_AND_STRIDES = 0x04 | 0x18
_DLPACK_CPU_DEVICES = (1, 3)
_DLPACK_FLOAT = 2
_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"
_ORDERS = "@=" + _NATIVE_ORDER


class _PyBuffer(ctypes.Structure):
    _fields_ = [
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", POINTER(c_ssize_t)),
        ("strides", POINTER(c_ssize_t)),
        ("suboffsets", POINTER(c_ssize_t)),
        ("internal", c_void_p),
    ]


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, POINTER(_PyBuffer), c_int)
_get_buffer.restype = c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (POINTER(_PyBuffer),)
_release_buffer.restype = None
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.argtypes = (ctypes.py_object, c_char_p)
_capsule_pointer.restype = c_void_p


def addresses_of(*views: memoryview) -> List[int]:
    """Where the memory of views is, which is all that a memoryview does not tell. It keeps the memory, so the buffer need not be held."""
    buffer = _PyBuffer()
    addresses = []
    for view in views:
        _get_buffer(view, buffer, _FORMAT_AND_STRIDES)
        addresses.append(buffer.buf or 0)
        _release_buffer(buffer)
    return addresses


class Memory:
    """The memory of an object, kept from going or moving until the end of the ``with`` block.

    ``kind`` is ``"f"`` for float32, ``"d"`` for float64, anything else for what is neither; ``strides`` are in bytes.
    """

    address: int
    kind: str
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]
    readonly: bool
    #: Whether its elements follow each other without gaps, in C's order or Fortran's.
    contiguous: bool

    def __init__(self, owner: Any, name: str) -> None:
        self._view: Optional[memoryview] = None
        self._owner = owner
        try:
            self._view = memoryview(owner)
        except (TypeError, ValueError, BufferError):
            pass
        else:
            self._from_view(self._view)
            return
        interface = getattr(owner, "__array_interface__", None)
        if interface is not None:
            self._from_interface(interface)
        elif hasattr(owner, "__dlpack__"):
            self._from_dlpack(owner, name)
        else:
            raise TypeError(
                f"{name} must have the buffer protocol, __array_interface__ or __dlpack__, and is a {type(owner).__name__}"
            )

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        if self._view is not None:
            self._view.release()

    def _from_view(self, view: memoryview) -> None:
        (self.address,) = addresses_of(view)
        self.kind = view.format.lstrip(_ORDERS)
        self.readonly, self.shape, self.strides = view.readonly, view.shape or (), view.strides or ()
        self.contiguous = view.contiguous

    def _from_interface(self, interface: Any) -> None:
        self.address, self.readonly = interface["data"]
        kind: str = interface["typestr"]
        size = int(kind[2:])
        self.kind = {_NATIVE_ORDER + "f4": "f", _NATIVE_ORDER + "f8": "d"}.get(kind, kind)
        self.shape = tuple(interface["shape"])
        self.strides = tuple(interface.get("strides") or _contiguous(self.shape, size))
        self.contiguous = self._has_no_gaps(size)

    def _from_dlpack(self, owner: Any, name: str) -> None:
        # The capsule frees what it points to when it goes, since nobody takes it over.
        self._owner = capsule = owner.__dlpack__()
        tensor = ctypes.cast(_capsule_pointer(capsule, b"dltensor"), POINTER(_DLTensor)).contents
        if tensor.device_type not in _DLPACK_CPU_DEVICES:
            raise TypeError(f"{name} lies on a device (DLPack type {tensor.device_type}); move it to the CPU first")
        self.address = (tensor.data or 0) + tensor.byte_offset
        self.readonly = False
        is_float = tensor.code == _DLPACK_FLOAT and tensor.lanes == 1
        self.kind = {32: "f", 64: "d"}.get(tensor.bits if is_float else 0, f"DLPack type {tensor.code} of {tensor.bits} bits")
        size = tensor.bits // 8
        self.shape = tuple(tensor.shape[: tensor.ndim])
        strides = tuple(size * stride for stride in tensor.strides[: tensor.ndim]) if tensor.strides else None
        self.strides = strides or _contiguous(self.shape, size)
        self.contiguous = self._has_no_gaps(size)

    def _has_no_gaps(self, size: int) -> bool:
        in_reverse = tuple(reversed(_contiguous(tuple(reversed(self.shape)), size)))
        return self.strides in (_contiguous(self.shape, size), in_reverse)


def _contiguous(shape: Tuple[int, ...], size: int) -> Tuple[int, ...]:
    strides = []
    for length in reversed(shape):
        strides.append(size)
        size *= length
    return tuple(reversed(strides))
