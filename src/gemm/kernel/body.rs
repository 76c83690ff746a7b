//! The micro-kernel, written once for every instruction set.
//!
//! # Keeping the sums in registers
//! Two habits of the compiler cost half the speed, each measured, and the form of this file answers both.
//! - Sums that are indexed in a loop live in memory until the loop is unrolled, and sometimes for good. So every index here
//!   is a literal, from the macros `rows` and `vectors`, in an array of the largest tile; what a smaller tile lacks is dropped.
//! - Loads and prefetches keep their order, sums have none: so it loads the operands of four steps first, adds later, and spills what it has
//!   loaded. So every sum passes through [`Vector::after`], which costs no instruction: the next load needs it.
//!
//! `objdump -d` shows whether it holds: in no kernel may a vector register meet the stack pointer.

use super::vector::Vector;
use super::{Mode, ROUND, Step};
use crate::gemm::element::Element;

/// Rounds left when the last row of C has been asked for: enough to cover a fetch from the last-level cache.
const LEAD: usize = 4;

/// Multiplies an `M`-row panel of A by an `N`-vector panel of B into C, with `M` at most 16 and `N` at most 4.
///
/// `MODE` is a [`Mode`] as a number. Always inlined: its instructions are those which the calling kernel's features allow.
///
/// # Safety
/// As [`Kernel`](super::Kernel) says.
#[inline(always)]
#[expect(
    unused_assignments,
    reason = "nothing is loaded through `from` after the last row, nor copied after the last copy"
)]
pub(super) unsafe fn multiply<V: Vector, const M: usize, const N: usize, const MODE: u8>(step: &Step<V::Scalar>) {
    const { assert!(M >= 1 && M <= 16 && N >= 1 && N <= 4) };
    /// `$do!(i, ...)` for every row of the tile.
    macro_rules! rows {
        ($do:ident) => {
            rows!(@ $do, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
        };
        (@ $do:ident, $($i:literal)+) => { $(if M > $i { $do!($i); })+ };
    }
    /// `$do!(..., j)` for every vector of the tile.
    macro_rules! vectors {
        ($do:ident $(, $i:literal)?) => {
            $do!($($i,)? 0);
            if N > 1 { $do!($($i,)? 1); }
            if N > 2 { $do!($($i,)? 2); }
            if N > 3 { $do!($($i,)? 3); }
        };
    }
    // SAFETY: the caller vouches for the instruction set and for every operand; each access below is one the fields of
    // `Step` describe. Addresses that are only prefetched, or lie one step past the end, come from wrapping arithmetic.
    unsafe {
        let mask = V::mask(step.last);
        let zero = V::zero();
        let none = [zero, zero, zero, zero];
        let mut acc = [none; 16];
        let (mut a, mut b, mut pack, mut next) = (step.a, step.b, step.pack, step.next);
        let (a_row, a_step, b_step, b_ahead) = (step.a_row, step.a_step, step.b_step, step.b_ahead);
        macro_rules! rank_one {
            () => {{
                let mut row = none;
                macro_rules! load {
                    ($j:literal) => {
                        let from = b.wrapping_add($j * V::LANES);
                        row[$j] = if MODE != Mode::Whole as u8 && MODE != Mode::Copy as u8 && $j == N - 1 {
                            V::load_part(from, mask)
                        } else {
                            V::load(from)
                        };
                        if MODE != Mode::Near as u8 {
                            V::prefetch(from.wrapping_add(b_ahead));
                        }
                        if MODE == Mode::Pack as u8 {
                            row[$j].store(pack.wrapping_add($j * V::LANES));
                        }
                    };
                }
                vectors!(load);
                let mut from = a;
                macro_rules! multiply_row {
                    ($i:literal) => {
                        if $i > 0 && $i % 4 == 0 {
                            from = from.wrapping_add(4 * a_row);
                        }
                        let element = V::broadcast(from.wrapping_add($i % 4 * a_row));
                        macro_rules! accumulate {
                            ($j:literal) => {
                                (from, acc[$i][$j]) = V::after(from, element.mul_add(row[$j], acc[$i][$j]));
                            };
                        }
                        vectors!(accumulate);
                    };
                }
                rows!(multiply_row);
                a = a.wrapping_add(a_step);
                b = b.wrapping_add(b_step);
                macro_rules! finish_step {
                    ($j:literal) => {
                        (a, acc[M - 1][$j]) = V::after(a, acc[M - 1][$j]);
                        (b, acc[M - 1][$j]) = V::after(b, acc[M - 1][$j]);
                    };
                }
                vectors!(finish_step);
                if MODE == Mode::Pack as u8 {
                    pack = pack.wrapping_add(N * V::LANES);
                }
            }};
        }
        let copy = &step.copy;
        let (mut copy_from, mut copy_to, mut copy_panel, mut copies) = (copy.from, copy.to, copy.panels, copy.rows);
        macro_rules! copy_row {
            () => {
                macro_rules! copy {
                    ($j:literal) => {
                        let at = copy_from.wrapping_add($j * V::LANES);
                        V::prefetch_far(at.wrapping_add(copy.ahead));
                        V::load(at).store(copy_to.wrapping_add($j * V::LANES));
                    };
                }
                vectors!(copy);
                copy_panel -= 1;
                if copy_panel > 0 {
                    copy_from = copy_from.wrapping_add(N * V::LANES);
                    copy_to = copy_to.wrapping_add(copy.stride);
                } else {
                    (copy_panel, copies) = (copy.panels, copies - 1);
                    copy_from =
                        copy_from.wrapping_add(N * V::LANES + copy.step).wrapping_sub(copy.panels * N * V::LANES);
                    copy_to = copy_to.wrapping_add(N * V::LANES).wrapping_sub((copy.panels - 1) * copy.stride);
                }
            };
        }
        // C, unless it is written past the caches, is asked for one row a round, late enough that the panels do not push it out again, early enough to arrive.
        let rounds = step.k / ROUND;
        let streams = MODE == Mode::Whole as u8 && step.streams;
        let first = if streams { rounds } else { rounds.saturating_sub(M + LEAD) };
        for round in 0..rounds {
            if MODE != Mode::Near as u8 && round >= first && round < first + M {
                let line = step.c.wrapping_add((round - first) * step.c_row);
                macro_rules! fetch {
                    ($j:literal) => {
                        V::prefetch(line.wrapping_add($j * V::LANES));
                    };
                }
                vectors!(fetch);
                V::prefetch(line.wrapping_add(N * V::LANES - 1));
            }
            if MODE != Mode::Near as u8 {
                V::prefetch_far(next);
                next = next.wrapping_add(step.next_step);
            }
            if MODE == Mode::Copy as u8 {
                for _ in 0..copy.each {
                    if copies > 0 {
                        copy_row!();
                    }
                }
            }
            rank_one!();
            rank_one!();
            rank_one!();
            rank_one!();
        }
        if MODE == Mode::Copy as u8 {
            while copies > 0 {
                copy_row!();
            }
        }
        for _ in 0..step.k % ROUND {
            rank_one!();
        }
        let alpha = V::splat(step.alpha);
        let beta = V::splat(step.beta);
        let reads = step.beta != V::Scalar::default();
        // Most factors are one, and a multiplication for each vector is 3 % of a short k.
        if !reads && step.alpha != V::Scalar::ONE {
            macro_rules! scale_row {
                ($i:literal) => {
                    macro_rules! scale {
                        ($j:literal) => {
                            acc[$i][$j] = alpha.mul(acc[$i][$j]);
                        };
                    }
                    vectors!(scale);
                };
            }
            rows!(scale_row);
        }
        if streams {
            macro_rules! stream_row {
                ($i:literal) => {
                    let line = step.c.wrapping_add($i * step.c_row);
                    macro_rules! stream {
                        ($j:literal) => {
                            acc[$i][$j].stream(line.wrapping_add($j * V::LANES));
                        };
                    }
                    vectors!(stream);
                };
            }
            rows!(stream_row);
            return;
        }
        macro_rules! finish_row {
            ($i:literal) => {
                let line = step.c.wrapping_add($i * step.c_row);
                macro_rules! finish {
                    ($j:literal) => {
                        let at = line.wrapping_add($j * V::LANES);
                        let whole = $j < N - 1;
                        let value = if reads {
                            let old = if whole { V::load(at) } else { V::load_part(at, mask) };
                            alpha.mul_add(acc[$i][$j], beta.mul(old))
                        } else {
                            acc[$i][$j]
                        };
                        if whole { value.store(at) } else { value.store_part(at, mask) }
                    };
                }
                vectors!(finish);
            };
        }
        rows!(finish_row);
    }
}
