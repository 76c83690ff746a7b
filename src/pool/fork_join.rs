//! Fork and join: two closures, perhaps at the same time, both done when the call returns.
//!
//! The second closure becomes a job in the caller's own frame, pushed on the worker's deque where others can steal it; the
//! first runs at once. Then the job is taken back, if nobody stole it, and called directly; otherwise the worker helps
//! until the thief is done. The job's frame outlives all uses, because `join` returns only after one of the two.

use super::task::Payload;
use super::worker::Worker;
use crate::protocol::completion::Completion;
use crate::sync::UnsafeCell;
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The part of a forked job that the deque's users know.
#[derive(Debug)]
pub(crate) struct Job {
    run: unsafe fn(NonNull<Job>, &Worker),
}

impl Job {
    /// Runs a job that was taken from a deque.
    ///
    /// # Safety
    /// The job was taken, by steal or pop, by this thread, and is run once.
    pub(crate) unsafe fn run(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: the frame of a job that was taken waits for it to be run.
        unsafe { (job.as_ref().run)(job, worker) }
    }
}

/// A forked closure on the frame that forked it.
#[repr(C)]
struct StackJob<F, R> {
    job: Job,
    done: Completion<Result<R, Payload>>,
    closure: UnsafeCell<Option<F>>,
}

impl<F, R> StackJob<F, R>
where
    F: FnOnce(&Worker) -> R,
{
    /// The job as a thief runs it.
    ///
    /// # Safety
    /// `job` begins a `StackJob<F, R>` whose frame waits for `done`; called once.
    unsafe fn run(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: the frame lives until `done` is set, and its owner does not touch the closure of a stolen job.
        let this = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: as above.
        let Some(closure) = this.closure.with_mut(|closure| unsafe { (*closure).take() }) else {
            unreachable!("a job is run once");
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| closure(worker)));
        // SAFETY: set once. The frame may go now: only addresses are used from here on.
        let wakeups = unsafe { this.done.set(outcome) };
        wakeups.wake_blocked();
        if let Some(address) = wakeups.helpers() {
            worker.core().sleep().notify_waiters(address);
        }
    }
}

impl Worker {
    /// Calls `a` and `b`, perhaps at the same time, and returns both results when both are done.
    ///
    /// A panic in either comes out here, that of `a` before that of `b`. When `a` panics before anybody has started `b`,
    /// then `b` is dropped without being called.
    ///
    /// ```
    /// use vgpu_pool::pool::{Config, Pool, Worker};
    ///
    /// fn fib(worker: &Worker, n: u64) -> u64 {
    ///     if n < 2 {
    ///         return n;
    ///     }
    ///     let (a, b) = worker.join(|w| fib(w, n - 1), |w| fib(w, n - 2));
    ///     a + b
    /// }
    /// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
    /// let pool = Pool::new(&Config::default())?;
    /// assert_eq!(pool.run(|worker| Ok(fib(worker, 20)))?, 6765);
    /// # Ok::<(), vgpu_pool::error::Error>(())
    /// ```
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Worker) -> RA + Send,
        B: FnOnce(&Worker) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        if self.is_guest() {
            return (a(self), b(self));
        }
        let fork = StackJob::<B, RB> {
            job: Job { run: StackJob::<B, RB>::run },
            done: Completion::new(),
            closure: UnsafeCell::new(Some(b)),
        };
        let job = NonNull::from(&fork).cast::<Job>();
        let deque = self.core().deque(self.index());
        // SAFETY: this thread is the worker, and owns its deque.
        if unsafe { deque.push(job) }.is_err() {
            // The deque is at its limit: deep enough that everybody has work.
            let left = a(self);
            let Some(b) = fork.closure.with_mut(|closure| {
                // SAFETY: the job was not published.
                unsafe { (*closure).take() }
            }) else {
                unreachable!("the job was not run");
            };
            return (left, b(self));
        }
        self.core().sleep().notify_one(self.index() + 1);
        let left = catch_unwind(AssertUnwindSafe(|| a(self)));

        // Whatever `a` forked it has joined, so the newest job is ours, or it and all older ones were stolen.
        // SAFETY: as at the push.
        if let Some(newest) = unsafe { deque.pop() } {
            debug_assert_eq!(newest, job);
            // SAFETY: taken back, so nobody else runs it.
            let closure = fork.closure.with_mut(|closure| unsafe { (*closure).take() });
            return match (left, closure) {
                (Ok(left), Some(b)) => (left, b(self)),
                (Err(payload), _) => resume_unwind(payload),
                (Ok(_), None) => unreachable!("the job was not run"),
            };
        }
        self.wait_until(&fork.done, None);
        // SAFETY: waited for, and taken once.
        match (left, unsafe { fork.done.take() }) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(payload), _) | (_, Err(payload)) => resume_unwind(payload),
        }
    }
}
