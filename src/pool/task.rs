//! A submitted task that somebody holds: a closure with its state, its outcome and its references, behind one pointer.
//!
//! A task is one block: a [`Header`] that every part of the pool knows, and after it the closure, whose place the value
//! takes when it has run. The block is on the heap, or wherever the caller wants it; the functions in the header's
//! [`VTable`] know which.

use super::core::Core;
use super::detached::Entry;
use super::inbox::Destination;
use super::options::Priority;
use super::trace::Kind;
use super::worker::Worker;
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Owned};
use crate::protocol::completion::Completion;
use crate::protocol::task_state::TaskState;
use crate::sync::UnsafeCell;
use core::any::Any;
use core::mem;
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The part of a task that does not depend on its closure.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    /// First, so that its address is the task's.
    entry: Entry,
    pub(crate) state: TaskState,
    pub(crate) completion: Completion<Result<()>>,
    vtable: &'static VTable,
    /// The pool. Alive until this task is counted off.
    core: *const Core,
    /// The process that made the task; see [`os::fork`](crate::os::fork).
    generation: u32,
    storage: Storage,
    /// Where it was queued first.
    pub(crate) destination: Destination,
    /// Where the block, if it is on the heap, and what hangs on it come from.
    allocator: Allocator,
}

/// Where a task's block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// On the heap, freed with the last reference.
    Heap,
    /// Where the caller put it; the caller waits for the other references before it uses the place again.
    Caller,
}

#[derive(Debug)]
struct VTable {
    run: unsafe fn(NonNull<Header>, &Worker) -> Result<()>,
    discard: unsafe fn(NonNull<Header>),
    take: unsafe fn(NonNull<Header>, *mut ()) -> Option<Payload>,
    free: unsafe fn(NonNull<Header>),
}

/// What a task does, once.
pub(crate) trait Work<R>: Send {
    /// Does it.
    fn run(self, worker: &Worker) -> Result<R>;
    /// Called instead when the task was accepted and then cancelled.
    fn discard(self);
}

impl<F, R> Work<R> for F
where
    F: FnOnce(&Worker) -> Result<R> + Send,
{
    fn run(self, worker: &Worker) -> Result<R> {
        self(worker)
    }
    fn discard(self) {}
}

/// A task with its work.
#[repr(C)]
pub(crate) struct Task<W, R> {
    header: Header,
    body: UnsafeCell<Body<W, R>>,
}

enum Body<W, R> {
    Work(W),
    Value(R),
    Panicked(Payload),
    Empty,
}

impl<W: Work<R>, R: Send> Task<W, R> {
    const VTABLE: &'static VTable =
        &VTable { run: Self::run, discard: Self::discard, take: Self::take, free: Self::free };

    /// A task with two references: the queue's and the handle's.
    #[inline(always)]
    pub(crate) fn new(core: &Core, storage: Storage, destination: Destination, work: W) -> Task<W, R> {
        Task {
            header: Header {
                entry: Entry { detached: None },
                state: TaskState::new(2, destination.priority as u32),
                completion: Completion::new(),
                vtable: Self::VTABLE,
                core,
                generation: core.generation(),
                storage,
                destination,
                allocator: core.allocator(),
            },
            body: UnsafeCell::new(Body::Work(work)),
        }
    }

    /// Puts a task on the heap of its pool.
    pub(crate) fn allocate(core: &Core, destination: Destination, work: W) -> Result<NonNull<Header>> {
        let task = Owned::new_with(core.allocator(), || Task::new(core, Storage::Heap, destination, work))?;
        Ok(Owned::into_raw(task).cast())
    }

    /// # Safety
    /// The task was claimed by this thread and not run before; it is a `Task<W, R>`.
    unsafe fn run(task: NonNull<Header>, worker: &Worker) -> Result<()> {
        // SAFETY: the claim makes this thread the only one to touch the body until the outcome is set.
        let body = unsafe { &task.cast::<Self>().as_ref().body };
        // SAFETY: as above.
        let Body::Work(work) = body.with_mut(|body| unsafe { mem::replace(&mut *body, Body::Empty) }) else {
            unreachable!("a task is claimed once");
        };
        let (left, outcome) = match catch_unwind(AssertUnwindSafe(|| work.run(worker))) {
            Ok(Ok(value)) => (Body::Value(value), Ok(())),
            Ok(Err(error)) => (Body::Empty, Err(error)),
            Err(payload) => {
                let error = panic_error(&payload);
                (Body::Panicked(payload), Err(error))
            }
        };
        // SAFETY: as above.
        body.with_mut(|body| unsafe { *body = left });
        outcome
    }

