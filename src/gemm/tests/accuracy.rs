//! The error bound, against a reference of twice the precision.

use super::*;

/// A sum carried in two f64, so that products and sums of f64 are exact to about 100 bits.
#[derive(Clone, Copy, Default)]
struct Double {
    high: f64,
    low: f64,
}

impl Double {
    fn add_product(self, x: f64, y: f64) -> Double {
        let product = x * y;
        let rest = x.mul_add(y, -product);
        let high = self.high + product;
        let back = high - self.high;
        let lost = (self.high - (high - back)) + (product - back);
        let low = self.low + (lost + rest);
        Double { high: high + low, low: low - ((high + low) - high) }
    }

    fn scaled(self, factor: f64) -> Double {
        Double::default().add_product(self.high, factor).add_product(self.low, factor)
    }

    /// How far `value` is from this.
    fn distance(self, value: f64) -> f64 {
        ((self.high - value) + self.low).abs()
    }
}

pub(super) trait Wide: Number {
    fn wide(self) -> f64;
    const UNIT: f64;
}

impl Wide for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
    const UNIT: f64 = f32::EPSILON as f64 / 2.0;
}

impl Wide for f64 {
    fn wide(self) -> f64 {
        self
    }
    const UNIT: f64 = f64::EPSILON / 2.0;
}

/// An element of C as it should be, and the sum of the magnitudes of what it is a sum of.
pub(super) struct Exact {
    value: Double,
    pub(super) size: f64,
}

impl Exact {
    pub(super) fn of<T: Wide>(case: &Case<T>, i: usize, j: usize) -> Exact {
        let (mut value, mut size) = (Double::default(), 0.0);
        for p in 0..case.shape.k {
            let (x, y) = (case.a.get(i, p).wide(), case.b.get(p, j).wide());
            value = value.add_product(x, y);
            size += (x * y).abs();
        }
        let (alpha, beta, old) = (case.alpha.wide(), case.beta.wide(), case.c.get(i, j).wide());
        Exact { value: value.scaled(alpha).add_product(beta, old), size: alpha.abs() * size + (beta * old).abs() }
    }

    /// How far `value` is from it.
    pub(super) fn distance<T: Wide>(&self, value: T) -> f64 {
        self.value.distance(value.wide())
    }
}

/// Checks every element against the bound, and that typical errors are well inside it.
fn within_the_bound<T: Wide>(m: usize, n: usize, k: usize, alpha: f64, beta: f64) {
    for (trans_a, trans_b) in [(Transpose::No, Transpose::No), (Transpose::Yes, Transpose::Yes)] {
        let shape = Shape { trans_a, trans_b, pad: 1, ..Shape::plain(m, n, k) };
        let mut dice = Dice((m + n + k) as u64);
        let (alpha, beta) = (T::fraction(alpha), T::fraction(beta));
        let case = Case::<T>::new(shape, alpha, beta, || dice.fraction());
        let results: Vec<_> = levels().map(|level| (level, case.run(level, &Serial::default()))).collect();
        for i in 0..m {
            for j in 0..n {
                let exact = Exact::of(&case, i, j);
                for (level, c) in &results {
                    let error = exact.distance(c[case.c.index(i, j)]);
                    assert!(
                        error <= (k + 4) as f64 * T::UNIT * exact.size,
                        "{level:?} {shape:?}: {error:e} at {i}, {j}"
                    );
                    // Good libraries stay within one epsilon; rounding products and sums apart costs up to another.
                    let good = if *level == Level::Portable { 4.0 } else { 2.0 };
                    let enough = good * T::UNIT * exact.size;
                    assert!(error <= enough, "{level:?} {shape:?}: {error:e} at {i}, {j} is legal but poor");
                }
            }
        }
    }
}

#[test]
fn f32_errors_are_within_the_bound() {
    for (m, n, k) in
        [(1, 1, 1), (3, 7, 2), (9, 49, 30), (25, 60, 1100), (1, 60, 800), (60, 1, 800), (1, 1400, 800), (1400, 1, 800)]
    {
        within_the_bound::<f32>(m, n, k, 1.0, 0.0);
        within_the_bound::<f32>(m, n, k, -0.7, 1.3);
    }
}

#[test]
fn f64_errors_are_within_the_bound() {
    for (m, n, k) in
        [(1, 1, 1), (3, 7, 2), (9, 49, 30), (25, 60, 1100), (1, 60, 800), (60, 1, 800), (1, 1400, 800), (1400, 1, 800)]
    {
        within_the_bound::<f64>(m, n, k, 1.0, 0.0);
        within_the_bound::<f64>(m, n, k, -0.7, 1.3);
    }
}
