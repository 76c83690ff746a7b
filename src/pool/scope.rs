//! A scope: tasks that may borrow from the frame which waits for them.
//!
//! A spawned closure is a job on the worker's private [`fork_stack`](crate::protocol::fork_stack), as the second half of a
//! [`join`](Worker::join) is, except that it lies on the heap, since its number is not known beforehand. So what is spawned
//! is published, stolen, taken back and waited for by the code of `fork_join.rs`, and nothing here is shared but through it.
//!
//! # Frames
//! Jobs leave the private stack newest first, by the frame that put them there. So every call which may spawn has a *frame*, a
//! [`Scope`], which lists what it has put on the stack and ends by taking all of it off again:
//!
//! * the scope's body has one, on the worker that opened the scope;
//! * a spawned closure that was stolen has one on the thief. Before the job is said to be done, all that the closure has
//!   spawned there is done;
//! * a spawned closure that its own frame takes back uses that frame, which goes on until its list is empty. So a chain of
//!   closures, each of which spawns the next, needs no more stack than one.
//!
//! A frame puts a job on the stack only if it finds the stack as it left it. In the body of an inner scope it does not, if that
//! one has spawned. Then, and when there is no memory for a job, the closure is called on the spot, in a frame of its own.
//! A `Scope` is neither `Send` nor `Sync`, so nobody spawns into the frame of another thread.
//!
//! # Why borrowing is sound
//! A closure may borrow what outlives `'scope`, and `'scope` outlives the call of [`Worker::scope`]. That call returns, or unwinds,
//! only when its list is empty, and a job leaves the list only when its closure has been called, with everything that it
//! has spawned, and dropped. `'scope` is invariant, or a closure could borrow less.

use super::fork_join::Job;
use super::task::{Payload, drop_quietly};
use super::worker::{Worker, stack_pointer};
use super::{Core, Pool};
use crate::error::Result;
use crate::os::alloc::Owned;
use crate::protocol::fork_stack::Link;
use crate::sync::UnsafeCell;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What closures are spawned into; see [`Worker::scope`]. It stays on its thread: a closure that was spawned gets one of its own.
///
/// ```compile_fail,E0277
/// # use vgpu_pool::pool::Worker;
/// fn elsewhere(worker: &Worker) {
///     worker.scope(|worker, scope| worker.join(|_| scope.spawn(|_, _| ()), |_| ()));
/// }
/// ```
pub struct Scope<'scope> {
    worker: *const Worker,
    /// The newest job that this frame has on the private stack.
    newest: Cell<Option<NonNull<Spawned<'scope>>>>,
    /// The newest job on the private stack when this frame last changed it.
    top: Cell<*const Link>,
    panic: Cell<Option<Payload>>,
    invariant: PhantomData<fn(&'scope ()) -> &'scope ()>,
}

/// The part of a spawned job that does not depend on its closure.
#[repr(C)]
struct Spawned<'scope> {
    job: Job,
    /// The job that the same frame spawned before this one.
    older: Option<NonNull<Spawned<'scope>>>,
    /// Frees a job that was taken off the stack. Calls its closure if that is still there, or else keeps the panic.
    end: unsafe fn(NonNull<Spawned<'scope>>, &Scope<'scope>, is_here: bool),
    /// Written by the thief before it says that the job is done.
    panic: UnsafeCell<Option<Payload>>,
}

/// A spawned closure with its job.
#[repr(C)]
struct Block<'scope, F> {
    spawned: Spawned<'scope>,
    /// Taken out once, by whoever calls it.
    closure: UnsafeCell<ManuallyDrop<F>>,
}

