//! AVX-512F: tiles of 8 rows by 3 vectors, that is 8 x 48 for f32 and 8 x 24 for f64.
//!
//! 24 registers of sums, 3 of B and one of A leave slack among 32; 9 x 3 would leave none and measured slower.

use super::vector::Vector;
use super::{Kernels, bodies, column, table};
use core::arch::asm;
use core::arch::x86_64::*;

/// Implements [`Vector`] for a 512-bit register.
macro_rules! register {
    ($vector:ty, $scalar:ty, $mask:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $load_part:ident,
     $store:ident, $stream:ident, $store_part:ident, $mul_add:ident, $mul:ident) => {
        // SAFETY: each function is one instruction with the semantics of the trait.
        unsafe impl Vector for $vector {
            type Scalar = $scalar;
            type Mask = $mask;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn mask(count: usize) -> $mask {
                <$mask>::MAX >> ($lanes - count)
            }
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller vouches for AVX-512F; so in every function below, and for the memory.
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
            unsafe fn load_part(from: *const $scalar, mask: $mask) -> Self {
                // SAFETY: as in `zero`; lanes outside the mask are not accessed.
                unsafe { $load_part(mask, from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $scalar) {
                // SAFETY: as in `zero`.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn stream(self, to: *mut $scalar) {
                // SAFETY: as in `zero`; the caller passes a whole line.
                unsafe { $stream(to, self) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $scalar, mask: $mask) {
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
                #[target_feature(enable = "avx512f")]
                fn tie(mut pointer: *const $scalar, mut register: $vector) -> (*const $scalar, $vector) {
                    // SAFETY: no instruction at all.
                    unsafe {
                        asm!("/* {0} {1} */", inout(reg) pointer, inout(zmm_reg) register,
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
    __m512,
    f32,
    __mmask16,
    16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_storeu_ps,
    _mm512_stream_ps,
    _mm512_mask_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_mul_ps
);
register!(
    __m512d,
    f64,
    __mmask8,
    8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_storeu_pd,
    _mm512_stream_pd,
    _mm512_mask_storeu_pd,
    _mm512_fmadd_pd,
    _mm512_mul_pd
);

bodies!("avx512f,avx2,fma");

pub(super) static F32: Kernels<f32> = Kernels {
    rows: 8,
    vectors: 3,
    lanes: 16,
    transpose: super::avx2::transpose_f32,
    add_rows: add_rows::<__m512>,
    add_columns: Some((16, super::dots::add_f32)),
    finish: finish::<__m512>,
    table: [
        table!(entry, __m512, 0, [1 2 3 4 5 6 7 8], [1 2 3]),
        table!(entry, __m512, 1, [1 2 3 4 5 6 7 8], [1 2 3]),
        table!(entry, __m512, 2, [1 2 3 4 5 6 7 8], [1 2 3]),
    ],
    copying: column!(entry, __m512, 4, [1 2 3 4 5 6 7 8], 3),
    near: &[
        column!(entry, __m512, 3, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], 1),
        column!(entry, __m512, 3, [1 2 3 4 5 6 7 8 9 10 11 12], 2),
        column!(entry, __m512, 3, [1 2 3 4 5 6 7 8], 3),
        column!(entry, __m512, 3, [1 2 3 4 5 6], 4),
    ],
};

pub(super) static F64: Kernels<f64> = Kernels {
    rows: 8,
    vectors: 3,
    lanes: 8,
    transpose: super::avx2::transpose_f64,
    add_rows: add_rows::<__m512d>,
    add_columns: Some((8, super::dots::add_f64)),
    finish: finish::<__m512d>,
    table: [
        table!(entry, __m512d, 0, [1 2 3 4 5 6 7 8], [1 2 3]),
        table!(entry, __m512d, 1, [1 2 3 4 5 6 7 8], [1 2 3]),
        table!(entry, __m512d, 2, [1 2 3 4 5 6 7 8], [1 2 3]),
    ],
    copying: column!(entry, __m512d, 4, [1 2 3 4 5 6 7 8], 3),
    near: &[
        column!(entry, __m512d, 3, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], 1),
        column!(entry, __m512d, 3, [1 2 3 4 5 6 7 8 9 10 11 12], 2),
        column!(entry, __m512d, 3, [1 2 3 4 5 6 7 8], 3),
        column!(entry, __m512d, 3, [1 2 3 4 5 6], 4),
    ],
};
