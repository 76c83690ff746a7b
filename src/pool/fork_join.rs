//! Fork and join: two closures, perhaps at the same time, both done when the call returns.
//!
//! The second closure becomes a job in the caller's own frame, on the worker's private [`fork_stack`](crate::protocol::fork_stack);
//! the first runs at once. When the worker's deque looks empty at a fork, the oldest private job is published there, for
//! others to steal. Then the second closure is called directly, if nobody has stolen it; otherwise the worker helps
//! until the thief is done. The job's frame outlives all uses, because `join` returns only after one of the two.

use super::task::{Payload, drop_quietly};
use super::worker::Worker;
use crate::error::error;
use crate::protocol::completion::Completion;
use crate::protocol::fork_stack::Link;
use crate::sync::UnsafeCell;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs a job on the worker that took it. It does not unwind.
pub(crate) type RunFn = unsafe extern "C" fn(NonNull<Job>, &Worker);

/// The part of a forked job that the queues know.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Job {
    link: Link,
    run: RunFn,
    /// Written when the job becomes public: nobody waits for a private one.
    done: UnsafeCell<MaybeUninit<Completion<()>>>,
}

impl Job {
    /// A job that is on no stack, and that `run` runs.
    #[inline(always)]
    pub(super) fn new(run: RunFn) -> Job {
        Job { link: Link::new(), run, done: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Its place on the private stack.
    #[inline(always)]
    pub(super) fn link(&self) -> NonNull<Link> {
        NonNull::from(&self.link)
    }

    /// A job that no frame waits for: see [`shelf`](super::shelf). It may lie in a deque as it is.
    pub(crate) fn detached(run: RunFn) -> Job {
        let job = Job::new(run);
        // SAFETY: a new job is this thread's.
        job.done.with_mut(|done| unsafe { (*done).write(Completion::new()) });
        job
    }

    /// Runs a job that was taken from a deque.
    ///
    /// # Safety
    /// The job was taken, by steal or pop, by this thread, and is run once.
    pub(crate) unsafe fn run(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: the frame of a job that was taken waits for it to be run, or its loop does. What was taken from a deque is public.
        unsafe {
            job.as_ref().done().begin(worker.index());
            (job.as_ref().run)(job, worker);
        }
    }

    /// Says that the job is done, and wakes whoever waits for it. The frame may go now.
    ///
    /// # Safety
    /// The job was taken from a deque by this thread, has been run, and this is said once.
    pub(crate) unsafe fn finish(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: taken from a deque, hence public; set once. After this only addresses are used.
        let wakeups = unsafe { job.as_ref().done().set(()) };
        wakeups.wake_blocked();
        if let Some(address) = wakeups.helpers() {
            worker.core().sleep().notify_waiters(address);
        }
    }

    /// # Safety
    /// The job is public.
    unsafe fn done(&self) -> &Completion<()> {
        // SAFETY: written before the job became public.
        self.done.with(|done| unsafe { (*done).assume_init_ref() })
    }
}

/// A forked closure on the frame that forked it.
#[repr(C)]
struct StackJob<F, R> {
    job: Job,
    /// Taken out once, by whoever runs the job, or drops it unrun.
    closure: UnsafeCell<ManuallyDrop<F>>,
    /// Written by the thief before it says that the job is done.
    outcome: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
}

impl<F, R> StackJob<F, R>
where
    F: FnOnce(&Worker) -> R,
{
    #[inline(always)]
    fn new(closure: F) -> StackJob<F, R> {
        StackJob {
            job: Job::new(Self::run),
            closure: UnsafeCell::new(ManuallyDrop::new(closure)),
            outcome: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The job as a thief runs it.
    ///
    /// # Safety
    /// `job` begins a `StackJob<F, R>` whose frame waits for `done`; called once.
    unsafe extern "C" fn run(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: the frame lives until `done` is set, and its owner does not touch the closure of a stolen job.
        let this = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: as above.
        let closure = unsafe { this.take_closure() };
        let outcome = catch_unwind(AssertUnwindSafe(|| closure(worker)));
        // SAFETY: the frame's owner reads it when the job is done.
        this.outcome.with_mut(|place| unsafe { (*place).write(outcome) });
        // SAFETY: taken by this thread, and run just now.
        unsafe { Job::finish(job, worker) };
    }

    /// # Safety
    /// Whoever calls this has the job to itself, and nobody has called it before.
    #[inline(always)]
    unsafe fn take_closure(&self) -> F {
        self.closure.with_mut(|closure| {
            // SAFETY: by contract; a job starts with its closure.
            unsafe { ManuallyDrop::take(&mut *closure) }
        })
    }

    /// # Safety
    /// A thief has run the job, and nobody has called this before.
    unsafe fn take_outcome(&self) -> Result<R, Payload> {
        // SAFETY: by contract; the caller has seen that the job is done.
        self.outcome.with(|place| unsafe { (*place).assume_init_read() })
    }
}

#[cfg(feature = "capi")]
impl Job {
    /// Where `run` lies, behind the link, and how large a job is; the C++ header has jobs of its own.
    pub(crate) const OFFSET_OF_RUN: usize = core::mem::offset_of!(Job, run);
}

impl Worker {
    /// Calls `a` and `b`, perhaps at the same time, and returns both results when both are done.
    ///
    /// A panic in either comes out here, that of `a` before that of `b`. When `a` panics before anybody has started `b`,
    /// then `b` is dropped without being called. A fork for which the worker's stack is too short panics with an
    /// [`Error`](crate::error::Error) of status [`StackLimit`](crate::error::Status::StackLimit), which is then the task's error.
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
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&Worker) -> RA + Send,
        B: FnOnce(&Worker) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let fork = StackJob::<B, RB>::new(b);
        let link = fork.job.link();
        if !self.has_stack_for(link.addr().get()) {
            // SAFETY: nobody else has heard of the job.
            self.refuse_to_fork(unsafe { fork.take_closure() });
        }
        // SAFETY: the frame stays until the pop below, and what `a` forks it joins before.
        unsafe { self.fork(link) };
        let left = match catch_unwind(AssertUnwindSafe(|| a(self))) {
            Ok(left) => left,
            Err(payload) => self.abandon(&fork, payload),
        };
        // SAFETY: as at the push.
        if unsafe { self.forks().pop(link) } || self.take_back(&fork.job) {
            // SAFETY: nobody else has the job, or ever will.
            let b = unsafe { fork.take_closure() };
            return (left, b(self));
        }
        // SAFETY: done, and taken once.
        match unsafe { fork.take_outcome() } {
            Ok(right) => (left, right),
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Puts a job on the private stack, and publishes the oldest one if the deque looks empty.
    ///
    /// # Safety
    /// As [`ForkStack::push`](crate::protocol::fork_stack::ForkStack::push); the link begins a [`Job`].
    #[inline(always)]
    pub(super) unsafe fn fork(&self, job: NonNull<Link>) {
        // SAFETY: by contract; a worker's stack is open.
        unsafe { self.forks().push(job) };
        if self.deque().is_empty() {
            self.promote();
        }
    }

    /// Ends a recursion that is too deep for the stack: as an error of the task, not as a crash of the program.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse_to_fork<B>(&self, b: B) -> ! {
        drop_quietly(b);
        let error = error!(
            StackLimit,
            "a fork at recursion's depth found worker {}'s stack almost used up; give the pool's workers a larger stack, or fork less deeply",
            self.index()
        );
        resume_unwind(Box::new(error))
    }

    /// Takes a public job out of the deque again. If it cannot be had, waits until it is done, and returns false.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_back(&self, job: &Job) -> bool {
        // SAFETY: the job is public.
        let done = unsafe { job.done() };
        // First this question: the worker may have run the job itself, in a wait, and the deque may hold older ones.
        if done.is_done() {
            return false;
        }
        // SAFETY: this thread is the worker, and owns its deque.
        if let Some(newest) = unsafe { self.deque().pop() } {
            debug_assert_eq!(newest, NonNull::from(job));
            self.counters().reclaimed.add(1);
            return true;
        }
        self.wait_for_thief(done);
        false
    }

    /// After a panic of the first closure: sees to the second, which is dropped if nobody has started it, and goes on.
    #[cold]
    #[inline(never)]
    fn abandon<F, R>(&self, fork: &StackJob<F, R>, payload: Payload) -> !
    where
        F: FnOnce(&Worker) -> R,
    {
        // SAFETY: whatever `a` forked was seen to as it unwound, so this is the newest job.
        if unsafe { self.forks().pop(fork.job.link()) } || self.take_back(&fork.job) {
            // SAFETY: nobody else has the job, or ever will.
            drop_quietly(unsafe { fork.take_closure() });
        } else {
            // SAFETY: done, and taken once.
            drop_quietly(unsafe { fork.take_outcome() });
        }
        resume_unwind(payload)
    }

    /// Publishes the oldest private job, and more of them while others are idle: one more than there are idlers, so that there
    /// is one left to be found without asking.
    #[cold]
    #[inline(never)]
    pub(crate) fn promote(&self) {
        if self.is_guest() {
            return;
        }
        if self.replays() {
            return self.replay_fork();
        }
        let idle = self.core().sleep().idle();
        while self.deque().len() <= idle && self.promote_one() {}
    }

    /// Publishes all private jobs. To be done before every wait: what is waited for may depend on them.
    pub(crate) fn promote_all(&self) {
        while !self.is_guest() && self.promote_one() {}
    }

    pub(super) fn promote_one(&self) -> bool {
        if self.is_held.get() {
            return false;
        }
        let Some(link) = self.forks().oldest_private() else {
            return false;
        };
        let job = link.cast::<Job>();
        // SAFETY: the job is private, so nobody but this thread knows its frame, which is below this one.
        unsafe { job.as_ref().done.with_mut(|done| (*done).write(Completion::new())) };
        // SAFETY: this thread is the worker, and owns its deque.
        if unsafe { self.deque().push(job) }.is_err() {
            // At its limit, or no memory: the job stays private, and there are others to steal.
            return false;
        }
        self.forks().promoted(link);
        self.count_promoted();
        self.core().announce_jobs(self.reach(), || self.index() + 1);
        true
    }
}