impl<'scope, F> Block<'scope, F>
where
    F: FnOnce(&Worker, &Scope<'scope>) + Send + 'scope,
{
    fn new(closure: F, older: Option<NonNull<Spawned<'scope>>>) -> Block<'scope, F> {
        let spawned = Spawned { job: Job::new(Self::run), older, end: Self::end, panic: UnsafeCell::new(None) };
        Block { spawned, closure: UnsafeCell::new(ManuallyDrop::new(closure)) }
    }

    /// The job as a thief runs it.
    ///
    /// # Safety
    /// `job` begins a `Block<F>` whose frame waits for it; called once.
    unsafe extern "C" fn run(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: the block stays until the job is done, and its frame leaves the closure of a stolen job alone.
        let block = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: as above.
        let closure = unsafe { block.take_closure() };
        let outcome = Scope::frame(worker, |scope| closure(worker, scope));
        // SAFETY: the frame reads it when the job is done.
        block.spawned.panic.with_mut(|place| unsafe { *place = outcome.err() });
        // SAFETY: taken by this thread, and run just now.
        unsafe { Job::finish(job, worker) };
    }

    /// See [`Spawned::end`].
    ///
    /// # Safety
    /// `spawned` begins a `Block<F>`, which nobody else has, or ever will; called once. `is_here` says that it was not run.
    unsafe fn end(spawned: NonNull<Spawned<'scope>>, scope: &Scope<'scope>, is_here: bool) {
        let block = spawned.cast::<Self>();
        // SAFETY: by contract; the block is from `spawn`, and owns neither the closure nor, from here on, the panic.
        let (closure, panic) = unsafe {
            let closure = is_here.then(|| block.as_ref().take_closure());
            let panic = block.as_ref().spawned.panic.with_mut(|place| (*place).take());
            drop(Owned::from_raw(scope.worker().core().allocator(), block));
            (closure, panic)
        };
        if let Some(closure) = closure {
            scope.keep(catch_unwind(AssertUnwindSafe(|| closure(scope.worker(), scope))).err());
        }
        scope.keep(panic);
    }

    /// # Safety
    /// Whoever calls this has the job to itself, and nobody has called it before.
    unsafe fn take_closure(&self) -> F {
        // SAFETY: by contract; a job starts with its closure.
        self.closure.with_mut(|closure| unsafe { ManuallyDrop::take(&mut *closure) })
    }
}

impl<'scope> Scope<'scope> {
    /// Has `task` called exactly once before the scope ends, on this worker or by whoever steals it. It may borrow what
    /// outlives the scope, and may spawn more through the scope it is given.
    ///
    /// Each spawned task takes a block of the pool's memory until it is done. If there is none, `task` is called at once; so
    /// it is if a scope that was opened later, and is still open, has spawned. A spawn for which the worker's stack is too
    /// short panics as a fork does.
    ///
    /// ```compile_fail,E0373
    /// # use vgpu_pool::pool::Worker;
    /// fn too_short(worker: &Worker) {
    ///     worker.scope(|_, scope| {
    ///         let local = 1;
    ///         scope.spawn(|_, _| assert_eq!(local, 1));
    ///     });
    /// }
    /// ```
    pub fn spawn<F>(&self, task: F)
    where
        F: FnOnce(&Worker, &Scope<'scope>) + Send + 'scope,
    {
        let worker = self.worker();
        if !worker.has_stack_for(stack_pointer()) {
            worker.refuse_to_fork(task);
        }
        let is_as_left = ptr::eq(worker.forks().newest(), self.top.get());
        let block = Owned::new_with(worker.core().allocator(), MaybeUninit::<Block<'scope, F>>::uninit);
        let (true, Ok(block)) = (is_as_left, block) else {
            self.keep(Scope::frame(worker, |scope| task(worker, scope)).err());
            return;
        };
        let block = Owned::into_raw(block).cast::<Block<'scope, F>>();
        // SAFETY: fresh memory for this very type.
        unsafe { block.write(Block::new(task, self.newest.get())) };
        self.newest.set(Some(block.cast()));
        let link = block.cast::<Link>();
        self.top.set(link.as_ptr());
        // SAFETY: the block stays until this frame pops it. What is older than it is popped later: the frames below this
        // one end later, and this one pops its newest first.
        unsafe { worker.fork(link) };
    }

    /// Calls `body` with a frame on this worker, and then takes off the stack what the frame has put there. Gives the first panic.
    fn frame<R>(worker: &Worker, body: impl FnOnce(&Scope<'scope>) -> R) -> core::result::Result<R, Payload> {
        let scope = Scope {
            worker,
            newest: Cell::new(None),
            top: Cell::new(worker.forks().newest()),
            panic: Cell::new(None),
            invariant: PhantomData,
        };
        let value = match catch_unwind(AssertUnwindSafe(|| body(&scope))) {
            Ok(value) => Some(value),
            Err(payload) => {
                scope.keep(Some(payload));
                None
            }
        };
        scope.end_all();
        match (scope.panic.take(), value) {
            (None, Some(value)) => Ok(value),
            (Some(payload), value) => {
                drop_quietly(value);
                Err(payload)
            }
            (None, None) => unreachable!("a body without a value has panicked"),
        }
    }

    /// Takes every job of this frame off the stack, newest first, and those that they spawn here. Does not unwind.
    fn end_all(&self) {
        let worker = self.worker();
        while let Some(spawned) = self.newest.get() {
            // SAFETY: a job in the list is this frame's, and stays until its end.
            let (job, older, end) = unsafe { (&spawned.as_ref().job, spawned.as_ref().older, spawned.as_ref().end) };
            // SAFETY: what was put on the stack later has been taken off: this frame's own jobs by this loop, those of other
            // frames by them.
            let is_here = unsafe { worker.forks().pop(spawned.cast()) } || worker.take_back(job);
            self.newest.set(older);
            self.top.set(worker.forks().newest());
            // SAFETY: the job is off the stack, and either nobody else has it, or it is done.
            unsafe { end(spawned, self, is_here) };
        }
    }

    /// Keeps the first panic.
    fn keep(&self, panic: Option<Payload>) {
        let Some(payload) = panic else { return };
        match self.panic.take() {
            None => self.panic.set(Some(payload)),
            first => {
                self.panic.set(first);
                drop_quietly(payload);
            }
        }
    }

    fn worker(&self) -> &Worker {
        // SAFETY: a frame ends before the worker that it is on.
        unsafe { &*self.worker }
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("worker", &self.worker().index()).finish_non_exhaustive()
    }
}

impl Worker {
    /// Calls `body` with a scope, and returns its value when everything that was spawned into the scope is done. For a number of
    /// tasks that is known beforehand [`join`](Self::join) and [`fork_all`](Self::fork_all) are faster.
    ///
    /// What is spawned has the effects of a call in `body`, at some time before the scope ends, perhaps on another worker, perhaps
    /// at the same time as others. It is forked, not submitted: it never waits behind other tasks of the pool.
    ///
    /// A panic, of `body` or of what was spawned, comes out here when all is done. If there are several it is the first one
    /// that this worker learns of.
    ///
    /// ```
    /// use vgpu_pool::pool::{Config, Pool};
    ///
    /// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
    /// let pool = Pool::new(&Config::default())?;
    /// let mut words = ["one", "two", "three"].map(String::from);
    /// pool.run(|worker| {
    ///     worker.scope(|_, scope| {
    ///         for word in &mut words {
    ///             scope.spawn(|_, _| word.make_ascii_uppercase());
    ///         }
    ///     });
    ///     Ok(())
    /// })?;
    /// assert_eq!(words, ["ONE", "TWO", "THREE"]);
    /// # Ok::<(), vgpu_pool::error::Error>(())
    /// ```
    pub fn scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Worker, &Scope<'scope>) -> R,
    {
        match Scope::frame(self, |scope| body(self, scope)) {
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl Core {
    /// See [`Pool::scope`].
    pub fn scope<'scope, F, R>(&self, body: F) -> Result<R>
    where
        F: FnOnce(&Worker, &Scope<'scope>) -> Result<R> + Send,
        R: Send,
    {
        self.run(|worker| worker.scope(body))
    }
}

impl Pool {
    /// Calls `body` with a [scope](Worker::scope) on a worker, and waits for it and for everything that it spawns. On a worker
    /// of this pool that is the caller itself.
    ///
    /// Errors: what `body` fails with; [`Panic`](crate::error::Status::Panic) for a panic of `body` or of what it spawned on
    /// another thread than the caller's; and those of [`run`](Self::run).
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use vgpu_pool::pool::{Config, Pool, Scope};
    ///
    /// struct Tree(Vec<Tree>);
    ///
    /// fn count<'t>(tree: &'t Tree, nodes: &'t AtomicUsize, scope: &Scope<'t>) {
    ///     nodes.fetch_add(1, Ordering::Relaxed);
    ///     for child in &tree.0 {
    ///         scope.spawn(move |_, scope| count(child, nodes, scope));
    ///     }
    /// }
    /// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
    /// let pool = Pool::new(&Config::default())?;
    /// let tree = Tree(vec![Tree(vec![]), Tree(vec![Tree(vec![])])]);
    /// let nodes = AtomicUsize::new(0);
    /// pool.scope(|_, scope| Ok(count(&tree, &nodes, scope)))?;
    /// assert_eq!(nodes.into_inner(), 4);
    /// # Ok::<(), vgpu_pool::error::Error>(())
    /// ```
    pub fn scope<'scope, F, R>(&self, body: F) -> Result<R>
    where
        F: FnOnce(&Worker, &Scope<'scope>) -> Result<R> + Send,
        R: Send,
    {
        self.core.scope(body)
    }
}
