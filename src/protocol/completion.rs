//! A one-shot completion: the heart of a future.
//!
//! # States
//! One word: the flags `BLOCKED` (a thread sleeps on the word), `HELPED` (a worker waits and must be woken through the event
//! count), `OCCUPIED` (somebody has the callback's place), `CALLBACK` (a function is to be called), and in the end `DONE`. The outcome lies in a cell beside it.
//!
//! | step | who | what |
//! |---|---|---|
//! | set | the one that completes, once | writes the outcome, sets `DONE`, serves the flags it found |
//! | wait | any thread | sees `DONE`, or sets `BLOCKED` and sleeps on the word |
//! | help | a worker | sets `HELPED`, or finds `DONE` |
//! | call back | a holder of the future, once | sets `OCCUPIED`, writes the callback, sets `CALLBACK`, or finds `DONE` and calls it itself |
//!
//! # What would break a naive version
//! 1. *Lost wake-up.* The setter looks for waiters, then sets; a waiter looks for `DONE`, then sleeps. Here both change one
//!    word by read-modify-write: the setter's returns every flag set before it, and a flag set after it finds `DONE`.
//! 2. *Touching what is gone.* The moment `DONE` is visible a waiter may free the storage. So [`Completion::set`] touches
//!    nothing after that: what is left to do is in the [`Wakeups`] it returns, by value and by address. A callback needs
//!    storage that outlives it, so whoever uses one must hold a reference ([`task_state`](super::task_state)).
//! 3. *A callback that runs twice or never.* Registrar and setter both change the word; the one that finds the other's mark
//!    runs it.
//!
//! # Why the outcome is visible
//! It is written before `DONE` is set, which is a release; every way to learn of `DONE` is an acquire.
//!
//! Models: `verification/loom/completion.rs`, `verification/shuttle/pool.rs`.

use crate::sync::{AtomicU32, FutexWait, Hint, RELAXED, UnsafeCell, futex_wait, futex_wake, ordering_sites};
use core::mem::MaybeUninit;

const BLOCKED: u32 = 1;
const HELPED: u32 = 2;
const CALLBACK: u32 = 4;
const DONE: u32 = 8;
/// Somebody has the callback's place. Stays set.
const OCCUPIED: u32 = 16;

ordering_sites! {
    "completion":
    SET = AcqRel: "release pairs with READ: the outcome is written before it is found done; acquire pairs with REGISTER: the callback, and the address a helper waits on, are written before the flag is found";
    READ = Acquire: "pairs with SET";
    REGISTER = AcqRel: "release pairs with SET: see there; acquire pairs with SET: who finds it done here reads the outcome";
}

/// A function to be called with its argument when the outcome is there.
#[derive(Clone, Copy, Debug)]
pub struct Callback {
    /// The function; it must not unwind.
    pub call: unsafe fn(*mut ()),
    /// Its argument.
    pub data: *mut (),
}

/// What became of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The setter will make the call.
    Left,
    /// The outcome is there: the caller makes the call itself.
    TooLate,
    /// There was one already.
    Occupied,
}

/// What the setter found waiting.
#[derive(Clone, Copy, Debug)]
#[must_use = "whoever waits is still asleep"]
pub struct Wakeups {
    word: *const AtomicU32,
    flags: u32,
}

impl Wakeups {
    /// Wakes the threads that sleep on the word. By address: the completion may be gone.
    #[inline]
    pub fn wake_blocked(self) {
        if self.flags & BLOCKED != 0 {
            futex_wake(self.word, u32::MAX);
        }
    }

    /// The address on which workers wait in the event count, if any do.
    #[inline]
    pub fn helpers(self) -> Option<usize> {
        (self.flags & HELPED != 0).then_some(self.word as usize)
    }

    /// Whether a callback was registered; it is now the setter's to call.
    #[inline]
    pub fn has_callback(self) -> bool {
        self.flags & CALLBACK != 0
    }
}

/// A place for one outcome.
#[derive(Debug)]
pub struct Completion<T> {
    state: AtomicU32,
    /// One more than the worker that works on it, or 0.
    performer: Hint,
    outcome: UnsafeCell<MaybeUninit<T>>,
    callback: UnsafeCell<Option<Callback>>,
}

