//! How near a product is to the true one.

use crate::matrix::Element;
use vgpu_bench::catalogue::Product;

/// So many multiplications are done for it at most, or four rows.
const WORK: usize = 1 << 24;

/// The largest `|C - true C| / (eps * sum |a||b|)` of the elements in some rows, spread over all of C.
///
/// The true C is summed in twice the bits of f64, from products that are exact.
pub fn error<T: Element>(product: Product, a: &[T], b: &[T], c: &[T]) -> f64 {
    let Product { m, n, k, .. } = product;
    let rows = (WORK / (n * k)).max(4).min(m);
    let mut worst = 0.0f64;
    let mut sums = vec![(0.0f64, 0.0f64); n];
    let mut magnitudes = vec![0.0f64; n];
    for row in 0..rows {
        // The last row is among them.
        let i = if rows == 1 { m - 1 } else { row * (m - 1) / (rows - 1) };
        sums.fill((0.0, 0.0));
        magnitudes.fill(0.0);
        for (a, b) in a[i * k..][..k].iter().zip(b.chunks_exact(n)) {
            let a: f64 = (*a).into();
            for ((sum, magnitude), b) in sums.iter_mut().zip(&mut magnitudes).zip(b) {
                let b: f64 = (*b).into();
                *sum = add_product(*sum, a, b);
                *magnitude += (a * b).abs();
            }
        }
        for ((c, (high, low)), magnitude) in c[i * n..][..n].iter().zip(&sums).zip(&magnitudes) {
            let difference = ((*c).into() - high - low).abs();
            let error = if difference == 0.0 { 0.0 } else { difference / (T::EPSILON * magnitude) };
            // NaN is as wrong as can be.
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
    }
    worst
}

/// `sum + a * b`, the sum in two parts. Source: Ogita, Rump and Oishi, Accurate sum and dot product, SIAM J. Sci. Comput. 26(6), 2005.
#[inline(always)]
fn add_product((high, low): (f64, f64), a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let lost_in_product = a.mul_add(b, -product);
    let sum = high + product;
    let part = sum - high;
    let lost_in_sum = (high - (sum - part)) + (product - part);
    (sum, low + (lost_in_product + lost_in_sum))
}

/// What [`error`] may be at most of any order in which the products are summed, to first order.
pub fn bound(product: Product) -> f64 {
    (product.k as f64 + 4.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(m: usize, n: usize, k: usize) -> Product {
        Product { is_double: true, m, n, k, is_disturbed: false, is_pinned: true }
    }

    #[test]
    fn a_true_product_has_no_error_and_a_wrong_one_has() {
        let (a, b) = ([1.0f64, 2.0, 3.0, 4.0], [5.0f64, 6.0, 7.0, 8.0]);
        let mut c = [19.0f64, 22.0, 43.0, 50.0];
        assert_eq!(error(product(2, 2, 2), &a, &b, &c), 0.0);
        c[3] += 50.0 * f64::EPSILON;
        let slightly = error(product(2, 2, 2), &a, &b, &c);
        assert!(slightly > 0.5 && slightly < bound(product(2, 2, 2)), "{slightly}");
        c[3] = 51.0;
        assert!(error(product(2, 2, 2), &a, &b, &c) > bound(product(2, 2, 2)));
        c[3] = f64::NAN;
        assert_eq!(error(product(2, 2, 2), &a, &b, &c), f64::INFINITY);
    }

    #[test]
    fn what_f64_loses_is_kept() {
        let third = 1.0f64 / 3.0;
        let (a, b) = ([1e16, third, -1e16], [1.0, third, 1.0]);
        // Summed in f64 the middle product would be rounded to a multiple of 2.
        assert_eq!(error(product(1, 1, 3), &a, &b, &[third * third]), 0.0);
    }
}