    /// # Safety
    /// The task was cancelled by this thread; it is a `Task<W, R>`.
    unsafe fn discard(task: NonNull<Header>) {
        // SAFETY: cancelling makes this thread the only one to touch the body until the outcome is set.
        let body = unsafe { task.cast::<Self>().as_ref().body.with_mut(|body| mem::replace(&mut *body, Body::Empty)) };
        if let Body::Work(work) = body {
            call_quietly(|| work.discard());
        }
    }

    /// # Safety
    /// The task is done, this is its only handle, nothing was taken before, and `place` has room for an `R` if the task
    /// succeeded; it is a `Task<W, R>`.
    unsafe fn take(task: NonNull<Header>, place: *mut ()) -> Option<Payload> {
        // SAFETY: a task that is done leaves its body to its handle.
        unsafe {
            let body = task.cast::<Self>().as_ref().body.with_mut(|body| mem::replace(&mut *body, Body::Empty));
            match body {
                Body::Value(value) => place.cast::<R>().write(value),
                Body::Panicked(payload) => return Some(payload),
                Body::Work(_) | Body::Empty => {}
            }
        }
        None
    }

    /// # Safety
    /// Nobody else refers to the task; it is a `Task<W, R>`.
    unsafe fn free(task: NonNull<Header>) {
        let task = task.cast::<Self>();
        // SAFETY: the last reference owns the block. What lies on the heap came from `allocate`.
        unsafe {
            drop_quietly(task.as_ref().body.with_mut(|body| mem::replace(&mut *body, Body::Empty)));
            let allocator = task.as_ref().header.allocator;
            match task.as_ref().header.storage {
                Storage::Heap => drop(Owned::from_raw(allocator, task)),
                Storage::Caller => task.drop_in_place(),
            }
        }
    }
}

/// Calls something whose panic nobody could catch.
pub(crate) fn call_quietly(action: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(action)) {
        drop_quietly(payload);
    }
}

/// Drops a value whose destructor may panic where nobody could catch it.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload's own destructor may panic once more; that one is let go.
        mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
    }
}

/// The error that tells of a caught panic: the error that it carries, if the library itself threw it.
pub(crate) fn panic_error(payload: &Payload) -> Error {
    if let Some(error) = payload.downcast_ref::<Error>() {
        return error.clone();
    }
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "a panic without a text",
    };
    error!(Panic, "a task panicked: {text}")
}

