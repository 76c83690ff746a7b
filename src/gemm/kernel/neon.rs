//! NEON, which every 64-bit Arm CPU has: tiles of 8 rows by 3 vectors for f32 and of 6 rows by 4 for f64, that is 8 x 12 and 6 x 8.
//!
//! Either way 24 registers of sums, 3 or 4 of B and one of A leave slack among 32. There are no masked loads and stores: the lanes of
//! a partial vector are moved one half and one lane at a time, which only the last vector of an edge pays for.

use super::portable::transpose_range;
use super::vector::Vector;
use super::{Kernels, bodies, column, table};
use core::arch::aarch64::*;
use core::arch::asm;

/// Implements [`Vector`] for a 128-bit register. `$load_part` and `$store_part` move the first lanes, fewer than all.
macro_rules! register {
    ($vector:ty, $scalar:ty, $lanes:literal, $splat:ident, $load:ident, $repeat:ident, $store:ident, $mul_add:ident, $mul:ident,
     $load_part:ident, $store_part:ident) => {
        // SAFETY: each function but the two for partial vectors is one instruction with the semantics of the trait.
        unsafe impl Vector for $vector {
            type Scalar = $scalar;
            type Mask = usize;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn mask(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller vouches for NEON; so in every function below, and for the memory.
                unsafe { $splat(0.0) }
            }
            #[inline(always)]
            unsafe fn splat(value: $scalar) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const $scalar) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $repeat(from) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $scalar, count: usize) -> Self {
                // SAFETY: as in `zero`; only the first `count` lanes are accessed.
                unsafe { if count == $lanes { $load(from) } else { $load_part(from, count) } }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $scalar) {
                // SAFETY: as in `zero`.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $scalar, count: usize) {
                // SAFETY: as in `zero`; only the first `count` lanes are accessed.
                unsafe { if count == $lanes { $store(to, self) } else { $store_part(to, self, count) } }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $mul_add(addend, self, factor) }
            }
            #[inline(always)]
            unsafe fn mul(self, factor: Self) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $mul(self, factor) }
            }
            #[inline(always)]
            #[expect(clippy::pointers_in_nomem_asm_block, reason = "the pointer is handed through, not followed")]
            unsafe fn after(mut pointer: *const $scalar, mut register: Self) -> (*const $scalar, Self) {
                // SAFETY: no instruction at all.
                unsafe {
                    asm!("/* {0} {1:v} */", inout(reg) pointer, inout(vreg) register,
                        options(pure, nomem, nostack, preserves_flags));
                }
                (pointer, register)
            }
            #[inline(always)]
            unsafe fn prefetch(from: *const $scalar) {
                // SAFETY: a prefetch may name any address.
                unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) from, options(readonly, nostack, preserves_flags)) }
            }
            #[inline(always)]
            unsafe fn prefetch_far(from: *const $scalar) {
                // SAFETY: a prefetch may name any address.
                unsafe { asm!("prfm pldl2keep, [{0}]", in(reg) from, options(readonly, nostack, preserves_flags)) }
            }
        }
    };
}

register!(
    float32x4_t,
    f32,
    4,
    vdupq_n_f32,
    vld1q_f32,
    vld1q_dup_f32,
    vst1q_f32,
    vfmaq_f32,
    vmulq_f32,
    load_few_f32,
    store_few_f32
);
register!(
    float64x2_t,
    f64,
    2,
    vdupq_n_f64,
    vld1q_f64,
    vld1q_dup_f64,
    vst1q_f64,
    vfmaq_f64,
    vmulq_f64,
    load_one_f64,
    store_one_f64
);

/// Reads 1, 2 or 3 elements; the other lanes are zero.
///
/// # Safety
/// They are readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load_few_f32(from: *const f32, count: usize) -> float32x4_t {
    debug_assert!((1..4).contains(&count));
    let zero = vdupq_n_f32(0.0);
    // SAFETY: by contract: lane `i` is read only if `i < count`.
    unsafe {
        match count {
            1 => vld1q_lane_f32::<0>(from, zero),
            2 => vcombine_f32(vld1_f32(from), vget_low_f32(zero)),
            _ => vld1q_lane_f32::<2>(from.wrapping_add(2), vcombine_f32(vld1_f32(from), vget_low_f32(zero))),
        }
    }
}

/// Writes 1, 2 or 3 elements.
///
/// # Safety
/// They are writable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store_few_f32(to: *mut f32, register: float32x4_t, count: usize) {
    debug_assert!((1..4).contains(&count));
    // SAFETY: by contract: lane `i` is written only if `i < count`.
    unsafe {
        if count == 1 {
            vst1q_lane_f32::<0>(to, register);
            return;
        }
        vst1_f32(to, vget_low_f32(register));
        if count == 3 {
            vst1q_lane_f32::<2>(to.wrapping_add(2), register);
        }
    }
}

/// Reads one element; the other lane is zero.
///
/// # Safety
/// It is readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load_one_f64(from: *const f64, count: usize) -> float64x2_t {
    debug_assert!(count == 1);
    // SAFETY: by contract.
    unsafe { vld1q_lane_f64::<0>(from, vdupq_n_f64(0.0)) }
}

/// Writes one element.
///
/// # Safety
/// It is writable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store_one_f64(to: *mut f64, register: float64x2_t, count: usize) {
    debug_assert!(count == 1);
    // SAFETY: by contract.
    unsafe { vst1q_lane_f64::<0>(to, register) }
}

