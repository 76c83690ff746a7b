//! Plain Rust for every other CPU: a "register" is a short array, which the compiler keeps in whatever registers there are.
//!
//! Products and sums round separately: without the instruction, a fused multiply-add is a call into the C library. Tiles
//! of 4 rows by 2 arrays of 16 bytes fit the 16 registers which x86-64 and AArch64 both have.

use super::vector::Vector;
use super::{Kernels, bodies, column, table};
use crate::gemm::element::Element;
use core::array;
use core::ops::Range;

/// A few elements side by side.
#[derive(Clone, Copy)]
struct Lanes<T, const L: usize>([T; L]);

// SAFETY: plain Rust runs on every CPU; each function touches the lanes which the trait names.
unsafe impl<T: Element, const L: usize> Vector for Lanes<T, L> {
    type Scalar = T;
    type Mask = usize;
    const LANES: usize = L;

    #[inline(always)]
    unsafe fn mask(count: usize) -> usize {
        count
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        Lanes([T::ZERO; L])
    }
    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Lanes([value; L])
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const T) -> Self {
        // SAFETY: the caller vouches for the element.
        Lanes([unsafe { from.read_unaligned() }; L])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for `L` elements.
        Lanes(unsafe { from.cast::<[T; L]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_part(from: *const T, mask: usize) -> Self {
        // SAFETY: the caller vouches for the first `mask` elements.
        Lanes(array::from_fn(|i| if i < mask { unsafe { from.add(i).read_unaligned() } } else { T::ZERO }))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller vouches for `L` elements.
        unsafe { to.cast::<[T; L]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut T, mask: usize) {
        for (i, &value) in self.0.iter().enumerate().take(mask) {
            // SAFETY: the caller vouches for the first `mask` elements.
            unsafe { to.add(i).write_unaligned(value) }
        }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Lanes(array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
    }
    #[inline(always)]
    unsafe fn mul(self, factor: Self) -> Self {
        Lanes(array::from_fn(|i| self.0[i] * factor.0[i]))
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const T) {}
    #[inline(always)]
    unsafe fn prefetch_far(_: *const T) {}
}

bodies!();

/// Packs the elements with `p` in `depth` and `j` in `columns`; those with `j >= present` become zero.
///
/// # Safety
/// As [`Transpose`](super::Transpose) says, for the two ranges.
pub(super) unsafe fn transpose_range<T: Element>(
    source: *const T,
    stride: usize,
    depth: Range<usize>,
    columns: Range<usize>,
    present: usize,
    packed: *mut T,
    width: usize,
) {
    for j in columns {
        for p in depth.clone() {
            // SAFETY: only columns that exist are read, and `j < width`.
            unsafe {
                let value = if j < present { source.add(j * stride + p).read_unaligned() } else { T::ZERO };
                packed.add(p * width + j).write(value);
            }
        }
    }
}

/// # Safety
/// As [`Transpose`](super::Transpose) says.
unsafe fn transpose<T: Element>(
    source: *const T,
    stride: usize,
    depth: usize,
    columns: usize,
    packed: *mut T,
    width: usize,
) {
    // SAFETY: passed on to the caller.
    unsafe { transpose_range(source, stride, 0..depth, 0..width, columns, packed, width) }
}

pub(super) static F32: Kernels<f32> = Kernels {
    rows: 4,
    vectors: 2,
    lanes: 4,
    transpose: transpose::<f32>,
    add_rows: add_rows::<Lanes<f32, 4>>,
    add_columns: None,
    finish: finish::<Lanes<f32, 4>>,
    table: [
        table!(entry, Lanes<f32, 4>, 0, [1 2 3 4], [1 2]),
        table!(entry, Lanes<f32, 4>, 1, [1 2 3 4], [1 2]),
        table!(entry, Lanes<f32, 4>, 2, [1 2 3 4], [1 2]),
    ],
    copying: column!(entry, Lanes<f32, 4>, 4, [1 2 3 4], 2),
    near: &[column!(entry, Lanes<f32, 4>, 3, [1 2 3 4], 1), column!(entry, Lanes<f32, 4>, 3, [1 2 3 4], 2)],
};

pub(super) static F64: Kernels<f64> = Kernels {
    rows: 4,
    vectors: 2,
    lanes: 2,
    transpose: transpose::<f64>,
    add_rows: add_rows::<Lanes<f64, 2>>,
    add_columns: None,
    finish: finish::<Lanes<f64, 2>>,
    table: [
        table!(entry, Lanes<f64, 2>, 0, [1 2 3 4], [1 2]),
        table!(entry, Lanes<f64, 2>, 1, [1 2 3 4], [1 2]),
        table!(entry, Lanes<f64, 2>, 2, [1 2 3 4], [1 2]),
    ],
    copying: column!(entry, Lanes<f64, 2>, 4, [1 2 3 4], 2),
    near: &[column!(entry, Lanes<f64, 2>, 3, [1 2 3 4], 1), column!(entry, Lanes<f64, 2>, 3, [1 2 3 4], 2)],
};
