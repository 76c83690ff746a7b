//! Splits numbers into three bf16 numbers, and lays those out in tiles.

use crate::gemm::kernel::amx::{CHUNK_BYTES, DEPTH, LINES, PARTS, TILE_BYTES};
use crate::gemm::problem::View;

/// The bits of the nearest f32 that is a bf16. Not for what rounds to infinity, nor for NaN.
#[inline(always)]
fn round(value: f32) -> u32 {
    value.to_bits().wrapping_add(0x8000) & 0xffff_0000
}

/// The bits of three f32 that are bf16 and whose sum is `value`, the highest first. Exactly, because each has 8 of its 24 bits, where none of them is
/// below the least normal number.
#[inline(always)]
pub(in crate::gemm) fn split(value: f32) -> [u32; PARTS] {
    let high = round(value);
    let rest = value - f32::from_bits(high);
    let middle = round(rest);
    [high, middle, round(rest - f32::from_bits(middle))]
}

/// Copies so much of a matrix, and zeros where it has less.
///
/// # Safety
/// The view is readable for `rows` rows of `columns`.
#[inline(always)]
unsafe fn load<const R: usize, const C: usize>(view: View<f32>, rows: usize, columns: usize) -> [[f32; C]; R] {
    let mut block = [[0.0; C]; R];
    // SAFETY: by contract.
    unsafe {
        if view.column == 1 && rows >= R && columns >= C {
            for (i, line) in block.iter_mut().enumerate() {
                *line = view.at(i, 0).cast::<[f32; C]>().read_unaligned();
            }
        } else if view.column == 1 {
            for (i, line) in block.iter_mut().enumerate().take(rows) {
                for (j, element) in line.iter_mut().enumerate().take(columns) {
                    *element = view.at(i, j).read_unaligned();
                }
            }
        } else {
            for j in 0..columns.min(C) {
                for (i, line) in block.iter_mut().enumerate().take(rows) {
                    line[j] = view.at(i, j).read_unaligned();
                }
            }
        }
    }
    block
}

/// Splits a panel of A: `lines` rows, at most [`SIDE`](crate::gemm::kernel::amx::SIDE), of `depth` numbers.
///
/// # Safety
/// The CPU has AVX-512; `a` is readable over the panel, `to` is writable for a chunk for each [`DEPTH`] numbers begun.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn pack_a(a: View<f32>, lines: usize, depth: usize, to: *mut u8) {
    for (chunk, first) in (0..depth).step_by(DEPTH).enumerate() {
        for half in 0..2 {
            let rows = lines.saturating_sub(half * LINES);
            let from = View { first: a.at(half * LINES, first), ..a };
            let tile = to.wrapping_add(chunk * CHUNK_BYTES + half * TILE_BYTES);
            // SAFETY: by contract.
            unsafe {
                let block = load::<LINES, DEPTH>(from, rows, depth - first);
                for (i, line) in block.iter().enumerate() {
                    let parts = line.map(split);
                    for part in 0..PARTS {
                        let row = tile.wrapping_add(part * 2 * TILE_BYTES).cast::<[u16; DEPTH]>().wrapping_add(i);
                        row.write(parts.map(|parts| (parts[part] >> 16) as u16));
                    }
                }
            }
        }
    }
}

/// Splits a panel of B: `depth` rows of `lines` numbers, at most [`SIDE`](crate::gemm::kernel::amx::SIDE).
///
/// # Safety
/// As [`pack_a`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn pack_b(b: View<f32>, lines: usize, depth: usize, to: *mut u8) {
    for (chunk, first) in (0..depth).step_by(DEPTH).enumerate() {
        for half in 0..2 {
            let columns = lines.saturating_sub(half * LINES);
            let from = View { first: b.at(first, half * LINES), ..b };
            let tile = to.wrapping_add(chunk * CHUNK_BYTES + half * TILE_BYTES);
            // SAFETY: by contract.
            unsafe {
                let block = load::<DEPTH, LINES>(from, depth - first, columns);
                for (p, pair) in block.chunks_exact(2).enumerate() {
                    let [even, odd] = [pair[0].map(split), pair[1].map(split)];
                    for part in 0..PARTS {
                        let row = tile.wrapping_add(part * 2 * TILE_BYTES).cast::<[u32; LINES]>().wrapping_add(p);
                        row.write(core::array::from_fn(|j| even[j][part] >> 16 | odd[j][part]));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_number_are_bf16_and_add_up_to_it() {
        let check = |value: f32| {
            let parts = split(value).map(|part| {
                assert_eq!(part & 0xffff, 0, "{value:e}");
                f64::from(f32::from_bits(part))
            });
            assert_eq!(parts.iter().sum::<f64>(), f64::from(value), "{value:e}: {parts:?}");
            assert!(
                parts[1].abs() <= parts[0].abs() / 256.0 && parts[2].abs() <= parts[0].abs() / 65536.0,
                "{value:e}"
            );
        };
        let mut bits = 0u32;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Exponents from -102 to 126.
            check(f32::from_bits(bits & 0x807f_ffff | (25 + (bits >> 3) % 229) << 23));
        }
        for value in
            [0.0, -0.0, 1.0, -1.0, 0.1, 1.0 - f32::EPSILON / 2.0, 1.0 + f32::EPSILON, 1.003_906_2, 16_777_215.0]
        {
            check(value);
        }
    }
}