/// One counted reference to a task.
#[derive(Debug)]
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: a task's parts are shared under the protocols in its header; values are `Send` by `Task`'s bounds.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    /// The caller owns one reference and gives it to the result.
    pub(crate) unsafe fn adopt(task: NonNull<Header>) -> TaskRef {
        TaskRef(task)
    }

    /// Gives the reference up to whoever holds the pointer.
    #[cfg(feature = "capi")]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        mem::ManuallyDrop::new(self).0
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the reference keeps the block alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn core(&self) -> *const Core {
        self.header().core
    }

    pub(crate) fn generation(&self) -> u32 {
        self.header().generation
    }

    pub(crate) fn allocator(&self) -> Allocator {
        self.header().allocator
    }

    pub(crate) fn storage(&self) -> Storage {
        self.header().storage
    }

    /// How urgent the task is by now.
    pub(crate) fn priority(&self) -> Priority {
        Priority::of_lane(self.header().state.lane() as usize)
    }

    /// Makes the task as urgent as this if it is queued and less so.
    ///
    /// # Safety
    /// The pool is alive.
    pub(crate) unsafe fn lift(&self, priority: Priority) {
        let header = self.header();
        if header.state.lane() < priority as u32 && header.state.lift(priority as u32) {
            // SAFETY: the reference for the new entry was taken just now. The pool is alive by contract.
            unsafe { (*header.core).enqueue_again(self.0, Destination { priority, ..header.destination }) };
        }
    }

    /// Runs the task if nobody has started or cancelled it, and sees to all that waits for it.
    ///
    /// # Safety
    /// The pool is alive: this thread is a worker of it, or is counted as a visitor.
    pub(crate) unsafe fn run(&self, worker: &Worker) -> bool {
        if !self.header().state.start() {
            return false;
        }
        self.header().completion.begin(worker.index());
        let urgency = worker.urgency.replace(self.priority());
        let span = worker.begin_span(Kind::Task);
        // SAFETY: claimed just now; the vtable fits the task.
        let outcome =
            worker.nested(self.header().destination.reach, || unsafe { (self.header().vtable.run)(self.0, worker) });
        worker.end_span(span, Kind::Task);
        worker.urgency.set(urgency);
        worker.counters().executed.add(1);
        // SAFETY: claimed, so this thread completes it; the pool is alive by contract.
        unsafe { self.complete(outcome) };
        true
    }

    /// Cancels the task if nobody has started or cancelled it.
    pub(crate) fn cancel(&self) -> bool {
        if !self.header().state.cancel() {
            return false;
        }
        // SAFETY: cancelled just now; the vtable fits the task.
        unsafe { (self.header().vtable.discard)(self.0) };
        let cancelled = error!(Cancelled, "the task was cancelled before it started");
        // SAFETY: cancelled, so this thread completes it. A task that is not counted off keeps its pool alive.
        unsafe { self.complete(Err(cancelled)) };
        true
    }

    /// # Safety
    /// This thread started or cancelled the task and completes it once; the pool is alive.
    unsafe fn complete(&self, outcome: Result<()>) {
        let header = self.header();
        // SAFETY: a task that is not counted off keeps its pool alive.
        let core = unsafe { &*header.core };
        // SAFETY: by contract this is the only completion. The block outlives it: this reference is still held.
        let wakeups = unsafe { header.completion.set(outcome) };
        wakeups.wake_blocked();
        if let Some(address) = wakeups.helpers() {
            core.sleep().notify_waiters(address);
        }
        if wakeups.has_callback() {
            // SAFETY: announced by the wakeups, and taken once.
            if let Some(callback) = unsafe { header.completion.take_callback() } {
                // SAFETY: the registrar vouched for the call.
                unsafe { (callback.call)(callback.data) };
            }
        }
        // The last touch of the pool, which may go from here on unless this is one of its workers.
        core.shutdown().finish(1).wake_blocked();
    }

    /// Takes the value of a task that succeeded, or the payload of one that panicked.
    ///
    /// # Safety
    /// The task is done and did not fail in another way; `R` is its value's type, and it was not taken before.
    pub(crate) unsafe fn take<R>(&self) -> core::result::Result<R, Payload> {
        let mut value = mem::MaybeUninit::<R>::uninit();
        // SAFETY: by contract.
        match unsafe { (self.header().vtable.take)(self.0, value.as_mut_ptr().cast()) } {
            None => {
                // SAFETY: written, since no payload was returned.
                Ok(unsafe { value.assume_init() })
            }
            Some(payload) => Err(payload),
        }
    }
}

impl TaskRef {
    /// The payload of a task that panicked, if it left one.
    ///
    /// # Safety
    /// The task is done and did not succeed, and this is its only handle.
    pub(crate) unsafe fn take_payload(&self) -> Option<Payload> {
        // SAFETY: by contract; a task that did not succeed has no value to write.
        unsafe { (self.header().vtable.take)(self.0, core::ptr::null_mut()) }
    }

    /// Waits until this is the only reference, so that the storage can be used again. A worker helps meanwhile.
    pub(crate) fn wait_until_sole(&self) {
        match Worker::current().filter(|worker| core::ptr::eq(worker.core(), self.core())) {
            Some(worker) if !worker.is_guest() => worker.help_until_sole(self),
            _ => match Core::of_this_thread(self.core()) {
                Some(core) => core.stay(|worker| worker.help_until_sole(self)),
                None => self.header().state.wait_until_sole(),
            },
        }
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        let free = self.header().vtable.free;
        let caller_owned = self.header().storage == Storage::Caller;
        let released = self.header().state.release();
        if released.is_last() {
            // SAFETY: the last reference. With the caller's storage this is the handle, which was waited for.
            unsafe { free(self.0) };
        } else if caller_owned {
            released.wake_owner();
        }
    }
}
