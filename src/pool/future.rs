//! The handle of a submitted task.

use super::core::Core;
use super::options::Priority;
use super::task::{Payload, Storage, TaskRef};
use super::worker::Worker;
use crate::error::{Error, Result, Status, error};
use crate::os::alloc::{Allocator, Owned};
use crate::os::{clock, fork};
use crate::protocol::completion::{Callback, Registered};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::time::Duration;
use std::panic::resume_unwind;

/// The outcome of a task that may still be running. Dropping it leaves the task alone.
///
/// Any thread may wait for it, and it may outlive its pool. Waiting on a worker of the task's pool runs the task itself if
/// nobody has started it, and other work while it is running elsewhere; any other thread sleeps.
#[derive(Debug)]
#[must_use = "a future that is dropped cannot tell whether its task failed"]
pub struct Future<R> {
    task: TaskRef,
    value: PhantomData<R>,
}

// SAFETY: the handle gives a value that may change threads.
unsafe impl<R: Send> Send for Future<R> {}
// SAFETY: a shared handle gives no access to the value.
unsafe impl<R: Send> Sync for Future<R> {}

impl<R: Send> Future<R> {
    pub(crate) fn new(task: TaskRef) -> Future<R> {
        Future { task, value: PhantomData }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Gives up the handle's reference to whoever holds the pointer.
    #[cfg(feature = "capi")]
    pub(crate) fn into_raw(self) -> NonNull<super::task::Header> {
        self.task.into_raw()
    }

    /// Whether the task is done: finished, failed or cancelled. Does not block.
    pub fn is_ready(&self) -> bool {
        self.task.header().completion.is_done()
    }

    /// Waits until the task is done.
    ///
    /// Errors: [`Forked`](Status::Forked) in a forked child, where it never would be.
    pub fn wait(&self) -> Result<()> {
        self.wait_until(None).map(drop)
    }

    /// Waits until the task is done, for at most `timeout`.
    ///
    /// Errors: [`TimedOut`](Status::TimedOut), [`Forked`](Status::Forked).
    pub fn wait_for(&self, timeout: Duration) -> Result<()> {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        match self.wait_until(clock::deadline_after(timeout_ns))? {
            true => Ok(()),
            false => Err(error!(TimedOut, "the task was not done within {timeout_ns} ns; it goes on")),
        }
    }

    /// Fails in a forked child, unless the task is done.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.is_ready() || self.task.generation() == fork::generation() {
            return Ok(());
        }
        Err(error!(Forked, "the task belongs to the parent of this forked child, and will not be done here"))
    }

    /// Ends the handle; with the caller's storage, waits until that is the caller's again.
    #[cfg(feature = "capi")]
    pub(crate) fn release(self) -> Result<()> {
        if self.task.storage() == Storage::Caller {
            if let Err(error) = self.wait() {
                core::mem::forget(self);
                return Err(error);
            }
            self.task.wait_until_sole();
        }
        Ok(())
    }

    fn wait_until(&self, deadline_ns: Option<u64>) -> Result<bool> {
        let completion = &self.task.header().completion;
        if completion.is_done() {
            return Ok(true);
        }
        self.check_process()?;
        // SAFETY: the task was not counted off when last looked at; if it has been since, the wait ends before the pool is
        // touched, unless this thread is one of its workers.
        let worker = Worker::current().filter(|worker| core::ptr::eq(worker.core(), self.task.core()));
        Ok(match (worker, Worker::current()) {
            (Some(worker), _) => self.wait_on(worker, deadline_ns)?,
            (None, current) => match (Core::of_this_thread(self.task.core()), current) {
                (Some(core), _) => core.stay(|worker| self.wait_on(worker, deadline_ns))?,
                (None, Some(foreign)) => foreign.wait_until_foreign(completion, deadline_ns),
                (None, None) => completion.wait(deadline_ns),
            },
        })
    }

    /// Waits on a worker of the task's pool.
    fn wait_on(&self, worker: &Worker, deadline_ns: Option<u64>) -> Result<bool> {
        worker.check_stack()?;
        // Its entry stays behind in a queue, which a caller who wants the storage back would have to wait for.
        let mine = self.task.storage() == Storage::Heap
            && deadline_ns.is_none()
            && worker.core().may_run(self.task.header().destination.reach, Some(worker));
        // The task may wait for what a private job does.
        worker.promote_all();
        let is_next = mine && !(worker.replays() && worker.flips());
        // SAFETY: this thread is a worker of the pool.
        if is_next && unsafe { self.task.run(worker) } {
            return Ok(true);
        }
        // SAFETY: as above.
        unsafe { self.task.lift(worker.urgency.get()) };
        Ok(worker.wait_until(&self.task.header().completion, deadline_ns))
    }

    /// Makes a task more urgent that has not started.
    ///
    /// # Safety
    /// The pool is alive and not being destroyed.
    pub(crate) unsafe fn raise_priority(&self, priority: Priority) {
        if !self.is_ready() {
            // SAFETY: by contract.
            unsafe { self.task.lift(priority) };
        }
    }

    /// Whether the task is of this pool.
    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        core::ptr::eq(self.task.core(), core)
    }

    /// Cancels the task if it has not started. False when it has started, or is done already.
    pub fn cancel(&self) -> bool {
        self.task.generation() == fork::generation() && self.task.cancel()
    }

    /// Has `callback` called with the task's outcome: by the thread that completes it, or right here if it is done. One
    /// callback a future. It must not wait, and what it panics with is lost.
    ///
    /// Errors: [`InvalidArgument`](Status::InvalidArgument) if there is a callback already,
    /// [`OutOfMemory`](Status::OutOfMemory). The callback is then dropped.
    pub fn on_complete<F>(&self, callback: F) -> Result<()>
    where
        F: FnOnce(Result<()>) + Send + 'static,
    {
        let task = NonNull::from(self.task.header());
        let boxed =
            Owned::new(self.task.allocator(), CallbackBox { callback, task, allocator: self.task.allocator() })?;
        let data = Owned::into_raw(boxed);
        let callback = Callback { call: CallbackBox::<F>::call, data: data.as_ptr().cast() };
        // SAFETY: the setter holds a reference to the task while it calls.
        match unsafe { self.task.header().completion.register_callback(callback) } {
            Registered::Left => Ok(()),
            Registered::TooLate => {
                // SAFETY: the setter did not see it, so the call is ours.
                unsafe { (callback.call)(callback.data) };
                Ok(())
            }
            Registered::Occupied => {
                // SAFETY: nobody else has seen the box.
                drop(unsafe { Owned::from_raw(self.task.allocator(), data) });
                Err(error!(InvalidArgument, "the future has a callback already, and has room for one"))
            }
        }
    }

    /// How the task ended, once it is done: the error it failed with.
    pub(crate) fn outcome(&self) -> Result<()> {
        // SAFETY: only called after the task was seen done; values are taken from the body, not from the outcome.
        unsafe { self.task.header().completion.peek(|outcome| outcome.clone()) }
    }

    /// Waits for the task and takes its value.
    ///
    /// Errors: what the task failed with; [`Panic`](Status::Panic) with the text of its panic;
    /// [`Cancelled`](Status::Cancelled); [`Forked`](Status::Forked).
    pub fn get(self) -> Result<R> {
        self.value().map_err(|(error, _)| error)
    }

    /// As [`get`](Self::get), but a panic of the task goes on in the caller.
    pub fn get_or_resume(self) -> Result<R> {
        self.value().map_err(|(error, payload)| match payload {
            Some(payload) => resume_unwind(payload),
            None => error,
        })
    }

    fn value(self) -> core::result::Result<R, (Error, Option<Payload>)> {
        self.wait().map_err(|error| (error, None))?;
        match self.outcome() {
            // SAFETY: done and successful, and the handle is consumed.
            Ok(()) => Ok(unsafe { self.task.take() }.unwrap_or_else(|payload| resume_unwind(payload))),
            Err(error) if error.status() == Status::Panic => {
                // SAFETY: done, and the handle is consumed. An error of this status returned by the task itself has no
                // payload, and leaves nothing to take.
                let payload = unsafe { self.task.take_payload() };
                Err((error, payload))
            }
            Err(error) => Err((error, None)),
        }
    }
}

struct CallbackBox<F> {
    callback: F,
    allocator: Allocator,
    task: NonNull<super::task::Header>,
}

impl<F: FnOnce(Result<()>)> CallbackBox<F> {
    /// # Safety
    /// `data` is a `CallbackBox<F>` from `Owned::into_raw`; the task is done and alive; called once.
    unsafe fn call(data: *mut ()) {
        let Some(data) = NonNull::new(data.cast::<Self>()) else { return };
        // SAFETY: by contract.
        let (callback, outcome) = unsafe {
            let outcome = data.as_ref().task.as_ref().completion.peek(|outcome| outcome.clone());
            let CallbackBox { callback, allocator, .. } = data.read();
            // Freed without dropping: the value was moved out.
            drop(Owned::from_raw(allocator, data.cast::<core::mem::ManuallyDrop<Self>>()));
            (callback, outcome)
        };
        super::task::call_quietly(|| callback(outcome));
    }
}