// SAFETY: the outcome moves from the setter to whoever takes it; the callback's data is the registrar's promise.
unsafe impl<T: Send> Send for Completion<T> {}
// SAFETY: cells are written by one side before the word says so, and read after; see the module text.
unsafe impl<T: Send> Sync for Completion<T> {}

impl<T> Default for Completion<T> {
    fn default() -> Completion<T> {
        Completion::new()
    }
}

impl<T> Completion<T> {
    /// An empty place.
    pub fn new() -> Completion<T> {
        Completion {
            state: AtomicU32::new(0),
            performer: Hint::new(0),
            outcome: UnsafeCell::new(MaybeUninit::uninit()),
            callback: UnsafeCell::new(None),
        }
    }

    /// The address that stands for this completion in the event count.
    #[inline]
    pub fn address(&self) -> usize {
        (&raw const self.state) as usize
    }

    /// Says which worker works on it.
    #[inline]
    pub fn begin(&self, worker: usize) {
        self.performer.set(worker.wrapping_add(1) as u32);
    }

    /// The worker that works on it, as far as is known: somebody whom it may pay to help. Late, or none, at worst.
    #[inline]
    pub fn performer(&self) -> Option<usize> {
        (self.performer.get() as usize).checked_sub(1)
    }

    /// Puts the outcome in. After this returns the completion may be gone unless the caller holds a reference.
    ///
    /// # Safety
    /// Nobody sets it a second time.
    #[inline]
    pub unsafe fn set(&self, outcome: T) -> Wakeups {
        // SAFETY: until `DONE` is visible nobody but the setter touches the cell.
        self.outcome.with_mut(|cell| unsafe { (*cell).write(outcome) });
        let word = &raw const self.state;
        Wakeups { word, flags: self.state.fetch_or(DONE, site::SET) }
    }

    /// Whether the outcome is there. If so, all that its setter did before is visible.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.state.load(site::READ) & DONE != 0
    }

    /// Blocks the calling thread until the outcome is there, at most until `deadline_ns`. False when the time ran out.
    pub fn wait(&self, deadline_ns: Option<u64>) -> bool {
        loop {
            let state = self.state.load(site::READ);
            if state & DONE != 0 {
                return true;
            }
            if state & BLOCKED == 0 && self.state.compare_exchange(state, state | BLOCKED, RELAXED).is_err() {
                continue;
            }
            if futex_wait(&self.state, state | BLOCKED, deadline_ns) == FutexWait::TimedOut {
                return self.is_done();
            }
        }
    }

    /// Says that a worker waits for this in the event count. False when the outcome is already there.
    #[inline]
    pub fn register_helper(&self) -> bool {
        self.state.fetch_or(HELPED, site::REGISTER) & DONE == 0
    }

    /// Leaves a callback for the setter, if it is the first and comes in time.
    ///
    /// # Safety
    /// The storage outlives the setter's use of the callback.
    pub unsafe fn register_callback(&self, callback: Callback) -> Registered {
        if self.state.fetch_or(OCCUPIED, RELAXED) & OCCUPIED != 0 {
            return Registered::Occupied;
        }
        // SAFETY: the place is ours, and the setter reads it only when it finds the flag, which is set after this.
        self.callback.with_mut(|cell| unsafe { *cell = Some(callback) });
        match self.state.fetch_or(CALLBACK, site::REGISTER) & DONE {
            0 => Registered::Left,
            _ => Registered::TooLate,
        }
    }

    /// The callback that [`Wakeups::has_callback`] announced.
    ///
    /// # Safety
    /// Called once, by the setter, with a reference that keeps the storage alive.
    pub unsafe fn take_callback(&self) -> Option<Callback> {
        // SAFETY: the flag was found, so the registrar is done with the cell.
        self.callback.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// Looks at the outcome.
    ///
    /// # Safety
    /// [`is_done`](Self::is_done) or [`wait`](Self::wait) returned true on this thread, and nobody has taken it.
    #[inline]
    pub unsafe fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: done means written, and the acquire of the caller's look orders it.
        self.outcome.with(|cell| unsafe { look((*cell).assume_init_ref()) })
    }

    /// Takes the outcome out.
    ///
    /// # Safety
    /// As [`peek`](Self::peek), and nobody looks or takes afterwards.
    #[inline]
    pub unsafe fn take(&self) -> T {
        // SAFETY: done means written; the caller is the only one left.
        self.outcome.with_mut(|cell| unsafe { (*cell).assume_init_read() })
    }
}
