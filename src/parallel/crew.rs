//! A loop in which the calling thread takes part although it is no worker.
//!
//! The caller begins at once. It does not sleep until a worker has woken up, so that a short loop costs no more than without a pool, and
//! one worker fewer is needed. The others come by one task, whose worker forks a place for each; who has no more indices of its own
//! takes from the others ([`shares`](crate::protocol::shares)). When the caller finds none left, it takes the task back if nobody
//! has begun it. So it never waits for a worker that is busy elsewhere: only for calls that are in progress.

use super::failure::Failure;
use super::order::{Order, Parts};
use super::range::for_range_on;
use crate::error::{Result, Status};
use crate::pool::core::Core;
use crate::pool::{Destination, Future, Worker};
use crate::protocol::shares::Shares;
use crate::sync::{SearchBudget, spin_loop};
use core::ops::Range;

/// How long the caller looks for the end of calls in progress before it sleeps: about as long as going to sleep and being woken takes.
const PATIENCE_NS: u64 = 50_000;

/// Calls `body(seat, i)` once for every `i` in `0..count`: on the calling thread, which is no worker of the pool, in seat 0, and on up
/// to `members - 1` workers, each in the seat whose number is one more than the worker's. No two calls have the same seat at a time. Returns
/// when all have returned; what they wrote is then visible to the caller.
///
/// Errors: the first of a call, in which case calls not yet begun are left out; those of a submission, before any call has begun, unless
/// it failed for want of memory or room: then the caller is alone.
pub fn for_each_with_caller<B>(core: &Core, members: usize, count: usize, body: &B) -> Result<()>
where
    B: Fn(usize, usize) -> Result<()> + Sync + ?Sized,
{
    let crew = Crew { members, shares: Shares::new(count, members), body, failure: Failure::new() };
    // SAFETY: what comes back goes before the crew does.
    let others = if members > 1 { unsafe { crew.call_others(core)? } } else { Others(None) };
    crew.work(0, 0);
    others.finish()?;
    crew.failure.into_result(Some(()))
}

/// What the members share.
struct Crew<'a, B: ?Sized> {
    members: usize,
    shares: Shares,
    body: &'a B,
    failure: Failure,
}

impl<B: Fn(usize, usize) -> Result<()> + Sync + ?Sized> Crew<'_, B> {
    /// Submits the task of the others.
    ///
    /// # Safety
    /// The crew stays where it is until what comes back is gone.
    unsafe fn call_others(&self, core: &Core) -> Result<Others> {
        // SAFETY: by contract.
        let order = unsafe { Order::new(self, 1) };
        match core.submit_work(Destination::USUAL, move |worker: &Worker| order.run(worker)) {
            Ok(task) => Ok(Others(Some(task))),
            Err(error) if matches!(error.status(), Status::OutOfMemory | Status::QueueFull) => Ok(Others(None)),
            Err(error) => Err(error),
        }
    }

    /// Takes indices until there are none, those of share number `member` first.
    fn work(&self, member: usize, seat: usize) {
        while !self.failure.is_known()
            && let Some(i) = self.shares.take(member)
        {
            self.failure.watch(|| (self.body)(seat, i));
        }
    }
}

impl<B: Fn(usize, usize) -> Result<()> + Sync + ?Sized> Parts for Crew<'_, B> {
    /// The work of the members from number `first` on.
    fn run_part(&self, worker: &Worker, first: usize) {
        let come = |worker: &Worker, members: Range<usize>| {
            members.for_each(|member| self.work(member, 1 + worker.index()));
            Ok(())
        };
        // A thread that is no worker, and runs what is queued to make room for something else, has no seat here.
        if worker.is_guest() {
            return;
        }
        // What fails is known to the crew.
        _ = for_range_on(worker, first..self.members, 1, come);
    }
}

/// The task of the others. Dropped, it is taken back, or waited for.
struct Others(Option<Future<()>>);

