//! How large and how small a matrix's numbers are, which says whether they can be split.

use crate::error::Result;
use crate::gemm::blocking::part;
use crate::gemm::driver::Place;
use crate::gemm::problem::View;
use crate::gemm::runner::TileRunner;

/// The magnitudes of a matrix's numbers that are not zero, as bits of f32, which are in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// One less than the least magnitude; that of zero is then the largest number there is.
    least: u32,
    most: u32,
}

/// The exponent of a magnitude.
fn exponent(magnitude: u32) -> i32 {
    (magnitude >> 23) as i32 - 127
}

impl Range {
    const NONE: Range = Range { least: u32::MAX, most: 0 };

    #[inline(always)]
    fn with(self, bits: u32) -> Range {
        let magnitude = bits & 0x7fff_ffff;
        Range { least: self.least.min(magnitude.wrapping_sub(1)), most: self.most.max(magnitude) }
    }

    #[inline(always)]
    fn joined(self, other: Range) -> Range {
        Range { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// Whether sums of `k` products of numbers of two such matrices, computed by parts, neither overflow nor lose anything to underflow.
    ///
    /// A number with exponent `e` is a multiple of 2^(e - 23), and so are its parts. Those must not be below the least normal
    /// number, 2^-126; nor may the products of two that are that small, but for 2^-46 of the whole product.
    pub(super) fn can_be_split(self, other: Range, k: usize) -> bool {
        const LEAST: i32 = -126 + 23;
        const LEAST_SUM: i32 = -80;
        const MOST: i32 = 126;
        if self.most == 0 || other.most == 0 {
            // Zeros: the other's numbers need only be such as can be rounded.
            return exponent(self.most.max(other.most)) <= MOST;
        }
        let [least, other_least] = [self, other].map(|range| exponent(range.least + 1));
        let [most, other_most] = [self, other].map(|range| exponent(range.most));
        let doublings = k.next_power_of_two().trailing_zeros() as i32;
        least >= LEAST
            && other_least >= LEAST
            && least + other_least >= LEAST_SUM
            && most <= MOST
            && other_most <= MOST
            // Each factor is below 2^(exponent + 1).
            && most + other_most + 2 + doublings <= MOST
    }
}

/// The range of `lines` lines of `length` numbers, in order of memory where `view.column` is 1.
///
/// # Safety
/// The CPU has AVX-512; the view is readable over the lines.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn of_lines(view: View<f32>, first: usize, last: usize, length: usize) -> Range {
    const CHUNK: usize = 64;
    let mut lanes = [Range::NONE; CHUNK];
    let mut rest = Range::NONE;
    let whole = length / CHUNK * CHUNK;
    for line in first..last {
        for j in (0..whole).step_by(CHUNK) {
            // SAFETY: by contract.
            let chunk = unsafe { view.at(line, j).cast::<[u32; CHUNK]>().read_unaligned() };
            for (lane, bits) in lanes.iter_mut().zip(chunk) {
                *lane = lane.with(bits);
            }
        }
        for j in whole..length {
            // SAFETY: by contract.
            rest = rest.with(unsafe { view.at(line, j).cast::<u32>().read_unaligned() });
        }
    }
    lanes.into_iter().fold(rest, Range::joined)
}

/// The range of a matrix of `rows` by `columns`.
///
/// # Safety
/// The CPU has AVX-512; the view is readable over that extent.
pub(super) unsafe fn of(view: View<f32>, rows: usize, columns: usize, tiles: &dyn TileRunner) -> Result<Range> {
    /// Numbers below which the work is not shared out.
    const SERIAL_BELOW: usize = 1 << 17;
    const MOST_PARTS: usize = 64;
    let (view, lines, length) =
        if view.column == 1 { (view, rows, columns) } else { (view.transposed(), columns, rows) };
    let parts = if lines.saturating_mul(length) < SERIAL_BELOW { 1 } else { (4 * tiles.workers()).min(MOST_PARTS) };
    let mut ranges = [Range::NONE; MOST_PARTS];
    let to = Place(ranges.as_mut_ptr());
    let body = |i: usize| {
        let lines = part(0..lines, parts, i);
        // SAFETY: by contract; each part has an entry of its own.
        unsafe { to.at(i).write(of_lines(view, lines.start, lines.end, length)) };
        Ok(())
    };
    if parts == 1 {
        body(0)?
    } else {
        tiles.for_each(parts, &body)?
    }
    Ok(ranges.into_iter().fold(Range::NONE, Range::joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(numbers: &[f32]) -> Range {
        numbers.iter().fold(Range::NONE, |range, number| range.with(number.to_bits()))
    }

    fn can_be_split(a: &[f32], b: &[f32], k: usize) -> bool {
        range(a).can_be_split(range(b), k)
    }

    #[test]
    fn ordinary_numbers_and_zeros_can_be_split() {
        assert!(can_be_split(&[1.0, -3.5e9, 0.0, 1e-12], &[-0.0, 2.0, 1e-11], 4096));
        assert!(can_be_split(&[0.0, -0.0], &[1e-40, 1e30], 1), "nothing is lost where all is zero");
    }

    #[test]
    fn numbers_that_are_none_and_those_at_the_ends_cannot() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-40, -1e-40] {
            assert!(!can_be_split(&[1.0, odd], &[1.0], 1), "{odd}");
            assert!(!can_be_split(&[1.0], &[odd, 2.0], 1), "{odd}");
        }
        for odd in [f32::NAN, f32::INFINITY, f32::MAX, f32::from_bits(u32::MAX)] {
            assert!(!can_be_split(&[0.0], &[odd], 1) && !can_be_split(&[odd], &[0.0], 1), "{odd} beside zeros");
        }
    }

    #[test]
    fn what_the_products_may_be_counts_too() {
        let two = |exponent: i32| 2f32.powi(exponent);
        assert!(can_be_split(&[two(-40)], &[two(-40)], 1));
        assert!(!can_be_split(&[two(-40)], &[two(-41)], 1));
        assert!(can_be_split(&[two(62)], &[two(62)], 1));
        assert!(!can_be_split(&[two(62)], &[two(62)], 2));
        assert!(can_be_split(&[two(52)], &[two(62)], 1024));
        assert!(!can_be_split(&[two(52)], &[two(62)], 1025));
    }
}
