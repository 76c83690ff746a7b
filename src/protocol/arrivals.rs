//! A vertex of a graph and its predecessors: the last of them to arrive starts it. And a round of a graph's run and the vertices
//! in it: whoever counts off the last of them starts the next round.
//!
//! # States
//! One word: in its low half how many are still to come, in its high half how many of those that came had failed. When the last
//! predecessor has come the word is as before the first, for the next run.
//!
//! | step | who | what |
//! |---|---|---|
//! | arrive | each predecessor, once a round, after all it does | takes one from the low half, adds one to the high half if it failed |
//! | arrive together | a worker, after it has settled so many vertices of a round | takes as many from the low half |
//! | expect | the one that found itself the last, or whoever has begun the run | writes how many are to come |
//!
//! # What would break a naive version
//! 1. *Started twice, or never.* Two predecessors lower the count, and then both look: each sees zero. Or both look first, and
//!    neither does. Here the lowering itself returns what was there, and one alone finds that it was the last.
//! 2. *The failure that came too late.* With the failure in another word, told after the arrival, the last one may start
//!    the vertex before it hears of it. In one word a failure arrives with its predecessor.
//! 3. *Reset under the feet of a late one.* Whoever resets all counts at the start of a run must know that nobody of the last
//!    run is still counting. The last predecessor knows it of its own vertex: all others have arrived.
//!
//! # Why the vertex sees what its predecessors did
//! 1. Every arrival is a release and a read-modify-write, so the last one reads from the release sequences of all others, and
//!    acquires them.
//! 2. What is written then is relaxed. Arrivals of the next round or run come after it, by whatever orders one before the next.
//!    A vertex's only predecessor need not even arrive: it is the last, and whoever has it has the vertex.
//! 3. Taking one from the low half never borrows from the high one: who arrives is still counted.
//!
//! Models: `verification/loom/arrivals.rs`, `verification/loom/graph.rs`.

use crate::sync::{AtomicU64, RELAXED, ordering_sites};

const ONE_FAILED: u64 = 1 << 32;

ordering_sites! {
    "arrivals":
    ARRIVE = AcqRel: "release pairs with the last one's acquire: the vertex sees what every predecessor did";
}

/// What an arrival came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the last one starts the vertex"]
pub enum Arrived {
    /// Others are still to come.
    Early,
    /// This was the last: the vertex is the caller's to start.
    Last {
        /// Whether any of the predecessors had failed.
        failed: bool,
    },
}

/// The count of one vertex.
#[derive(Debug)]
pub struct Arrivals {
    word: AtomicU64,
}

impl Arrivals {
    /// A count of so many.
    pub fn new(count: u32) -> Arrivals {
        Arrivals { word: AtomicU64::new(count.into()) }
    }

    /// So many are to come next. By the one that was the last, or before the first.
    pub fn expect(&self, count: u32) {
        self.word.store(count.into(), RELAXED);
    }

    /// One of the vertex's `predecessors`, a number that stays the same, has done what it does.
    #[inline]
    pub fn arrive(&self, failed: bool, predecessors: u32) -> Arrived {
        if predecessors == 1 {
            return Arrived::Last { failed };
        }
        let failure = if failed { ONE_FAILED } else { 0 };
        let before = self.word.fetch_add(failure.wrapping_sub(1), site::ARRIVE);
        debug_assert_ne!(before as u32, 0, "more arrivals than predecessors");
        if before as u32 != 1 {
            return Arrived::Early;
        }
        self.expect(predecessors);
        Arrived::Last { failed: failed || before >= ONE_FAILED }
    }

    /// So many arrive together. True if nobody else is to come: the round is the caller's to end. False must be the caller's last
    /// touch unless it knows better.
    #[inline]
    pub fn arrive_together(&self, count: u32) -> bool {
        self.word.fetch_sub(count.into(), site::ARRIVE) == count.into()
    }
}
