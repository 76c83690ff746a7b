//! A loop over a range, cut in halves: down to the grain, or for as long as somebody is hungry.
//!
//! With a grain of 0 a worker goes through its range in steps. Before each it looks at its own deque. If that is empty, somebody
//! has stolen what was there, and may soon want more: the worker forks the second half of what is left. Otherwise it takes
//! the next step. So a range is cut about as often as it is stolen from, and pieces are small where the work is.
//!
//! The steps are timed, so that one takes a few microseconds: then the looks cost next to nothing, and a thief does
//! not wait long. A loop begins with single indices, since nobody knows yet what they cost. A half that was not stolen comes back
//! to its worker with all that was learnt from the first half.
//!
//! A half that was stolen begins with smaller steps: it is far from where the last were timed, and where indices grow dearer a step
//! of old length would leave its thief's own thieves without work for longer than they look for it.
//!
//! What no step can know is the future: where cheap indices are followed by heavy ones without warning, the step that meets
//! them is as long as the cheap ones were.
//!
//! Source: A. Tzannes, G. Caragea, U. Vishkin, R. Barua, *Lazy scheduling: a runtime adaptive scheduler for declarative
//! parallelism*, ACM TOPLAS 36(3), 2014.

use super::failure::Failure;
use super::{cut, fixed_grain};
use crate::error::Result;
use crate::os::clock;
use crate::pool::{Pool, Worker};
use core::ops::Range;

/// How long a step takes: much longer than two looks at the clock, and shorter than a thief's patience.
const STEP_NS: u64 = 4_000;
/// A step has at most this many times the indices of the one before.
const STEP_GROWTH: usize = 16;
/// What takes less than this part of a step is not worth a fork.
const FORKED_PART: usize = 4;
/// Long pieces begin and end at multiples of this: then vectors do not straddle cache lines, and neighbours share none.
const EVEN: usize = 64;

/// Calls `body` with pieces of `range` that together cover it exactly once, on the workers of `pool`, and returns when all
/// are done. A piece has at most `grain` indices. With a grain of 0 the loop chooses, and adapts: it hands out half of what
/// is left whenever a worker has nothing else that others could take. With no pool the caller runs the pieces in order.
///
/// Where `body` does not fail this does what the following loop does, in some other order:
/// `for i in range { body(i..i + 1) }`.
///
/// Errors: the first failure of a piece, in which case pieces not yet begun are left out; a panic comes out as
/// [`Panic`](crate::error::Status::Panic), or as the panic it is on a worker of the pool; and those of
/// [`Pool::run`]. May be called from any thread, in tasks of the pool too: there the caller takes part.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let sum = AtomicU64::new(0);
/// parallel::for_range(Some(&pool), 0..1000, 0, |_worker, piece| {
///     sum.fetch_add(piece.map(|i| i as u64).sum(), Ordering::Relaxed);
///     Ok(())
/// })?;
/// assert_eq!(sum.into_inner(), 499_500);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn for_range<B>(pool: Option<&Pool>, range: Range<usize>, grain: usize, body: B) -> Result<()>
where
    B: Fn(Option<&Worker>, Range<usize>) -> Result<()> + Sync,
{
    let body = &body;
    match pool {
        _ if range.is_empty() => Ok(()),
        Some(pool) => {
            pool.run(move |worker| for_range_on(worker, range, grain, |worker, piece| body(Some(worker), piece)))
        }
        None => in_order(range, grain, |piece| body(None, piece)),
    }
}

/// As [`for_range`], on the workers of the pool that `worker` belongs to.
pub fn for_range_on<B>(worker: &Worker, range: Range<usize>, grain: usize, body: B) -> Result<()>
where
    B: Fn(&Worker, Range<usize>) -> Result<()> + Sync,
{
    // Nobody steals from a lonely worker, or from a guest.
    let is_shared = (worker.pool_workers() > 1 && !worker.is_guest()) || worker.replays();
    // Pieces that depend on the clock would not come twice in the same order.
    let grain = if worker.replays() { fixed_grain(range.len(), grain) } else { grain };
    match grain {
        _ if range.is_empty() => Ok(()),
        0 if is_shared => run(
            |pieces| {
                pieces.in_steps(worker, range, 1);
            },
            body,
        ),
        grain if is_shared => run(|pieces| pieces.in_halves(worker, range, grain), body),
        grain => in_order(range, grain, |piece| body(worker, piece)),
    }
}

