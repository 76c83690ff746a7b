"""Arrays whose memory is on a NUMA node of one's choice."""

from __future__ import annotations

import ctypes
import dataclasses
import math
import operator
import weakref
from typing import Any, Dict, Optional, Sequence, Tuple, Union

from . import _native
from ._buffer import Memory

#: What there is without NumPy, as memoryview names it.
_FORMATS = {
    "float32": "f", "float64": "d", "bool": "?",
    "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
}  # fmt: skip
_NO_NODE = 0xFFFFFFFF
_HOW_VERIFIED = ("", "move_pages", "numa_maps")

#: The blocks that are in use: where each begins, and how long it is.
_blocks: Dict[int, int] = {}


@dataclasses.dataclass(frozen=True)
class NumaReport:
    """Where the memory of an array is."""

    #: The node it was put on: the one asked for, or the nearest with memory. None: spread over all.
    node: Optional[int]
    #: How the system told it, ``"move_pages"`` or ``"numa_maps"``; empty where it tells nobody, as in many containers.
    verified_by: str
    #: Whether the system refused to be told the place. Then threads that ran there wrote the pages first.
    policy_refused: bool
    page_bytes: int
    pages: int
    #: How many are on the node; how many on others; of how many the system did not tell.
    pages_there: int
    pages_elsewhere: int
    pages_unknown: int


def numa_empty(
    shape: Union[int, Sequence[int]],
    dtype: Any = "float64",
    node: Optional[int] = None,
    *,
    huge_pages: bool = False,
    strict: bool = False,
) -> Any:
    """A new array in the memory of a NUMA node, filled with zeroes: as ``numpy.empty``, in C's order.

    The pages are written by threads of the node, and the system is told the place besides. :func:`numa_report` says where they
    are. The memory goes when the last view of it does. It is a multiple of the page size and begins at one of 2 MiB: for large
    arrays, not for many small ones.

    :param shape: the length, or the lengths of the dimensions
    :param dtype: what NumPy takes for one, but no Python objects. Without NumPy: a name such as ``"float32"``, and what comes
        is a memoryview
    :param node: the number of the node, as in ``topology().nodes``; None: spread over all nodes, page by page
    :param huge_pages: whether to ask for huge pages; the size is rounded up to 2 MiB
    :param strict: whether a page elsewhere is a ``MemoryError``, instead of spilling to the next node when this one is full

    Raises ``ValueError`` for a node that is not there, ``MemoryError`` when there is no memory. Thread-safe.
    """
    lengths = _lengths(shape)
    try:
        import numpy
    except ImportError:
        memory = _allocate(lengths, ctypes.sizeof(_c_type(dtype)), node, huge_pages, strict)
        if 0 in lengths:
            raise ValueError(f"an array of the shape {lengths} has no elements, which needs NumPy") from None
        view: Any = memoryview(memory).cast("B")
        return view.cast(_FORMATS[dtype], shape=lengths)
    kind = numpy.dtype(dtype)
    if kind.hasobject:
        raise TypeError(f"dtype is {kind}: Python objects cannot live in such memory")
    memory = _allocate(lengths, kind.itemsize, node, huge_pages, strict)
    return numpy.ndarray(lengths, kind, buffer=memory)


def numa_report(array: Any) -> NumaReport:
    """Asks the system where the memory of an array from :func:`numa_empty`, or of a view of one, is now.

    It takes about a millisecond for every 10 MiB, since all of the array's pages are looked up.
    """
    with Memory(array, "array") as memory:
        address = memory.address
        start = next((start for start, size in list(_blocks.items()) if start <= address < start + size), None)
        if start is None:
            raise ValueError("array is not in memory from numa_empty")
        report = _native.node_report(start)
    return NumaReport(
        None if report.node == _NO_NODE else report.node,
        _HOW_VERIFIED[report.verified_by] if report.verified_by < len(_HOW_VERIFIED) else "another way",
        bool(report.policy_refused),
        report.page_bytes,
        report.pages,
        report.pages_there,
        report.pages_elsewhere,
        report.pages_unknown,
    )


def _lengths(shape: Union[int, Sequence[int]]) -> Tuple[int, ...]:
    try:
        lengths: Tuple[int, ...] = (operator.index(shape),)  # type: ignore[arg-type]  # what is no number is a sequence
    except TypeError:
        lengths = tuple(operator.index(length) for length in shape)  # type: ignore[union-attr]
    if any(length < 0 for length in lengths):
        raise ValueError(f"shape is {lengths}, and has a negative length")
    return lengths


def _c_type(dtype: Any) -> Any:
    if dtype not in _FORMATS:
        raise TypeError(f"dtype is {dtype!r}; without NumPy the choices are {', '.join(_FORMATS)}")
    return getattr(ctypes, "c_" + {"float32": "float", "float64": "double"}.get(dtype, dtype))


def _allocate(lengths: Tuple[int, ...], item_size: int, node: Optional[int], huge_pages: bool, strict: bool) -> Any:
    """Memory with the buffer protocol, which is freed when nobody refers to it any more."""
    size = max(math.prod(lengths) * item_size, 1)
    if size > _MOST_BYTES:
        raise MemoryError(f"an array of the shape {lengths} has {size} bytes, more than the address space")
    if node is not None:
        node = operator.index(node)
        if not 0 <= node < _NO_NODE:
            raise ValueError(f"node is {node}; topology().nodes has the numbers there are")
    flags = (_native.NODE_HUGE_PAGES if huge_pages else 0) | (_native.NODE_STRICT if strict else 0)
    address = _native.node_alloc(size, node, flags)
    memory = (ctypes.c_char * size).from_address(address)
    _blocks[address] = size
    # Not when the interpreter exits: somebody may still be using it then, and the process gives it back.
    setattr(weakref.finalize(memory, _free, address), "atexit", False)
    return memory


_MOST_BYTES = (1 << 8 * ctypes.sizeof(ctypes.c_size_t) - 1) - 1


def _free(address: int) -> None:
    del _blocks[address]
    _native.node_free(address)
