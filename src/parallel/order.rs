//! What a task is told that does a part of a loop, where the loop is a value on the stack of its caller.

use crate::error::Result;
use crate::pool::Worker;

/// A loop in numbered parts.
pub(super) trait Parts: Sync {
    /// Does a part.
    fn run_part(&self, worker: &Worker, part: usize);
}

/// To do one part of a loop.
pub(super) struct Order {
    parts: *const (),
    run: unsafe fn(*const (), &Worker, usize),
    part: usize,
}

// SAFETY: threads may share the loop.
unsafe impl Send for Order {}

impl Order {
    /// # Safety
    /// The loop stays where it is until [`run`](Self::run) has returned, or is certain not to be called.
    pub(super) unsafe fn new<P: Parts>(parts: &P, part: usize) -> Order {
        Order { parts: (&raw const *parts).cast(), run: run::<P>, part }
    }

    pub(super) fn run(&self, worker: &Worker) -> Result<()> {
        // SAFETY: it is the loop that the order was made for, and is there by the promise of who made it.
        unsafe { (self.run)(self.parts, worker, self.part) };
        Ok(())
    }
}

/// # Safety
/// `parts` is a `P`.
unsafe fn run<P: Parts>(parts: *const (), worker: &Worker, part: usize) {
    // SAFETY: by contract.
    unsafe { &*parts.cast::<P>() }.run_part(worker, part);
}
