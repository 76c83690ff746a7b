//! Jobs that no frame waits for one by one: a loop shelves them in its worker's deque, for others to steal, and takes back
//! what nobody has stolen.
//!
//! A deque is a stack of frames' business: whoever pops must find its own on top. So the loop remembers how high the deque
//! stood when it began, takes nothing from below, and does not end before everything above is taken back or stolen. What
//! runs in between, forks and waits, keeps the same rule and leaves the deque no higher than it was, or empty; a wait may
//! take jobs out, down to below where the loop began, and then the loop's floor is lowered with it.
//!
//! Forks that were private when the loop began are published first, or they could come to lie above the shelved jobs
//! later. Where the deque has no room for them nothing is shelved.

use super::fork_join::Job;
use super::worker::Worker;
use core::ptr::NonNull;

/// A loop's part of its worker's deque.
#[derive(Debug)]
pub(crate) struct Shelf<'w> {
    worker: &'w Worker,
    /// What lies here and above is the loop's.
    floor: isize,
    is_open: bool,
}

impl<'w> Shelf<'w> {
    /// A shelf above what lies in the deque of `worker`, which is the calling thread.
    pub(crate) fn new(worker: &'w Worker) -> Shelf<'w> {
        worker.promote_all();
        let is_open = !worker.is_guest() && worker.forks().oldest_private().is_none();
        // SAFETY: if it is open then this thread is the worker, and owns its deque.
        let floor = if is_open { unsafe { worker.deque().bottom() } } else { 0 };
        Shelf { worker, floor, is_open }
    }

    /// Follows the deque down, where a wait has taken jobs out from below.
    #[inline]
    fn lower(&mut self) -> isize {
        // SAFETY: the shelf is open.
        let bottom = unsafe { self.worker.deque().bottom() };
        self.floor = self.floor.min(bottom);
        bottom
    }

    /// How many jobs lie here, or a few more: others may just have stolen some.
    #[inline]
    pub(crate) fn len(&mut self) -> usize {
        match self.is_open {
            true => ((self.lower() - self.floor) as usize).min(self.worker.deque().len()),
            false => 0,
        }
    }

    /// Puts a job here and wakes somebody who might steal it. False when there is no room, or a guest's shelf.
    ///
    /// # Safety
    /// The job stays where it is until it is taken back, or the worker that stole it has begun to run it. It was made by
    /// [`Job::detached`], and is not here already.
    #[inline]
    pub(crate) unsafe fn put(&mut self, job: NonNull<Job>) -> bool {
        if !self.is_open {
            return false;
        }
        self.lower();
        // SAFETY: the shelf is open, so this thread owns the deque.
        if unsafe { self.worker.deque().push(job) }.is_err() {
            return false;
        }
        self.worker.count_promoted();
        let worker = self.worker;
        // A lone worker is awake.
        if worker.core().workers() > 1 {
            worker.core().announce_jobs(worker.reach(), || worker.index() + 1);
        } else if worker.replays() {
            worker.replay_theft();
        }
        true
    }

    /// Takes the newest job back. `None` when all are gone; to be asked until it says so, before the loop ends.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<NonNull<Job>> {
        if !self.is_open || self.lower() <= self.floor {
            return None;
        }
        // SAFETY: the shelf is open, so this thread owns the deque.
        let job = unsafe { self.worker.deque().pop() };
        self.worker.counters().reclaimed.add(u64::from(job.is_some()));
        job
    }
}
