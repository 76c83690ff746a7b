//! Who may run a task, who may cancel it, and how long its storage lives.
//!
//! # States
//! One word: a phase (`QUEUED`, `STARTED`, `CANCELLED`), the flag `AWAITED`, a lane of 0 to 3, and the number of references. A queue entry
//! is one reference, which passes to the worker that takes it out; a handle is another.
//!
//! | step | who | what |
//! |---|---|---|
//! | start | the holder of the queue entry, or a waiter that runs the task itself | `QUEUED` to `STARTED` |
//! | cancel | a handle | `QUEUED` to `CANCELLED` |
//! | lift | a handle | `QUEUED` with a higher lane and one reference more, which a second queue entry gets |
//! | release | each reference, once | one reference less; the last frees |
//! | wait for sole ownership | the last handle, when the storage is the caller's | sees one reference, or sets `AWAITED` and sleeps |
//!
//! # What would break a naive version
//! 1. *Run and cancelled.* Two flags, each checked before the other is set, let both succeed. One word changed by
//!    compare-and-exchange lets one win.
//! 2. *Freed under the reader.* A cancelled task stays in its queue. The entry holds a reference, so the worker that finds
//!    it later finds storage.
//! 3. *Freed by the caller under the worker.* With storage provided by the caller nobody frees, but the caller may use it
//!    again. It waits until its handle is the only reference; the release that gets there touches the word last, and wakes
//!    by address.
//!
//! 4. *Lifted and freed.* A task that is lifted to a more urgent lane stays in the old one as well, since nobody can take it out of
//!    the middle of a queue. Were the two entries to share a reference, the worker that finds the stale one would touch
//!    freed storage. So the lift takes a reference for the second entry in the same step that sees the task still queued, and
//!    raises the lane in the word, so that a task has one entry for each lane at most, however often it is lifted.
//!
//! # Why the one that frees sees everything
//! A release lowers the count with release, and the last one acquires, so all uses come before the free.
//!
//! Models: `verification/loom/task_state.rs`.

use crate::sync::{AtomicU32, RELAXED, futex_wait, futex_wake, ordering_sites};

const PHASE: u32 = 3;
const QUEUED: u32 = 0;
const STARTED: u32 = 1;
const CANCELLED: u32 = 2;
const AWAITED: u32 = 4;
const LANE: u32 = 8;
const LANES: u32 = 3 * LANE;
const REFERENCE: u32 = 32;

ordering_sites! {
    "task_state":
    RELEASE = AcqRel: "release: this reference's uses come before the free; acquire: the free comes after all others' uses";
    SOLE = Acquire: "pairs with RELEASE: the storage is used again after all others' uses";
}

/// What a release leaves to do.
#[derive(Clone, Copy, Debug)]
#[must_use = "the last reference frees, and an owner may wait for its storage"]
pub struct Released {
    word: *const AtomicU32,
    before: u32,
}

impl Released {
    /// Whether this was the last reference.
    #[inline]
    pub fn is_last(self) -> bool {
        self.before / REFERENCE == 1
    }

    /// Wakes the owner that waits for its storage, if this release left it alone. By address: it may be gone.
    #[inline]
    pub fn wake_owner(self) {
        if self.before / REFERENCE == 2 && self.before & AWAITED != 0 {
            futex_wake(self.word, u32::MAX);
        }
    }
}

/// The state word of a task.
#[derive(Debug)]
pub struct TaskState {
    word: AtomicU32,
}

impl TaskState {
    /// A queued task with this many references.
    pub fn new(references: u32, lane: u32) -> TaskState {
        TaskState { word: AtomicU32::new(QUEUED + lane * LANE + references * REFERENCE) }
    }

    /// The most urgent lane the task was put into.
    pub fn lane(&self) -> u32 {
        (self.word.load(RELAXED) & LANES) / LANE
    }

    /// Claims a place in a more urgent lane for a task that is still queued. If so, the caller owns a reference more, for the
    /// entry it puts there.
    pub fn lift(&self, lane: u32) -> bool {
        let mut word = self.word.load(RELAXED);
        while word & PHASE == QUEUED && (word & LANES) / LANE < lane {
            // Relaxed: the entry's way through the queue brings whoever takes it what it needs to see.
            match self.word.compare_exchange_weak(word, (word & !LANES) + lane * LANE + REFERENCE, RELAXED) {
                Ok(_) => return true,
                Err(_) => word = self.word.load(RELAXED),
            }
        }
        false
    }

    #[inline]
    fn leave_queued(&self, to: u32) -> bool {
        let mut word = self.word.load(RELAXED);
        while word & PHASE == QUEUED {
            // Relaxed: what the winner needs to see reached it with its reference, and the loser touches nothing.
            match self.word.compare_exchange_weak(word, word | to, RELAXED) {
                Ok(_) => return true,
                Err(_) => word = self.word.load(RELAXED),
            }
        }
        false
    }

    /// Claims the task for running. False when it was started or cancelled.
    #[inline]
    pub fn start(&self) -> bool {
        self.leave_queued(STARTED)
    }

    /// Claims the task for cancelling. False when it was started or cancelled.
    pub fn cancel(&self) -> bool {
        self.leave_queued(CANCELLED)
    }

    /// Gives up one reference.
    #[inline]
    pub fn release(&self) -> Released {
        let word = &raw const self.word;
        Released { word, before: self.word.fetch_sub(REFERENCE, site::RELEASE) }
    }

    /// Whether the caller's reference is the only one. If so, all other uses of the storage come before.
    #[inline]
    pub fn is_sole(&self) -> bool {
        self.word.load(site::SOLE) / REFERENCE == 1
    }

    /// Blocks until the caller's reference is the only one.
    pub fn wait_until_sole(&self) {
        loop {
            let word = self.word.load(site::SOLE);
            if word / REFERENCE == 1 {
                return;
            }
            if word & AWAITED == 0 && self.word.compare_exchange(word, word | AWAITED, RELAXED).is_err() {
                continue;
            }
            futex_wait(&self.word, word | AWAITED, None);
        }
    }
}