/// The loop without anybody to share it. A grain of 0 means one piece.
pub(super) fn in_order(range: Range<usize>, grain: usize, body: impl Fn(Range<usize>) -> Result<()>) -> Result<()> {
    let Range { mut start, end } = range;
    let grain = if grain == 0 { usize::MAX } else { grain };
    while start < end {
        let piece = start..end.min(start.saturating_add(grain));
        start = piece.end;
        body(piece)?;
    }
    Ok(())
}

fn run<B>(action: impl FnOnce(&Pieces<B>), body: B) -> Result<()> {
    let pieces = Pieces { body, failure: Failure::new() };
    action(&pieces);
    pieces.failure.into_result(Some(()))
}

struct Pieces<B> {
    body: B,
    failure: Failure,
}

impl<B> Pieces<B> {
    fn in_halves(&self, worker: &Worker, range: Range<usize>, grain: usize)
    where
        B: Fn(&Worker, Range<usize>) -> Result<()> + Sync,
    {
        if self.failure.is_known() {
            return;
        }
        if range.len() <= grain {
            self.failure.watch(|| (self.body)(worker, range));
            return;
        }
        let (left, right) = cut(range, grain);
        worker.join(|worker| self.in_halves(worker, left, grain), |worker| self.in_halves(worker, right, grain));
    }

    /// Runs a range of which nothing has begun. `step` is how many indices are thought to take [`STEP_NS`]; the same comes
    /// back, as this worker knows it at the end.
    fn in_steps(&self, worker: &Worker, mut range: Range<usize>, mut step: usize) -> usize
    where
        B: Fn(&Worker, Range<usize>) -> Result<()> + Sync,
    {
        let mut seen = None;
        while !range.is_empty() && !self.failure.is_known() {
            if range.len() > 1.max(step / FORKED_PART) && worker.deque().is_empty() {
                let middle = even(range.start, range.len() / 2);
                let (left, right) = (range.start..middle, middle..range.end);
                let owner = worker.index();
                let (learnt, returned) = worker.join(
                    |worker| self.in_steps(worker, left, step),
                    |runner| {
                        if runner.index() == owner {
                            return Some(right);
                        }
                        self.in_steps(runner, right, step.div_ceil(STEP_GROWTH));
                        None
                    },
                );
                let Some(right) = returned else { return learnt };
                (range, step, seen) = (right, learnt, None);
                continue;
            }
            let end = if step < range.len() { even(range.start, step) } else { range.end };
            let piece = range.start..end;
            let len = piece.len();
            range.start = end;
            if range.is_empty() {
                // Nothing comes after, so there is nothing to learn.
                self.failure.watch(|| (self.body)(worker, piece));
                break;
            }
            let begin = seen.unwrap_or_else(clock::monotonic_ns);
            self.failure.watch(|| (self.body)(worker, piece));
            let now = clock::monotonic_ns();
            step = estimate(len, now - begin);
            seen = Some(now);
        }
        step
    }
}

/// How many indices take [`STEP_NS`], if `len` of them took `ns`.
fn estimate(len: usize, ns: u64) -> usize {
    // In floating point, which is quick and cannot overflow; a last digit more or less is all the same.
    let fitting = len as f64 * (STEP_NS as f64 / ns.max(1) as f64);
    (fitting as usize).clamp(1, len.saturating_mul(STEP_GROWTH))
}

/// The end of `len` indices from `start` on. Many indices end at a multiple of [`EVEN`].
fn even(start: usize, len: usize) -> usize {
    let end = start + len;
    if len < 4 * EVEN { end } else { end / EVEN * EVEN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_takes_its_time_and_grows_no_faster_than_it_may() {
        assert_eq!(estimate(1, 100 * STEP_NS), 1);
        assert_eq!(estimate(1000, 2 * STEP_NS), 500);
        assert_eq!(estimate(1000, STEP_NS / 2), 2000);
        assert_eq!(estimate(1, 0), STEP_GROWTH);
        assert_eq!(estimate(usize::MAX, 1), usize::MAX);
    }

    #[test]
    fn an_even_end_is_within_the_range_and_beyond_its_start() {
        for start in [0, 1, 63, 1000, usize::MAX - 1000] {
            for len in [1, 2, 255, 256, 257, 1000] {
                let end = even(start, len);
                assert!(start < end && end <= start + len);
                assert!(len < 4 * EVEN || end.is_multiple_of(EVEN));
            }
        }
    }
}
