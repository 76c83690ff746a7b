//! A result handed from a server to a requester that may tire of waiting: exactly one of them keeps it, and the block that both
//! used.
//!
//! # States
//! One word, swapped at most once by each side: `WAITING`, `ASLEEP` (waiting, and the requester sleeps on the word), then
//! `DELIVERED` by the server or `ABANDONED` by the requester. *Whoever comes second owns everything*: the block, what the
//! requester asked, and the result, if there is one.
//!
//! | step | who | what |
//! |---|---|---|
//! | deliver | the server, once | writes the result, swaps in `DELIVERED`; before it `ABANDONED`: the server is the second |
//! | wait | the requester | sees `DELIVERED`, and is the second; or sleeps |
//! | abandon | the requester, once, after a wait that timed out | swaps in `ABANDONED`; before it `DELIVERED`: the requester is the second |
//!
//! # What would break a naive version
//! 1. *Both free, or nobody.* The requester looks, finds nothing, and marks itself gone; the server looks for the mark before it
//!    delivers. Between a look and a mark the other may go by. Here each side's only step is one swap, so one comes second.
//! 2. *Touching what is gone.* Once `DELIVERED` stands in the word the requester may free the block: so the server wakes by
//!    address and touches nothing more.
//! 3. *Freeing what the other still reads.* Whoever comes second frees what the first has used: its swap acquires what the
//!    other's released.
//!
//! Models: `verification/loom/handover.rs`.

use crate::sync::{AtomicU32, FutexWait, RELAXED, UnsafeCell, futex_wait, futex_wake, ordering_sites};
use core::mem::MaybeUninit;

const WAITING: u32 = 0;
const ASLEEP: u32 = 1;
const DELIVERED: u32 = 2;
const ABANDONED: u32 = 3;

ordering_sites! {
    "handover":
    DELIVER = AcqRel: "release pairs with READ and ABANDON: the result is written, and the request no longer read, before the requester takes the one and frees the other; acquire pairs with ABANDON: the requester no longer uses the block when the server frees it";
    READ = Acquire: "pairs with DELIVER";
    ABANDON = AcqRel: "release pairs with DELIVER, acquire pairs with DELIVER: see there";
}

/// A place for one result.
#[derive(Debug)]
pub struct Handover<T> {
    state: AtomicU32,
    result: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the result moves from the server to whoever comes second.
unsafe impl<T: Send> Send for Handover<T> {}
// SAFETY: the cell is written by the server before its swap, and read after the second swap, or after `READ`.
unsafe impl<T: Send> Sync for Handover<T> {}

impl<T> Default for Handover<T> {
    fn default() -> Handover<T> {
        Handover::new()
    }
}

impl<T> Handover<T> {
    /// An empty place.
    pub fn new() -> Handover<T> {
        Handover { state: AtomicU32::new(WAITING), result: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Whether the requester is gone, for all that is known: it may be found gone only by [`deliver`](Self::deliver).
    pub fn seems_abandoned(&self) -> bool {
        self.state.load(RELAXED) == ABANDONED
    }

    /// Hands the result over. `Some`: the requester is gone; the result comes back, and the block is the caller's. `None`: the
    /// block is the requester's, and may be gone already.
    ///
    /// # Safety
    /// Called once.
    pub unsafe fn deliver(&self, result: T) -> Option<T> {
        // SAFETY: until the swap nobody but the server touches the cell.
        self.result.with_mut(|cell| unsafe { (*cell).write(result) });
        let word = &raw const self.state;
        match self.state.swap(DELIVERED, site::DELIVER) {
            // SAFETY: written above, and the requester, being gone, does not look.
            ABANDONED => Some(self.result.with_mut(|cell| unsafe { (*cell).assume_init_read() })),
            before => {
                if before == ASLEEP {
                    futex_wake(word, 1);
                }
                None
            }
        }
    }

    /// Waits for the result, at most until `deadline_ns`. `Some`: the block is the caller's. `None`: the time ran out; the block
    /// is the server's.
    ///
    /// # Safety
    /// Called once.
    pub unsafe fn wait(&self, deadline_ns: Option<u64>) -> Option<T> {
        loop {
            let state = self.state.load(site::READ);
            if state == DELIVERED {
                // SAFETY: delivered means written, and nobody else takes it.
                return Some(unsafe { self.take() });
            }
            if state == WAITING && self.state.compare_exchange(WAITING, ASLEEP, RELAXED).is_err() {
                continue;
            }
            if futex_wait(&self.state, ASLEEP, deadline_ns) == FutexWait::TimedOut {
                // SAFETY: called once, as this is.
                return unsafe { self.abandon() };
            }
        }
    }

    /// Stops waiting. `Some`: the result came meanwhile, and the block is the caller's. `None`: the block is the server's.
    ///
    /// # Safety
    /// Called once, by the requester, which has not been given the result.
    pub unsafe fn abandon(&self) -> Option<T> {
        match self.state.swap(ABANDONED, site::ABANDON) {
            // SAFETY: delivered means written, and the server looks no more.
            DELIVERED => Some(unsafe { self.take() }),
            _ => None,
        }
    }

    /// # Safety
    /// The result was delivered, and is taken once.
    unsafe fn take(&self) -> T {
        // SAFETY: by contract.
        self.result.with_mut(|cell| unsafe { (*cell).assume_init_read() })
    }
}
