//! A matrix whose columns lie in memory one after another, times a vector, with AVX-512: as many columns at a time as a register has sums.
//!
//! A cache line of each column is loaded once, since columns that are a power of two apart share a set of the first-level cache and
//! would not be found there again. What is loaded is turned in registers, and added row by row, in the order of k.

use super::Rows;
use core::arch::x86_64::*;

/// Bytes from a fetch to its use.
const AHEAD: usize = 512;

/// Adds 16 columns of `rows.count` elements each, which are `stride` elements apart, times the factors, to 16 sums.
///
/// # Safety
/// The CPU has AVX-512; the columns and the factors are readable, and the sums writable.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn add_f32(rows: &Rows<f32>, stride: usize, sums: *mut f32) {
    // SAFETY: by contract; a fetch may name any address.
    unsafe {
        let mut sum = _mm512_loadu_ps(sums);
        let mut p = 0;
        while p + 16 <= rows.count {
            let mut line = [_mm512_setzero_ps(); 16];
            for (i, line) in line.iter_mut().enumerate() {
                let at = rows.first.wrapping_add(i * stride + p);
                *line = _mm512_loadu_ps(at);
                _mm_prefetch::<_MM_HINT_T1>(at.wrapping_add(AHEAD / 4).cast());
            }
            // Within quarters: `four[4 * g + i]` has element i of each quarter's lines 4 * g to 4 * g + 3.
            let mut four = [_mm512_setzero_ps(); 16];
            for g in 0..4 {
                let [a, b, c, d] = [line[4 * g], line[4 * g + 1], line[4 * g + 2], line[4 * g + 3]];
                let low = (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpacklo_ps(c, d)));
                let high = (_mm512_castps_pd(_mm512_unpackhi_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d)));
                four[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(low.0, low.1));
                four[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low.0, low.1));
                four[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high.0, high.1));
                four[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high.0, high.1));
            }
            // Quarters: `row[4 * q + i]` has quarter q of the four that have element i.
            let mut row = [_mm512_setzero_ps(); 16];
            for i in 0..4 {
                let [a, b, c, d] = [four[i], four[4 + i], four[8 + i], four[12 + i]];
                let (ab, ba) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                let (cd, dc) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
                row[i] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                row[4 + i] = _mm512_shuffle_f32x4::<0x88>(ba, dc);
                row[8 + i] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
                row[12 + i] = _mm512_shuffle_f32x4::<0xdd>(ba, dc);
            }
            for (i, row) in row.into_iter().enumerate() {
                let factor = rows.factor.wrapping_add((p + i) * rows.factor_step).read_unaligned();
                sum = _mm512_fmadd_ps(_mm512_set1_ps(factor), row, sum);
            }
            p += 16;
        }
        while p < rows.count {
            let mut row = [0.0; 16];
            for (i, element) in row.iter_mut().enumerate() {
                *element = rows.first.wrapping_add(i * stride + p).read_unaligned();
            }
            let factor = rows.factor.wrapping_add(p * rows.factor_step).read_unaligned();
            sum = _mm512_fmadd_ps(_mm512_set1_ps(factor), _mm512_loadu_ps(row.as_ptr()), sum);
            p += 1;
        }
        _mm512_storeu_ps(sums, sum);
    }
}

/// As [`add_f32`], of 8 columns.
///
/// # Safety
/// As [`add_f32`].
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn add_f64(rows: &Rows<f64>, stride: usize, sums: *mut f64) {
    // SAFETY: by contract; a fetch may name any address.
    unsafe {
        let mut sum = _mm512_loadu_pd(sums);
        let mut p = 0;
        while p + 8 <= rows.count {
            let mut line = [_mm512_setzero_pd(); 8];
            for (i, line) in line.iter_mut().enumerate() {
                let at = rows.first.wrapping_add(i * stride + p);
                *line = _mm512_loadu_pd(at);
                _mm_prefetch::<_MM_HINT_T1>(at.wrapping_add(AHEAD / 8).cast());
            }
            let mut two = [_mm512_setzero_pd(); 8];
            for g in 0..4 {
                two[2 * g] = _mm512_unpacklo_pd(line[2 * g], line[2 * g + 1]);
                two[2 * g + 1] = _mm512_unpackhi_pd(line[2 * g], line[2 * g + 1]);
            }
            let mut row = [_mm512_setzero_pd(); 8];
            for i in 0..2 {
                let [a, b, c, d] = [two[i], two[2 + i], two[4 + i], two[6 + i]];
                let (ab, ba) = (_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0xdd>(a, b));
                let (cd, dc) = (_mm512_shuffle_f64x2::<0x88>(c, d), _mm512_shuffle_f64x2::<0xdd>(c, d));
                row[i] = _mm512_shuffle_f64x2::<0x88>(ab, cd);
                row[2 + i] = _mm512_shuffle_f64x2::<0x88>(ba, dc);
                row[4 + i] = _mm512_shuffle_f64x2::<0xdd>(ab, cd);
                row[6 + i] = _mm512_shuffle_f64x2::<0xdd>(ba, dc);
            }
            for (i, row) in row.into_iter().enumerate() {
                let factor = rows.factor.wrapping_add((p + i) * rows.factor_step).read_unaligned();
                sum = _mm512_fmadd_pd(_mm512_set1_pd(factor), row, sum);
            }
            p += 8;
        }
        while p < rows.count {
            let mut row = [0.0; 8];
            for (i, element) in row.iter_mut().enumerate() {
                *element = rows.first.wrapping_add(i * stride + p).read_unaligned();
            }
            let factor = rows.factor.wrapping_add(p * rows.factor_step).read_unaligned();
            sum = _mm512_fmadd_pd(_mm512_set1_pd(factor), _mm512_loadu_pd(row.as_ptr()), sum);
            p += 1;
        }
        _mm512_storeu_pd(sums, sum);
    }
}
