//! A place for one thread to sleep.
//!
//! # States
//! `EMPTY`, `NOTIFIED` (a permit is waiting) and `PARKED` (the thread sleeps, or is about to).
//!
//! | step | from | to | by |
//! |---|---|---|---|
//! | take the permit | `NOTIFIED` | `EMPTY` | the sleeper |
//! | go to sleep | `EMPTY` | `PARKED` | the sleeper |
//! | give a permit | any | `NOTIFIED` | anybody |
//!
//! # What would break a naive version
//! A waker that only wakes finds nobody asleep when the sleeper has decided but not yet gone: the wake-up is lost. Here the
//! permit is in the word, and the kernel compares the word, under the lock a waker must take, before it puts the thread to
//! sleep.
//!
//! # Why no permit is lost
//! `unpark` swaps in `NOTIFIED`. If the old value was `PARKED`, the sleeper is in the kernel or on its way there with the
//! expectation `PARKED`, which no longer holds: it is woken or turned back. Otherwise the next `park` finds the permit.
//! Permits do not add up: two unparks before a park are one. A sleeper may also come back for no reason, so every caller
//! looks again.
//!
//! Models: `verification/loom/parker.rs`; every model of [`event_count`](super::event_count) runs on top.

use crate::sync::{AtomicU32, FutexWait, RELAXED, futex_wait, futex_wake, ordering_sites};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

ordering_sites! {
    "parker":
    PARK_TAKE = Acquire: "pairs with UNPARK: what was done before the permit was given is visible to the thread that takes it";
    UNPARK = Release: "pairs with PARK_TAKE";
}

/// One thread's sleeping place.
#[derive(Debug)]
pub struct Parker {
    state: AtomicU32,
}

impl Default for Parker {
    fn default() -> Parker {
        Parker::new()
    }
}

impl Parker {
    /// A parker without a permit.
    pub fn new() -> Parker {
        Parker { state: AtomicU32::new(EMPTY) }
    }

    /// Takes a permit, sleeping until there is one or it is `deadline_ns`. Only one thread may park here.
    pub fn park(&self, deadline_ns: Option<u64>) {
        // The same exchange takes a permit that is there at once and one that ended the sleep.
        while self.state.swap(EMPTY, site::PARK_TAKE) != NOTIFIED {
            if self.state.compare_exchange(EMPTY, PARKED, RELAXED).is_ok()
                && futex_wait(&self.state, PARKED, deadline_ns) == FutexWait::TimedOut
            {
                self.state.swap(EMPTY, site::PARK_TAKE);
                return;
            }
        }
    }

    /// Gives a permit, and wakes the thread if it sleeps.
    pub fn unpark(&self) {
        if self.state.swap(NOTIFIED, site::UNPARK) == PARKED {
            futex_wake(&self.state, 1);
        }
    }
}
