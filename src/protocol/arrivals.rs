//! A vertex of a graph and its predecessors: the last of them to arrive starts it.
//!
//! # States
//! One word: in its low half how many predecessors are still to come, in its high half how many of those that came had
//! failed. When the last has come the word is as before the first, for the next run.
//!
//! | step | who | what |
//! |---|---|---|
//! | arrive | each predecessor, once a run, after all it does | takes one from the low half, adds one to the high half if it failed |
//! | reset | the one that found itself the last | writes the number of predecessors |
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
//! 2. The reset is relaxed. Arrivals of the next run come after it, by whatever orders one run before the next.
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
    /// The count of a vertex that waits for so many.
    pub fn new(predecessors: u32) -> Arrivals {
        Arrivals { word: AtomicU64::new(predecessors.into()) }
    }

    /// One of the vertex's `predecessors`, a number that stays the same, has done what it does.
    #[inline]
    pub fn arrive(&self, failed: bool, predecessors: u32) -> Arrived {
        let failure = if failed { ONE_FAILED } else { 0 };
        let before = self.word.fetch_add(failure.wrapping_sub(1), site::ARRIVE);
        debug_assert_ne!(before as u32, 0, "more arrivals than predecessors");
        if before as u32 != 1 {
            return Arrived::Early;
        }
        self.word.store(predecessors.into(), RELAXED);
        Arrived::Last { failed: failed || before >= ONE_FAILED }
    }
}
