//! The micro-kernel, written once for every instruction set.

use super::vector::Vector;
use super::{Mode, Step};

/// Steps of k between two looks at the prefetch schedule.
const UNROLL: usize = 4;
/// Rounds of `UNROLL` steps left when the last row of C has been asked for: enough to cover a fetch from the
/// last-level cache.
const LEAD: usize = 4;

/// Multiplies an `M`-row panel of A by an `N`-vector panel of B into C.
///
/// `MODE` is a [`Mode`] as a number. Always inlined: its instructions are those which the calling kernel's features allow.
///
/// # Safety
/// As [`Kernel`](super::Kernel) says.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector, const M: usize, const N: usize, const MODE: u8>(step: &Step<V::Scalar>) {
    // SAFETY: the caller vouches for the instruction set and for every operand; each access below is one the fields of
    // `Step` describe. Addresses that are only prefetched, or lie one step past the end, come from wrapping arithmetic.
    unsafe {
        let mask = V::mask(step.last);
        let mut acc = [[V::zero(); N]; M];
        let (mut a, mut b, mut pack) = (step.a, step.b, step.pack);
        // Left alone, the compiler sees the addresses of many steps as one chain, loads far ahead and spills the sums. Opaque
        // pointers, two so that every row is one address mode away, keep each step to its own loads.
        let (a_row, a_step, b_step, b_ahead) = (step.a_row, step.a_step, step.b_step, step.b_ahead);
        macro_rules! rank_one {
            () => {{
                a = V::opaque(a);
                b = V::opaque(b);
                let high = V::opaque(a.wrapping_add(4 * a_row));
                let mut row = [V::zero(); N];
                for j in 0..N {
                    let from = b.wrapping_add(j * V::LANES);
                    row[j] =
                        if MODE != Mode::Whole as u8 && j == N - 1 { V::load_part(from, mask) } else { V::load(from) };
                    V::prefetch(from.wrapping_add(b_ahead));
                    if MODE == Mode::Pack as u8 {
                        row[j].store(pack.wrapping_add(j * V::LANES));
                    }
                }
                for (i, sums) in acc.iter_mut().enumerate() {
                    let element = V::broadcast(if i < 4 {
                        a.wrapping_add(i * a_row)
                    } else {
                        high.wrapping_add((i - 4) * a_row)
                    });
                    for j in 0..N {
                        sums[j] = element.mul_add(row[j], sums[j]);
                    }
                }
                a = a.wrapping_add(a_step);
                b = b.wrapping_add(b_step);
                if MODE == Mode::Pack as u8 {
                    pack = pack.wrapping_add(N * V::LANES);
                }
            }};
        }
        // C is asked for one row a round, late enough that the panels do not push it out again, early enough to arrive.
        let rounds = step.k / UNROLL;
        let first = rounds.saturating_sub(M + LEAD);
        for round in 0..rounds {
            if round >= first && round < first + M {
                let line = step.c.wrapping_add((round - first) * step.c_row);
                for j in 0..N {
                    V::prefetch(line.wrapping_add(j * V::LANES));
                }
                V::prefetch(line.wrapping_add(N * V::LANES - 1));
            }
            for _ in 0..UNROLL {
                rank_one!();
            }
        }
        for _ in 0..step.k % UNROLL {
            rank_one!();
        }
        let alpha = V::splat(step.alpha);
        let beta = V::splat(step.beta);
        let reads = step.beta != V::Scalar::default();
        for (i, sums) in acc.iter().enumerate() {
            let row = step.c.wrapping_add(i * step.c_row);
            for (j, &sum) in sums.iter().enumerate() {
                let at = row.wrapping_add(j * V::LANES);
                let whole = j < N - 1;
                let value = if reads {
                    let old = if whole { V::load(at) } else { V::load_part(at, mask) };
                    alpha.mul_add(sum, beta.mul(old))
                } else {
                    alpha.mul(sum)
                };
                if whole { value.store(at) } else { value.store_part(at, mask) }
            }
        }
    }
}
