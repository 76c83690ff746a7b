//! A worker's forked jobs, oldest first; the oldest are public, the others known to nobody else.
//!
//! # States
//! A job is *private* from its [`push`](ForkStack::push) on, and *public* once it was promoted into the worker's
//! [`deque`](super::deque). Jobs are promoted oldest first, so the public ones are a prefix of the stack. A job leaves the stack
//! where it entered it: the frame that pushed it pops it.
//!
//! ```text
//!   base -> job -> job -> job -> job
//!                   ^             ^
//!              last_public      newest
//!         public           private
//! ```
//!
//! | step | who | what |
//! |---|---|---|
//! | push | the worker | links the job behind the newest |
//! | promote | the worker | publishes the job behind `last_public`, when the deque looks empty at a fork, and before every wait |
//! | pop, private | the worker | takes the newest off; nobody else has ever heard of it |
//! | pop, public | the worker | takes the newest off, and asks the job and then the deque who has it |
//!
//! Everything here belongs to one thread. Other threads see a job through the deque alone, whose push publishes what the job
//! was made of. So there is no atomic in this file and no ordering; what can go wrong is the bookkeeping.
//!
//! # What would break a naive version
//! 1. *The sleeper and the private job.* A worker forks while its deque holds a job; the others sleep, having seen the deque full
//!    or having been given its only job. If the fork kept its job private and the owner then waited for it, nobody would run
//!    it. So the worker promotes all it has before it waits.
//! 2. *The stranger popped.* While the worker waits inside a fork, it may take its own oldest-but-one job out of the
//!    deque and run it. The frame of that job must not pop the deque again: it would get an older frame's job. So
//!    a public job is first asked whether it is done, and only then the deque.
//! 3. *The prefix with a hole.* Were a job promoted before an older one, then a private pop could meet a public job, or a thief
//!    could get a small job while the large one stays hidden.
//!
//! # Lemmas
//! 1. A job is public if and only if it is not newer than `last_public`. So the newest job is public exactly if it *is*
//!    `last_public`, and a pop compares two addresses.
//! 2. If the newest job is public and neither done nor in the deque, then a thief has it. The deque hands jobs out oldest
//!    first, so all older public jobs were handed out too, or the worker itself took this job in a wait, which ended before.
//!
//! # Liveness
//! A fork that sees the deque empty publishes a job before it goes on. Its view of the deque may be late by one theft; then the
//! next fork publishes, or the next wait. Between two forks and without a wait the worker is busy with its own code.
//!
//! # References
//! T. van Dijk, J. van de Pol, *Lace: non-blocking split deque for work-stealing* (2014); A. Tzannes et al., *Lazy
//! scheduling* (TOPLAS 36(3), 2014). Models: `verification/loom/fork_stack.rs`, `verification/shuttle/pool.rs`.

use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

/// The part of a job that the stack knows. The first field of the job, so that either's address is the other's.
#[derive(Debug)]
#[repr(C)]
pub struct Link {
    /// Written when this stops being the newest job, and not before.
    newer: Cell<MaybeUninit<NonNull<Link>>>,
    /// Written when this becomes the newest job, and not before.
    older: Cell<MaybeUninit<*const Link>>,
}

impl Default for Link {
    fn default() -> Link {
        Link::new()
    }
}

impl Link {
    /// The link of a job that is in no stack.
    #[inline(always)]
    pub const fn new() -> Link {
        Link { newer: Cell::new(MaybeUninit::uninit()), older: Cell::new(MaybeUninit::uninit()) }
    }
}

/// One worker's forked jobs. Not `Sync`: it stays on its worker's thread.
#[derive(Debug)]
#[repr(C)]
pub struct ForkStack {
    newest: Cell<*const Link>,
    last_public: Cell<*const Link>,
    base: Link,
}

impl Default for ForkStack {
    fn default() -> ForkStack {
        ForkStack::new()
    }
}

impl ForkStack {
    /// An empty stack, to be [opened](Self::open) where it is going to stay.
    pub const fn new() -> ForkStack {
        ForkStack { newest: Cell::new(ptr::null()), last_public: Cell::new(ptr::null()), base: Link::new() }
    }

    /// Makes the stack usable. From here on it must not move.
    pub fn open(&self) {
        self.newest.set(&raw const self.base);
        self.last_public.set(&raw const self.base);
    }

    /// Puts a job on the stack, as a private one.
    ///
    /// # Safety
    /// The stack is open. The job stays where it is until it was popped, and is popped after all that are pushed later.
    #[inline(always)]
    pub unsafe fn push(&self, job: NonNull<Link>) {
        let older = self.newest.get();
        // SAFETY: the newest job is on the stack, or it is the base.
        unsafe { (*older).newer.set(MaybeUninit::new(job)) };
        // SAFETY: by contract the job is there.
        unsafe { job.as_ref() }.older.set(MaybeUninit::new(older));
        self.newest.set(job.as_ptr());
    }

    /// Takes the newest job off. True if it is private: then nobody else has heard of it, and it is the caller's to
    /// run.
    ///
    /// # Safety
    /// `job` is the newest.
    #[inline(always)]
    pub unsafe fn pop(&self, job: NonNull<Link>) -> bool {
        // Read back, not taken from `job`: one register less to save in every frame of a recursion.
        let newest = self.newest.get();
        debug_assert!(ptr::eq(newest, job.as_ptr()), "forks are joined newest first");
        // SAFETY: by contract this is a job on the stack, and its push wrote the link.
        let older = unsafe { job.as_ref().older.get().assume_init() };
        self.newest.set(older);
        if !ptr::eq(self.last_public.get(), newest) {
            return true;
        }
        self.last_public.set(older);
        false
    }

    /// Whether the newest job is public, or there is none: lemma 1.
    #[inline(always)]
    pub fn is_newest_public(&self) -> bool {
        ptr::eq(self.last_public.get(), self.newest.get())
    }

    /// The newest job, or what stands for none. Only to be compared.
    pub fn newest(&self) -> *const Link {
        self.newest.get()
    }

    /// The oldest private job.
    pub fn oldest_private(&self) -> Option<NonNull<Link>> {
        let last_public = self.last_public.get();
        if ptr::eq(last_public, self.newest.get()) {
            return None;
        }
        // SAFETY: the last public job is on the stack, or it is the base; and it is not the newest, so its link was written.
        Some(unsafe { (*last_public).newer.get().assume_init() })
    }

    /// Says that the oldest private job is public from now on: it is in the deque.
    pub fn promoted(&self, job: NonNull<Link>) {
        debug_assert_eq!(self.oldest_private(), Some(job), "the oldest first");
        self.last_public.set(job.as_ptr());
    }
}