impl Others {
    /// Ends the task. Its panic, if it has one, comes out as an error.
    fn finish(mut self) -> Result<()> {
        let Some(task) = self.0.take().filter(|task| !task.cancel()) else { return Ok(()) };
        let mut patience = SearchBudget::nanoseconds(PATIENCE_NS);
        while !task.is_ready() && !patience.is_spent() {
            spin_loop();
        }
        // It does not wait in a forked child, where nobody else has the crew.
        task.get()
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if let Some(task) = self.0.take().filter(|task| !task.cancel()) {
            // As above.
            _ = task.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::error;
    use crate::pool::{Config, Pinning, Pool};
    use crate::sync::IS_CHECKED;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::thread;
    use std::vec::Vec;

    fn pool(workers: usize) -> Pool {
        Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
    }

    #[test]
    fn each_index_is_called_once_and_each_seat_by_one_at_a_time() {
        if IS_CHECKED {
            return;
        }
        for workers in [1, 3] {
            let pool = pool(workers);
            for members in [1, 2, 5] {
                for count in [0, 1, 2, 7, 300] {
                    let calls: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                    let seated: Vec<_> = (0..=workers).map(|_| AtomicUsize::new(0)).collect();
                    for_each_with_caller(pool.core(), members, count, &|seat: usize, i: usize| {
                        assert_eq!(seated[seat].fetch_add(1, SeqCst), 0, "two in seat {seat}");
                        calls[i].fetch_add(1, SeqCst);
                        seated[seat].fetch_sub(1, SeqCst);
                        Ok(())
                    })
                    .unwrap();
                    assert!(calls.iter().all(|calls| calls.load(SeqCst) == 1), "{workers} {members} {count}");
                }
            }
        }
    }

    #[test]
    fn a_worker_who_has_time_takes_part_and_one_who_is_busy_is_not_waited_for() {
        if IS_CHECKED {
            return;
        }
        let pool = pool(1);
        let came = AtomicUsize::new(0);
        for_each_with_caller(pool.core(), 2, 2, &|seat, _| {
            came.fetch_max(seat, SeqCst);
            // The caller's call ends when the other's has begun.
            while came.load(SeqCst) == 0 {
                thread::yield_now();
            }
            Ok(())
        })
        .unwrap();

        let (end, ended) = mpsc::channel::<()>();
        let busy = pool.submit(move |_: &Worker| ended.recv().is_err()).unwrap();
        for_each_with_caller(pool.core(), 2, 100, &|seat, _| {
            assert_eq!(seat, 0);
            Ok(())
        })
        .unwrap();
        drop(end);
        assert!(busy.get().unwrap());
    }

    #[test]
    fn the_first_failure_ends_the_loop_when_all_calls_have_ended() {
        if IS_CHECKED {
            return;
        }
        let pool = pool(1);
        for seat_that_fails in [0, 1] {
            let inside = AtomicUsize::new(0);
            // Both are there when one fails.
            let meet = |seat: usize| {
                inside.fetch_or(1 << seat, SeqCst);
                while inside.load(SeqCst) & 3 != 3 {
                    thread::yield_now();
                }
                seat == seat_that_fails
            };
            let failed = for_each_with_caller(pool.core(), 2, 1000, &|seat, _| match meet(seat) {
                true => Err(error!(TaskFailed, "seat {seat} failed")),
                false => Ok(()),
            });
            assert_eq!(failed.unwrap_err().message(), std::format!("seat {seat_that_fails} failed"));

            inside.store(0, SeqCst);
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                for_each_with_caller(pool.core(), 2, 1000, &|seat, _| {
                    if meet(seat) {
                        std::panic::resume_unwind(std::boxed::Box::new("as asked"));
                    }
                    Ok(())
                })
            }));
            match panicked {
                // The caller's own.
                Err(payload) => assert_eq!((seat_that_fails, payload.downcast_ref()), (0, Some(&"as asked"))),
                Ok(result) => {
                    let error = result.unwrap_err();
                    assert_eq!((seat_that_fails, error.status()), (1, Status::Panic));
                    assert!(error.message().contains("as asked"), "{error:?}");
                }
            }
        }
    }
}