bodies!("neon");

/// Packs 4 x 4 blocks through registers, the edges element by element.
///
/// # Safety
/// As [`Transpose`](super::Transpose) says.
#[target_feature(enable = "neon")]
unsafe fn transpose_f32(
    source: *const f32,
    stride: usize,
    depth: usize,
    columns: usize,
    packed: *mut f32,
    width: usize,
) {
    let (deep, wide) = (depth / 4 * 4, columns / 4 * 4);
    // SAFETY: `p` and `j` stay 4 below `depth` and `columns`, within what the caller vouches for; the rest of the block
    // is two ranges which `transpose_range` covers.
    unsafe {
        for j in (0..wide).step_by(4) {
            let from = source.wrapping_add(j * stride);
            for p in (0..deep).step_by(4) {
                let to = packed.wrapping_add(p * width + j);
                let row = |i: usize| vld1q_f32(from.wrapping_add(i * stride + p));
                let (a, b, c, d) = (row(0), row(1), row(2), row(3));
                // Pairs of rows are interleaved by elements, then pairs of those by halves.
                let pairs = |even, odd| (vreinterpretq_f64_f32(even), vreinterpretq_f64_f32(odd));
                let (ab, cd) = pairs(vtrn1q_f32(a, b), vtrn1q_f32(c, d));
                let (ba, dc) = pairs(vtrn2q_f32(a, b), vtrn2q_f32(c, d));
                let column = |i: usize, halves| vst1q_f32(to.wrapping_add(i * width), vreinterpretq_f32_f64(halves));
                column(0, vtrn1q_f64(ab, cd));
                column(1, vtrn1q_f64(ba, dc));
                column(2, vtrn2q_f64(ab, cd));
                column(3, vtrn2q_f64(ba, dc));
            }
        }
        transpose_range(source, stride, deep..depth, 0..wide, wide, packed, width);
        transpose_range(source, stride, 0..depth, wide..width, columns, packed, width);
    }
}

/// Packs 2 x 2 blocks through registers, the edges element by element.
///
/// # Safety
/// As [`Transpose`](super::Transpose) says.
#[target_feature(enable = "neon")]
unsafe fn transpose_f64(
    source: *const f64,
    stride: usize,
    depth: usize,
    columns: usize,
    packed: *mut f64,
    width: usize,
) {
    let (deep, wide) = (depth / 2 * 2, columns / 2 * 2);
    // SAFETY: `p` and `j` stay 2 below `depth` and `columns`, within what the caller vouches for; the rest of the block
    // is two ranges which `transpose_range` covers.
    unsafe {
        for j in (0..wide).step_by(2) {
            let from = source.wrapping_add(j * stride);
            for p in (0..deep).step_by(2) {
                let to = packed.wrapping_add(p * width + j);
                let (a, b) = (vld1q_f64(from.wrapping_add(p)), vld1q_f64(from.wrapping_add(stride + p)));
                vst1q_f64(to, vtrn1q_f64(a, b));
                vst1q_f64(to.wrapping_add(width), vtrn2q_f64(a, b));
            }
        }
        transpose_range(source, stride, deep..depth, 0..wide, wide, packed, width);
        transpose_range(source, stride, 0..depth, wide..width, columns, packed, width);
    }
}

pub(super) static F32: Kernels<f32> = Kernels {
    rows: 8,
    vectors: 3,
    lanes: 4,
    transpose: transpose_f32,
    add_rows: add_rows::<float32x4_t>,
    add_columns: None,
    finish: finish::<float32x4_t>,
    table: [
        table!(entry, float32x4_t, 0, [1 2 3 4 5 6 7 8], [1 2 3]),
        table!(entry, float32x4_t, 1, [1 2 3 4 5 6 7 8], [1 2 3]),
        table!(entry, float32x4_t, 2, [1 2 3 4 5 6 7 8], [1 2 3]),
    ],
    copying: column!(entry, float32x4_t, 4, [1 2 3 4 5 6 7 8], 3),
    near: &[
        column!(entry, float32x4_t, 3, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], 1),
        column!(entry, float32x4_t, 3, [1 2 3 4 5 6 7 8 9 10 11 12], 2),
        column!(entry, float32x4_t, 3, [1 2 3 4 5 6 7 8], 3),
        column!(entry, float32x4_t, 3, [1 2 3 4 5 6], 4),
    ],
};

pub(super) static F64: Kernels<f64> = Kernels {
    rows: 6,
    vectors: 4,
    lanes: 2,
    transpose: transpose_f64,
    add_rows: add_rows::<float64x2_t>,
    add_columns: None,
    finish: finish::<float64x2_t>,
    table: [
        table!(entry, float64x2_t, 0, [1 2 3 4 5 6], [1 2 3 4]),
        table!(entry, float64x2_t, 1, [1 2 3 4 5 6], [1 2 3 4]),
        table!(entry, float64x2_t, 2, [1 2 3 4 5 6], [1 2 3 4]),
    ],
    copying: column!(entry, float64x2_t, 4, [1 2 3 4 5 6], 4),
    near: &[
        column!(entry, float64x2_t, 3, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], 1),
        column!(entry, float64x2_t, 3, [1 2 3 4 5 6 7 8 9 10 11 12], 2),
        column!(entry, float64x2_t, 3, [1 2 3 4 5 6 7 8], 3),
        column!(entry, float64x2_t, 3, [1 2 3 4 5 6], 4),
    ],
};
