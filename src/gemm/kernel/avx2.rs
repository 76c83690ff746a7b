//! AVX2 with FMA: tiles of 6 rows by 2 vectors, that is 6 x 16 for f32 and 6 x 8 for f64: 12 registers of sums, 2 of B and
//! up to 2 of A fill all 16. Also the transposing packers, which AVX-512 shares: they wait for memory, not for shuffles.

use super::portable::transpose_range;
use super::vector::Vector;
use super::{Kernels, bodies, column, table};
use core::arch::asm;
use core::arch::x86_64::*;

/// Implements [`Vector`] for a 256-bit register.
macro_rules! register {
    ($vector:ty, $scalar:ty, $word:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $load_part:ident,
     $store:ident, $stream:ident, $store_part:ident, $mul_add:ident, $mul:ident) => {
        // SAFETY: each function is one instruction with the semantics of the trait.
        unsafe impl Vector for $vector {
            type Scalar = $scalar;
            type Mask = __m256i;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn mask(count: usize) -> __m256i {
                const SLIDE: [$word; 2 * $lanes] = {
                    let mut slide = [0; 2 * $lanes];
                    let mut i = 0;
                    while i < $lanes {
                        slide[i] = -1;
                        i += 1;
                    }
                    slide
                };
                debug_assert!(count <= $lanes);
                // SAFETY: the window starts at most `LANES` into an array of twice that; the caller vouches for AVX2.
                unsafe { _mm256_loadu_si256(SLIDE.as_ptr().wrapping_add($lanes - count).cast()) }
            }
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller vouches for AVX2 and FMA; so in every function below, and for the memory.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn splat(value: $scalar) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const $scalar) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $splat(from.read_unaligned()) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $scalar, mask: __m256i) -> Self {
                // SAFETY: as in `zero`; lanes outside the mask are not accessed.
                unsafe { $load_part(from, mask) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $scalar) {
                // SAFETY: as in `zero`.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn stream(self, to: *mut $scalar) {
                // SAFETY: as in `zero`; the caller passes half of a line.
                unsafe { $stream(to, self) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $scalar, mask: __m256i) {
                // SAFETY: as in `zero`; lanes outside the mask are not accessed.
                unsafe { $store_part(to, mask, self) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $mul_add(self, factor, addend) }
            }
            #[inline(always)]
            unsafe fn mul(self, factor: Self) -> Self {
                // SAFETY: as in `zero`.
                unsafe { $mul(self, factor) }
            }
            #[inline(always)]
            unsafe fn after(pointer: *const $scalar, register: Self) -> (*const $scalar, Self) {
                /// The assembler accepts the register only in a function with the feature.
                #[inline]
                #[expect(clippy::pointers_in_nomem_asm_block, reason = "the pointer is handed through, not followed")]
                #[target_feature(enable = "avx2")]
                fn tie(mut pointer: *const $scalar, mut register: $vector) -> (*const $scalar, $vector) {
                    // SAFETY: no instruction at all.
                    unsafe {
                        asm!("/* {0} {1} */", inout(reg) pointer, inout(ymm_reg) register,
                            options(pure, nomem, nostack, preserves_flags));
                    }
                    (pointer, register)
                }
                // SAFETY: as in `zero`.
                unsafe { tie(pointer, register) }
            }
            #[inline(always)]
            unsafe fn prefetch(from: *const $scalar) {
                // SAFETY: a prefetch may name any address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
            }
            #[inline(always)]
            unsafe fn prefetch_far(from: *const $scalar) {
                // SAFETY: a prefetch may name any address.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
            }
        }
    };
}

register!(
    __m256,
    f32,
    i32,
    8,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_maskload_ps,
    _mm256_storeu_ps,
    _mm256_stream_ps,
    _mm256_maskstore_ps,
    _mm256_fmadd_ps,
    _mm256_mul_ps
);
register!(
    __m256d,
    f64,
    i64,
    4,
    _mm256_setzero_pd,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_maskload_pd,
    _mm256_storeu_pd,
    _mm256_stream_pd,
    _mm256_maskstore_pd,
    _mm256_fmadd_pd,
    _mm256_mul_pd
);

bodies!("avx2,fma");

