//! The kernels of a matrix times a vector: sums in memory, which stays in the first-level cache, so that the matrix is read in long runs.

use super::vector::Vector;

/// Rows that are added at a time: as many streams as the hardware prefetchers follow with ease.
const TOGETHER: usize = 8;

/// Some rows of a matrix, each with a factor.
pub(in crate::gemm) struct Rows<T> {
    /// How many there are.
    pub(in crate::gemm) count: usize,
    /// The first element of the first row.
    pub(in crate::gemm) first: *const T,
    /// From one row to the next, in elements.
    pub(in crate::gemm) row: usize,
    /// The factor of the first row.
    pub(in crate::gemm) factor: *const T,
    /// From one factor to the next, in elements.
    pub(in crate::gemm) factor_step: usize,
    /// How many columns.
    pub(in crate::gemm) columns: usize,
}

/// Adds every row times its factor to `sums`, in order.
///
/// # Safety
/// The CPU has the instruction set of the vector; the rows and factors are readable, and `sums` is writable for the columns.
#[inline(always)]
pub(super) unsafe fn add_rows<V: Vector>(rows: &Rows<V::Scalar>, sums: *mut V::Scalar) {
    let mut first = 0;
    // SAFETY: passed on to the caller; addresses that are only prefetched come from wrapping arithmetic.
    unsafe {
        while first + TOGETHER <= rows.count {
            add::<V, TOGETHER>(rows, first, sums);
            first += TOGETHER;
        }
        while first < rows.count {
            add::<V, 1>(rows, first, sums);
            first += 1;
        }
    }
}

/// # Safety
/// As [`add_rows`], for `R` rows from `first` on.
#[inline(always)]
unsafe fn add<V: Vector, const R: usize>(rows: &Rows<V::Scalar>, first: usize, sums: *mut V::Scalar) {
    let from = rows.first.wrapping_add(first * rows.row);
    let whole = rows.columns / V::LANES * V::LANES;
    // SAFETY: passed on to the caller.
    unsafe {
        let mut factor = [V::zero(); R];
        for (i, factor) in factor.iter_mut().enumerate() {
            *factor = V::broadcast(rows.factor.wrapping_add((first + i) * rows.factor_step));
        }
        let mut column = 0;
        while column < whole {
            let mut sum = V::load(sums.wrapping_add(column));
            for (i, factor) in factor.iter().enumerate() {
                let at = from.wrapping_add(i * rows.row + column);
                sum = factor.mul_add(V::load(at), sum);
            }
            sum.store(sums.wrapping_add(column));
            column += V::LANES;
        }
        if column < rows.columns {
            let mask = V::mask(rows.columns - column);
            let mut sum = V::load_part(sums.wrapping_add(column), mask);
            for (i, factor) in factor.iter().enumerate() {
                sum = factor.mul_add(V::load_part(from.wrapping_add(i * rows.row + column), mask), sum);
            }
            sum.store_part(sums.wrapping_add(column), mask);
        }
    }
}

/// `c = alpha * sum + beta * c`, or `alpha * sum` where beta is zero, for so many elements.
///
/// # Safety
/// The CPU has the instruction set of the vector; `sums` is readable, and `c` writable, for `count` elements.
#[inline(always)]
pub(super) unsafe fn finish<V: Vector>(
    count: usize,
    sums: *const V::Scalar,
    c: *mut V::Scalar,
    alpha: V::Scalar,
    beta: V::Scalar,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let reads = beta != V::Scalar::default();
        let (alpha, beta) = (V::splat(alpha), V::splat(beta));
        let mut at = 0;
        while at < count {
            let mask = V::mask(V::LANES.min(count - at));
            let (sum, to) = (V::load_part(sums.wrapping_add(at), mask), c.wrapping_add(at));
            let value = if reads { alpha.mul_add(sum, beta.mul(V::load_part(to, mask))) } else { alpha.mul(sum) };
            value.store_part(to, mask);
            at += V::LANES;
        }
    }
}
