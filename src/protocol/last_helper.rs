//! Of the workers whose waits are limited, the last to come has to help after all.
//!
//! # States
//! A worker may wait without running whatever work there is: because the program asked for that, or because its stack or its
//! depth says so. If every worker did, nobody might be left to run what they wait for. One word counts the workers in limited
//! waits, and how many of these waits are *open*: what they wait for may not have been begun. A worker that runs something,
//! be it in a wait further down its stack, is not one of them.
//!
//! | step | who | what |
//! |---|---|---|
//! | enter | a worker that waits, and whose wait is limited | counts itself; if that makes as many as there are workers, and any of the waits is open, its own is not limited |
//! | enter | a worker whose thread comes and goes | counts its wait if that is open, and not itself; the rest is the same |
//! | leave | the same worker, when its wait is over, or when it has found work and is about to run it | takes itself off |
//!
//! # What would break a naive version
//! 1. *Two that rely on each other.* Both workers of a pool look at the count, find none, and raise it. Here looking and raising
//!    are one read-modify-write, of both counts.
//! 2. *The busy one that counts.* Were a worker counted while it runs what it has found, then others would help who need not,
//!    against what the program asked for, and beyond the depth that guards their stacks.
//! 3. *Help that nobody needs.* A worker deep in a recursion waits for the thief of its fork. Were it made to help, it would begin
//!    another recursion where there is no stack for one.
//!
//! 4. *The empty seat.* Were a worker counted that has no thread at the moment, the count would never be full.
//!
//! # Lemmas
//! 1. Whenever all workers are in limited waits and one of these is open, one of them looks for any work. Of their entries
//!    take the last in the modification order of the word, closed waits of those that come and go left out: they count for
//!    nothing. The others had entered before, and have not left; so it found the count full, and the open wait counted.
//! 2. If all workers wait for thieves of their forks, somebody's wait is about to end. Otherwise follow each worker to the one that
//!    has its job, until one comes twice. On each worker on this circle, the job that another waits for lies below the frame that
//!    waits now, and that frame forked the job it waits for. So on the way round each job was begun after the one
//!    before, the first after itself. A worker without a thread has no job, so it is on no circle.
//!
//! Whoever helps and finds work leaves, runs it, and enters again; then the lemmas apply anew. So the work goes on as long as
//! there is stack. An open wait for which there is none is refused with an error before it enters.
//!
//! # Why relaxed is enough
//! The lemmas speak of one word. What is waited for is ordered by its own protocol.
//!
//! Models: `verification/loom/last_helper.rs`, and the models of `verification/loom/pool.rs` whose waits block.

use super::CacheLine;
use crate::sync::{AtomicUsize, RELAXED};

/// Half a word for each count: there are never more than 4096 workers.
const OPEN: usize = 1 << (usize::BITS / 2);

/// The limited waits of a pool's workers.
#[derive(Debug)]
pub struct LastHelper {
    /// All of them, and above [`OPEN`] the open ones.
    waiting: CacheLine<AtomicUsize>,
    workers: usize,
}

impl LastHelper {
    /// None of `workers` workers waits, those not counted whose threads come and go.
    pub fn new(workers: usize) -> LastHelper {
        LastHelper { waiting: CacheLine(AtomicUsize::new(0)), workers }
    }

    fn weight(is_open: bool, is_own: bool) -> usize {
        usize::from(is_own) + if is_open { OPEN } else { 0 }
    }

    /// A worker begins a limited wait; `is_own` says that it is one of those that are always there. True if it has to help, because nobody else may be left who does.
    pub fn enter(&self, is_open: bool, is_own: bool) -> bool {
        let weight = Self::weight(is_open, is_own);
        let waiting = self.waiting.fetch_add(weight, RELAXED) + weight;
        waiting % OPEN >= self.workers && waiting >= OPEN
    }

    /// Its wait is over. The rest is what it said when it began.
    pub fn leave(&self, is_open: bool, is_own: bool) {
        self.waiting.fetch_sub(Self::weight(is_open, is_own), RELAXED);
    }
}
