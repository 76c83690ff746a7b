//! A loop over a range, cut in halves until a piece is no longer than the grain.

use crate::error::{Error, Result};
use crate::pool::{Pool, Worker};
use crate::protocol::first::First;
use core::ops::Range;

/// With an automatic grain, how many pieces there are for each worker: enough for stealing to even out unequal pieces,
/// and few enough that forking costs nothing beside them.
const PIECES_PER_WORKER: usize = 8;

/// Calls `body` with pieces of `range` that together cover it exactly once, on the workers of `pool`, and returns when all
/// are done. A piece has at most `grain` indices; 0 lets the loop choose. With no pool the caller runs the pieces in order.
///
/// Where `body` does not fail this does what the following loop does, in some other order:
/// `for i in range { body(i..i + 1) }`.
///
/// Errors: the first failure of a piece, in which case pieces not yet begun are left out; a panic comes out as
/// [`Panic`](crate::error::Status::Panic), or as the panic it is on a worker of the pool; and those of
/// [`Pool::run`]. May be called from any thread, in tasks of the pool too.
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
        None => {
            let grain = if grain == 0 { range.len() } else { grain };
            range
                .clone()
                .step_by(grain)
                .try_for_each(|start| body(None, start..range.end.min(start.saturating_add(grain))))
        }
    }
}

/// As [`for_range`], on the workers of the pool that `worker` belongs to.
pub fn for_range_on<B>(worker: &Worker, range: Range<usize>, grain: usize, body: B) -> Result<()>
where
    B: Fn(&Worker, Range<usize>) -> Result<()> + Sync,
{
    let grain = match grain {
        0 => range.len().div_ceil(worker.pool_workers() * PIECES_PER_WORKER).max(1),
        grain => grain,
    };
    let halves = Halves { grain, body, failure: First::new() };
    if !range.is_empty() {
        halves.run(worker, range);
    }
    // SAFETY: every piece has been joined.
    match unsafe { halves.failure.take() } {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

struct Halves<B> {
    grain: usize,
    body: B,
    failure: First<Error>,
}

impl<B: Fn(&Worker, Range<usize>) -> Result<()> + Sync> Halves<B> {
    fn run(&self, worker: &Worker, range: Range<usize>) {
        if self.failure.is_taken() {
            return;
        }
        if range.len() <= self.grain {
            if let Err(error) = (self.body)(worker, range) {
                self.failure.offer(error);
            }
            return;
        }
        // Cut where the left half is a whole number of grains, so that all pieces but the last have the grain's length.
        let pieces = range.len().div_ceil(self.grain);
        let middle = range.start + pieces / 2 * self.grain;
        let (left, right) = (range.start..middle, middle..range.end);
        worker.join(|worker| self.run(worker, left), |worker| self.run(worker, right));
    }
}
