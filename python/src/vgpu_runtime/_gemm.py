"""Matrix products: from Python's views of memory to the arguments of vgpu_sgemm and vgpu_dgemm."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple

from . import _native
from ._buffer import Memory, addresses_of

_SIZES = {"f": 4, "d": 8}
_FLAGS = {False: _native.NO_TRANS, True: _native.TRANS}
_NAMES = {"f": "float32", "d": "float64"}


class _Matrix(NamedTuple):
    """A matrix as BLAS sees it: rows of contiguous elements, perhaps to be read as columns."""

    address: int
    transposed: bool
    leading: int
    rows: int
    cols: int


def _matrix(memory: Memory, name: str, transpose: bool = False) -> _Matrix:
    size = _SIZES.get(memory.kind)
    if size is None:
        raise TypeError(f"{name} must hold float32 or float64 in this machine's byte order, and holds {memory.kind!r}")
    if len(memory.shape) != 2:
        raise ValueError(f"{name} must have 2 dimensions, and has {len(memory.shape)}: its shape is {memory.shape}")
    rows, cols = memory.shape
    row_stride, col_stride = memory.strides
    # A dimension of one element is contiguous whatever its stride says.
    if not rows or not cols:
        transposed, leading = False, cols
    elif (col_stride == size or cols <= 1) and (rows <= 1 or _fits(row_stride, size, cols)):
        transposed, leading = False, cols if rows <= 1 else row_stride // size
    elif (row_stride == size or rows <= 1) and (cols <= 1 or _fits(col_stride, size, rows)):
        transposed, leading = True, rows if cols <= 1 else col_stride // size
    else:
        raise ValueError(
            f"{name} has strides of {memory.strides} bytes; one must be {size}, and the other a multiple of that and at least a "
            "whole row or column. Pass a copy (numpy.ascontiguousarray makes one)"
        )
    if transpose:
        rows, cols, transposed = cols, rows, not transposed
    return _Matrix(memory.address, transposed, max(leading, 1), rows, cols)


def _fits(stride: int, size: int, length: int) -> bool:
    return stride % size == 0 and stride >= size * max(length, 1)


def _span(matrix: _Matrix, size: int) -> Tuple[int, int]:
    """The first byte of a matrix, and the one behind its last."""
    rows, cols = (matrix.cols, matrix.rows) if matrix.transposed else (matrix.rows, matrix.cols)
    count = (rows - 1) * matrix.leading + cols if rows and cols else 0
    return matrix.address, matrix.address + count * size


def _overlap(one: _Matrix, other: _Matrix, size: int) -> bool:
    one_begin, one_end = _span(one, size)
    other_begin, other_end = _span(other, size)
    if one_end <= other_begin or other_end <= one_begin:
        return False
    if one.leading != other.leading or (one_begin - other_begin) % size:
        return True
    # Two blocks of one larger matrix: they share an element only if they share columns of it.
    offset = (one_begin - other_begin) // size % one.leading
    one_length = one.rows if one.transposed else one.cols
    other_length = other.rows if other.transposed else other.cols
    return offset < other_length or offset + one_length > one.leading


def _new_matrix(rows: int, cols: int, kind: str) -> Any:
    try:
        import numpy
    except ImportError:
        if not rows or not cols:
            raise ValueError(f"a result of {rows} x {cols} elements needs NumPy, or an out to go to") from None
        memory = memoryview(bytearray(rows * cols * _SIZES[kind]))
        return memory.cast(kind, shape=[rows, cols])  # type: ignore[call-overload]  # it takes "f" and "d"
    return numpy.empty((rows, cols), kind)


class _Plan(NamedTuple):
    """What a product's layouts come to: all of the native call's arguments but the factors and the addresses."""

    function: Any
    #: Whether the native call's first matrix is b, because out is stored by columns.
    swapped: bool
    flags: Tuple[int, int]
    sizes: Tuple[int, int, int]
    leading: Tuple[int, int, int]
    #: How many bytes there are from the first element of a, b and out to behind their last.
    spans: Tuple[int, int, int]


#: Plans by what the layouts are. Cold interpreter code is slow, and a product leaves nothing in the caches: so what was made out once is
#: kept.
_plans: Dict[Any, _Plan] = {}
_MOST_PLANS = 256


def gemm(
    pool: Optional[int], a: Any, b: Any, out: Any, alpha: float, beta: float, trans_a: bool, trans_b: bool, bf16x3: bool
) -> Any:
    try:
        view_a, view_b, view_out = memoryview(a), memoryview(b), memoryview(out)
    except (TypeError, ValueError, BufferError):
        return _gemm(pool, a, b, out, alpha, beta, trans_a, trans_b, bf16x3)
    try:
        key = (
            view_a.format, view_a.shape, view_a.strides, view_b.format, view_b.shape, view_b.strides,
            view_out.format, view_out.shape, view_out.strides, view_out.readonly, bool(trans_a), bool(trans_b), bool(bf16x3),
        )  # fmt: skip
        plan = _plans.get(key)
        if plan is None:
            # The whole way says what is wrong, if anything is. What it accepts has a plan.
            return _gemm(pool, a, b, out, alpha, beta, trans_a, trans_b, bf16x3, key)
        function, swapped, (flag_a, flag_b), (rows, cols, inner), (lda, ldb, ldc), (span_a, span_b, span_out) = plan
        at_a, at_b, at_out = addresses_of(view_a, view_b, view_out)
        if (at_out < at_a + span_a and at_a < at_out + span_out) or (at_out < at_b + span_b and at_b < at_out + span_out):
            return _gemm(pool, a, b, out, alpha, beta, trans_a, trans_b, bf16x3)
        if swapped:
            at_a, at_b = at_b, at_a
        status = function(
            pool, _native.ROW_MAJOR, flag_a, flag_b, rows, cols, inner, alpha, at_a, lda, at_b, ldb, beta, at_out, ldc
        )  # fmt: skip
        if status != _native.OK:
            raise _native.error_of(status)
    except BaseException:
        # The traceback keeps this frame; the memory is not to be kept with it.
        view_a.release()
        view_b.release()
        view_out.release()
        raise
    return out


def _gemm(
    pool: Optional[int], a: Any, b: Any, out: Any, alpha: float, beta: float, trans_a: bool, trans_b: bool, bf16x3: bool,
    key: Any = None,
) -> Any:  # fmt: skip
    """A product of anything. The plan goes to ``key``."""
    with Memory(a, "a") as memory_a, Memory(b, "b") as memory_b:
        matrix_a = _matrix(memory_a, "a", trans_a)
        matrix_b = _matrix(memory_b, "b", trans_b)
        if memory_a.kind != memory_b.kind:
            raise TypeError(f"a holds {_NAMES[memory_a.kind]} and b {_NAMES[memory_b.kind]}: convert one of them")
        if bf16x3 and memory_a.kind != "f":
            raise TypeError(f"a holds {_NAMES[memory_a.kind]}, and only products of {_NAMES['f']} go by way of bf16")
        if matrix_a.cols != matrix_b.rows:
            raise ValueError(
                f"a, as multiplied, is {matrix_a.rows} x {matrix_a.cols}, and b {matrix_b.rows} x {matrix_b.cols}: "
                "a must have as many columns as b has rows"
            )
        if out is None:
            if beta:
                raise ValueError(f"beta is {beta}, and there is no out for it to multiply")
            out = _new_matrix(matrix_a.rows, matrix_b.cols, memory_a.kind)
        with Memory(out, "out") as memory_out:
            plan = _plan(matrix_a, matrix_b, memory_out, memory_a.kind, bf16x3)
            at_a, at_b = matrix_a.address, matrix_b.address
            if plan.swapped:
                at_a, at_b = at_b, at_a
            if key is not None:
                if len(_plans) >= _MOST_PLANS:
                    _plans.clear()
                _plans[key] = plan
            _native.check(
                plan.function(
                    pool, _native.ROW_MAJOR, *plan.flags, *plan.sizes, alpha, at_a, plan.leading[0], at_b, plan.leading[1],
                    beta, memory_out.address, plan.leading[2],
                )  # fmt: skip
            )
    return out


def _plan(a: _Matrix, b: _Matrix, memory_out: Memory, kind: str, bf16x3: bool) -> _Plan:
    if memory_out.readonly:
        raise ValueError("out is read-only")
    out = _matrix(memory_out, "out")
    if memory_out.kind != kind:
        raise TypeError(f"out holds {_NAMES[memory_out.kind]}, and a and b hold {_NAMES[kind]}")
    rows, cols, inner = a.rows, b.cols, a.cols
    if (out.rows, out.cols) != (rows, cols):
        raise ValueError(f"out is {out.rows} x {out.cols}, and the product is {rows} x {cols}")
    size = _SIZES[kind]
    for other, name in ((a, "a"), (b, "b")):
        if rows and cols and _overlap(out, other, size):
            raise ValueError(f"out overlaps {name}: the product would be written over what it is made of")
    first, last = zip(_span(a, size), _span(b, size), _span(out, size))
    spans = (last[0] - first[0], last[1] - first[1], last[2] - first[2])
    if out.transposed:
        # Stored by columns, out is the rows of the transposed product.
        a, b = b._replace(transposed=not b.transposed), a._replace(transposed=not a.transposed)
        rows, cols = cols, rows
    return _Plan(
        _native.sgemm_bf16x3 if bf16x3 else _native.sgemm if kind == "f" else _native.dgemm,
        out.transposed,
        (_FLAGS[a.transposed], _FLAGS[b.transposed]),
        (rows, cols, inner),
        (a.leading, b.leading, out.leading),
        spans,
    )