/// Packs 8 x 8 blocks through registers, the edges element by element.
///
/// # Safety
/// As [`Transpose`](super::Transpose) says.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn transpose_f32(
    source: *const f32,
    stride: usize,
    depth: usize,
    columns: usize,
    packed: *mut f32,
    width: usize,
) {
    let (deep, wide) = (depth / 8 * 8, columns / 8 * 8);
    // SAFETY: `p` and `j` stay 8 below `depth` and `columns`, within what the caller vouches for; the rest of the block
    // is two ranges which `transpose_range` covers.
    unsafe {
        for j in (0..wide).step_by(8) {
            let from = source.wrapping_add(j * stride);
            for p in (0..deep).step_by(8) {
                let to = packed.wrapping_add(p * width + j);
                let mut row = [_mm256_setzero_ps(); 8];
                for (i, row) in row.iter_mut().enumerate() {
                    *row = _mm256_loadu_ps(from.wrapping_add(i * stride + p));
                }
                let [a, b, c, d, e, f, g, h] = row;
                let (ab, ba) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd, dc) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let (ef, fe) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
                let (gh, hg) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
                let left = [
                    _mm256_shuffle_ps::<0x44>(ab, cd),
                    _mm256_shuffle_ps::<0xee>(ab, cd),
                    _mm256_shuffle_ps::<0x44>(ba, dc),
                    _mm256_shuffle_ps::<0xee>(ba, dc),
                ];
                let right = [
                    _mm256_shuffle_ps::<0x44>(ef, gh),
                    _mm256_shuffle_ps::<0xee>(ef, gh),
                    _mm256_shuffle_ps::<0x44>(fe, hg),
                    _mm256_shuffle_ps::<0xee>(fe, hg),
                ];
                for i in 0..4 {
                    let low = _mm256_permute2f128_ps::<0x20>(left[i], right[i]);
                    let high = _mm256_permute2f128_ps::<0x31>(left[i], right[i]);
                    _mm256_storeu_ps(to.wrapping_add(i * width), low);
                    _mm256_storeu_ps(to.wrapping_add((i + 4) * width), high);
                }
            }
        }
        transpose_range(source, stride, deep..depth, 0..wide, wide, packed, width);
        transpose_range(source, stride, 0..depth, wide..width, columns, packed, width);
    }
}

/// Packs 4 x 4 blocks through registers, the edges element by element.
///
/// # Safety
/// As [`Transpose`](super::Transpose) says.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn transpose_f64(
    source: *const f64,
    stride: usize,
    depth: usize,
    columns: usize,
    packed: *mut f64,
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
                let a = _mm256_loadu_pd(from.wrapping_add(p));
                let b = _mm256_loadu_pd(from.wrapping_add(stride + p));
                let c = _mm256_loadu_pd(from.wrapping_add(2 * stride + p));
                let d = _mm256_loadu_pd(from.wrapping_add(3 * stride + p));
                let (ab, ba) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                let (cd, dc) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
                _mm256_storeu_pd(to, _mm256_permute2f128_pd::<0x20>(ab, cd));
                _mm256_storeu_pd(to.wrapping_add(width), _mm256_permute2f128_pd::<0x20>(ba, dc));
                _mm256_storeu_pd(to.wrapping_add(2 * width), _mm256_permute2f128_pd::<0x31>(ab, cd));
                _mm256_storeu_pd(to.wrapping_add(3 * width), _mm256_permute2f128_pd::<0x31>(ba, dc));
            }
        }
        transpose_range(source, stride, deep..depth, 0..wide, wide, packed, width);
        transpose_range(source, stride, 0..depth, wide..width, columns, packed, width);
    }
}

pub(super) static F32: Kernels<f32> = Kernels {
    rows: 6,
    vectors: 2,
    lanes: 8,
    transpose: transpose_f32,
    add_rows: add_rows::<__m256>,
    add_columns: None,
    finish: finish::<__m256>,
    table: [
        table!(entry, __m256, 0, [1 2 3 4 5 6], [1 2]),
        table!(entry, __m256, 1, [1 2 3 4 5 6], [1 2]),
        table!(entry, __m256, 2, [1 2 3 4 5 6], [1 2]),
    ],
    copying: column!(entry, __m256, 4, [1 2 3 4 5 6], 2),
    near: &[column!(entry, __m256, 3, [1 2 3 4 5 6], 1), column!(entry, __m256, 3, [1 2 3 4 5 6], 2)],
};

pub(super) static F64: Kernels<f64> = Kernels {
    rows: 6,
    vectors: 2,
    lanes: 4,
    transpose: transpose_f64,
    add_rows: add_rows::<__m256d>,
    add_columns: None,
    finish: finish::<__m256d>,
    table: [
        table!(entry, __m256d, 0, [1 2 3 4 5 6], [1 2]),
        table!(entry, __m256d, 1, [1 2 3 4 5 6], [1 2]),
        table!(entry, __m256d, 2, [1 2 3 4 5 6], [1 2]),
    ],
    copying: column!(entry, __m256d, 4, [1 2 3 4 5 6], 2),
    near: &[column!(entry, __m256d, 3, [1 2 3 4 5 6], 1), column!(entry, __m256d, 3, [1 2 3 4 5 6], 2)],
};
