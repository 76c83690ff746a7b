//! A server that is started by the first request: one requester starts it, and no request is left behind when that fails.
//!
//! # States
//! One word: not started, or started (as far as anybody knows). A requester first queues its request and then claims the start;
//! who finds it claimed leaves the rest to the claimant. A claimant that cannot start the server releases the claim and *then*
//! answers whatever is queued, its own request included.
//!
//! # What would break a naive version
//! *A request nobody serves.* The claimant fails, answers what is queued, and then releases the claim: a request queued between
//! the two finds the start claimed and waits for a server that never comes. Here the release comes first. A request whose claim
//! comes before the release was queued before it, so the claimant finds it; one whose claim comes after starts the server
//! itself. Both are swaps of one word, so one comes before the other.
//!
//! Models: `verification/loom/lazy_start.rs`.

use crate::sync::{AtomicU32, ordering_sites};

ordering_sites! {
    "lazy_start":
    CLAIM = Release: "pairs with RELEASE: the request is queued before the start is found claimed";
    RELEASE = Acquire: "pairs with CLAIM: whoever found the start claimed has queued its request, so that it is found";
}

/// Whether the server has been started.
#[derive(Debug)]
pub struct LazyStart {
    started: AtomicU32,
}

impl Default for LazyStart {
    fn default() -> LazyStart {
        LazyStart::new()
    }
}

impl LazyStart {
    /// Nothing is started.
    pub fn new() -> LazyStart {
        LazyStart { started: AtomicU32::new(0) }
    }

    /// To be asked when the request is queued. `true`: the caller must start the server, or release the claim.
    pub fn claim(&self) -> bool {
        self.started.swap(1, site::CLAIM) == 0
    }

    /// The server could not be started: the next request may try again. Afterwards the caller answers whatever is queued.
    pub fn release(&self) {
        self.started.swap(0, site::RELEASE);
    }
}
