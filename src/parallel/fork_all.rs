//! A fork into any number of calls, as a balanced tree of forks into two.

use super::place::{Caller, Place};
use crate::error::Result;
use crate::pool::{Pool, Worker};

impl Worker {
    /// Calls `f(worker, i)` exactly once for each `i` below `count`, perhaps at the same time, and returns when all calls have
    /// returned. This is [`join`](Worker::join) for more than two, at the same price for each call.
    ///
    /// A panic comes out here, that of the lowest index first. Calls that nobody has begun by then are left out.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use vgpu_pool::pool::{Config, Pool, Worker};
    ///
    /// fn leaves(worker: &Worker, depth: u32, found: &AtomicUsize) {
    ///     match depth {
    ///         0 => drop(found.fetch_add(1, Ordering::Relaxed)),
    ///         depth => worker.fork_all(10, |worker, _child| leaves(worker, depth - 1, found)),
    ///     }
    /// }
    /// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
    /// let pool = Pool::new(&Config::default())?;
    /// let found = AtomicUsize::new(0);
    /// pool.run(|worker| Ok(leaves(worker, 3, &found)))?;
    /// assert_eq!(found.into_inner(), 1000);
    /// # Ok::<(), vgpu_pool::error::Error>(())
    /// ```
    #[inline]
    pub fn fork_all<F>(&self, count: usize, f: F)
    where
        F: Fn(&Worker, usize) + Sync,
    {
        calls(self, 0, count, &f);
    }
}

/// Calls `f(worker, i)` exactly once for each `i` below `count`, on the workers of `pool`, perhaps at the same time, and
/// returns when all calls have returned. With no pool the caller makes the calls in order.
///
/// Unlike a [loop](super::for_range) it makes every call even if one fails.
///
/// Errors: the failure of the lowest index; a panic comes out as [`Panic`](crate::error::Status::Panic), or as the panic
/// it is on a worker of the pool, and then calls that nobody has begun are left out; and those of [`Pool::run`]. May be
/// called from any thread, in tasks of the pool too.
pub fn fork_all<F>(pool: Option<&Pool>, count: usize, f: F) -> Result<()>
where
    F: Fn(Option<&Worker>, usize) -> Result<()> + Sync,
{
    let f = &f;
    match pool {
        None => fallible_calls(&Caller, 0, count, &|_: &Caller, i| f(None, i)),
        Some(pool) => {
            pool.run(move |worker| fallible_calls(worker, 0, count, &|worker: &Worker, i| f(Some(worker), i)))
        }
    }
}

/// The calls from `start` on.
fn calls<F: Fn(&Worker, usize) + Sync>(worker: &Worker, start: usize, count: usize, f: &F) {
    match count {
        0 => {}
        1 => f(worker, start),
        // Two and three as below, but without a call of this function for each: a fork of ten is a fifth faster.
        2 => {
            worker.join(|worker| f(worker, start), |worker| f(worker, start + 1));
        }
        3 => {
            worker.join(|worker| f(worker, start), |worker| calls(worker, start + 1, 2, f));
        }
        _ => {
            let half = count / 2;
            worker.join(|worker| calls(worker, start, half, f), |worker| calls(worker, start + half, count - half, f));
        }
    }
}

fn fallible_calls<P, F>(place: &P, start: usize, count: usize, f: &F) -> Result<()>
where
    P: Place,
    F: Fn(&P, usize) -> Result<()> + Sync,
{
    match count {
        0 => Ok(()),
        1 => f(place, start),
        _ => {
            let half = count / 2;
            let (left, right) = place.join(
                |place| fallible_calls(place, start, half, f),
                |place| fallible_calls(place, start + half, count - half, f),
            );
            left.and(right)
        }
    }
}
