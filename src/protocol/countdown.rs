//! A count that is waited for at zero: groups, `wait_all`, and the work a closing pool still has to do.
//!
//! # States
//! One word: the count, and the flags `BLOCKED` (a thread sleeps on the word), `HELPED` (a worker waits through the event
//! count) and `CLOSED` (nothing may be added from outside).
//!
//! | step | who | what |
//! |---|---|---|
//! | add | whoever brings work | raises the count unless `CLOSED`; from zero it also clears the two waiting flags |
//! | finish | whoever did the work | lowers the count; the one that reaches zero serves the flags it found |
//! | wait | any thread | sees zero, or sets `BLOCKED` and sleeps on the word |
//! | close | the owner | sets `CLOSED` |
//!
//! # What would break a naive version
//! 1. *Touching what is gone.* A waiter that sees zero may free the count while the one that reached zero still wakes
//!    sleepers. So the lowering is its last touch; it wakes by address.
//! 2. *Flags that nobody clears* would make every later zero pay for a wake-up. The lowering cannot clear them (1), so the
//!    next addition from zero does, in the same exchange that raises the count: whoever set them has been, or is being,
//!    woken by the one that reached zero. Clearing them in a step of its own would erase the flag of a later waiter, who
//!    found it set and went to sleep on it.
//! 3. *Accepted after the last look.* With `closed` in another word, an addition could be accepted after the closer has
//!    seen zero. In one word, every addition comes before the closing or sees it.
//!
//! # Why the waiter sees all that was counted
//! Every lowering is a release and a read-modify-write, so the value zero carries on the release sequences of them all; the
//! waiter's load acquires it.
//!
//! Models: `verification/loom/countdown.rs`, `verification/loom/shutdown.rs`.

use crate::sync::{AtomicU32, FutexWait, RELAXED, futex_wait, futex_wake, ordering_sites};

const BLOCKED: u32 = 1;
const HELPED: u32 = 2;
const CLOSED: u32 = 4;
const ONE: u32 = 8;
const COUNT: u32 = !(ONE - 1);

/// The largest count: 2^29 - 1 tasks at a time.
pub const MAX_COUNT: u32 = u32::MAX / ONE;

ordering_sites! {
    "countdown":
    FINISH = AcqRel: "release pairs with READ: the waiter sees the work; acquire pairs with the other finishers' releases: the last one sees the work of all";
    READ = Acquire: "pairs with FINISH";
    REGISTER = Release: "pairs with FINISH: the address a helper waits on is written before the flag is found";
}

/// Why nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The count is closed.
    Closed,
    /// The count is at its largest.
    Full,
}

/// What the one that lowered the count found.
#[derive(Clone, Copy, Debug)]
#[must_use = "whoever waits is still asleep"]
pub struct Finished {
    word: *const AtomicU32,
    before: u32,
    by: u32,
}

impl Finished {
    /// Whether this was the last one: the count is, or was, zero.
    #[inline]
    pub fn is_last(self) -> bool {
        self.before & COUNT == self.by * ONE
    }

    /// Wakes the threads that sleep on the word, if this was the last. By address: the count may be gone.
    #[inline]
    pub fn wake_blocked(self) {
        if self.is_last() && self.before & BLOCKED != 0 {
            futex_wake(self.word, u32::MAX);
        }
    }

    /// The address on which workers wait in the event count, if this was the last and any do.
    #[inline]
    pub fn helpers(self) -> Option<usize> {
        (self.is_last() && self.before & HELPED != 0).then_some(self.word as usize)
    }
}

/// The count.
#[derive(Debug)]
pub struct Countdown {
    word: AtomicU32,
}

impl Default for Countdown {
    fn default() -> Countdown {
        Countdown::new()
    }
}

impl Countdown {
    /// A count of zero.
    pub fn new() -> Countdown {
        Countdown { word: AtomicU32::new(0) }
    }

    /// The address that stands for this count in the event count.
    #[inline]
    pub fn address(&self) -> usize {
        (&raw const self.word) as usize
    }

    /// Raises the count. `inside` is for callers whose own work is counted: they may add while the count is closed.
    #[inline]
    pub fn add(&self, by: u32, inside: bool) -> Result<(), Refused> {
        let mut word = self.word.load(RELAXED);
        loop {
            if word & CLOSED != 0 && !inside {
                return Err(Refused::Closed);
            }
            if word / ONE > MAX_COUNT - by {
                return Err(Refused::Full);
            }
            let kept = if word & COUNT == 0 { word & CLOSED } else { word };
            match self.word.compare_exchange_weak(word, kept + by * ONE, RELAXED) {
                Ok(_) => return Ok(()),
                Err(_) => word = self.word.load(RELAXED),
            }
        }
    }

    /// Lowers the count. If that makes it zero, this must be the caller's last touch unless it knows better.
    #[inline]
    pub fn finish(&self, by: u32) -> Finished {
        let word = &raw const self.word;
        Finished { word, before: self.word.fetch_sub(by * ONE, site::FINISH), by }
    }

    /// Closes the count to additions from outside. False when it was closed before.
    pub fn close(&self) -> bool {
        self.word.fetch_or(CLOSED, RELAXED) & CLOSED == 0
    }

    /// Whether the count is closed.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.word.load(RELAXED) & CLOSED != 0
    }

    /// How much is counted right now.
    pub fn count(&self) -> u32 {
        self.word.load(RELAXED) / ONE
    }

    /// Whether the count is zero. If so, all work that was counted is visible.
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.word.load(site::READ) & COUNT == 0
    }

    /// Blocks the calling thread until the count is zero, at most until `deadline_ns`. False when the time ran out.
    pub fn wait(&self, deadline_ns: Option<u64>) -> bool {
        loop {
            let word = self.word.load(site::READ);
            if word & COUNT == 0 {
                return true;
            }
            if word & BLOCKED == 0 && self.word.compare_exchange(word, word | BLOCKED, RELAXED).is_err() {
                continue;
            }
            if futex_wait(&self.word, word | BLOCKED, deadline_ns) == FutexWait::TimedOut {
                return self.is_zero();
            }
        }
    }

    /// Says that a worker waits for zero in the event count. False when the count is zero already; that alone does not make
    /// the counted work visible, [`is_zero`](Self::is_zero) does.
    #[inline]
    pub fn register_helper(&self) -> bool {
        self.word.fetch_or(HELPED, site::REGISTER) & COUNT != 0
    }
}
