//! A limit on what is taken by many: what is out never exceeds it, and a refusal means that there was no room.
//!
//! # States
//! One word: how much is out. Who takes reads it, and replaces it by the sum if nobody was faster and the sum is within the limit. Who
//! gives back subtracts what it took.
//!
//! # What would break a naive version
//! *More out than allowed.* Two look, both find room for one, and both add.
//! *A refusal though there is room.* Each adds first, looks, and takes back what was too much: one that asks for far too much is
//! counted for a moment, and another that would have fitted is refused meanwhile. Here nothing is counted that was not granted.
//!
//! # Orderings
//! None is needed: the word says how much, and leads to no other memory. What is taken and given back is ordered by whoever owns it.
//!
//! Models: `verification/loom/budget.rs`.

use crate::sync::{AtomicU64, RELAXED};

/// So much may be out at a time.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    out: AtomicU64,
}

impl Budget {
    /// Nothing is out.
    pub fn new(limit: u64) -> Budget {
        Budget { limit, out: AtomicU64::new(0) }
    }

    /// The most that may be out.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How much is out, or was a moment ago.
    pub fn out(&self) -> u64 {
        self.out.load(RELAXED)
    }

    /// Takes so much, all or nothing. `false`: there is no room for it.
    pub fn take(&self, amount: u64) -> bool {
        let mut out = self.out.load(RELAXED);
        loop {
            let Some(sum) = out.checked_add(amount).filter(|&sum| sum <= self.limit) else { return false };
            match self.out.compare_exchange_weak(out, sum, RELAXED) {
                Ok(_) => return true,
                Err(now) => out = now,
            }
        }
    }

    /// Gives back what was taken, once.
    pub fn give_back(&self, amount: u64) {
        self.out.fetch_sub(amount, RELAXED);
    }
}
