//! Of the workers whose waits are limited, the last to come has to help after all.
//!
//! # States
//! A worker may wait without running whatever work there is: because the program asked for that, or because its stack or its
//! depth says so. If every worker did, nobody would run what they wait for. `waiting` counts the workers in limited waits. A
//! worker that runs something, be it in a wait further down its stack, is not one of them.
//!
//! | step | who | what |
//! |---|---|---|
//! | enter | a worker that waits, and whose wait is limited | raises `waiting`; if that makes as many as there are workers, its wait is not limited |
//! | leave | the same worker, when its wait is over, or when it has found work and is about to run it | lowers `waiting` |
//!
//! # What would break a naive version
//! 1. *Two that rely on each other.* Both workers of a pool look at the count, find none, and raise it. Here looking and raising
//!    are one read-modify-write.
//! 2. *The busy one that counts.* Were a worker counted while it runs what it has found, then others would help who need not,
//!    against what the program asked for, and beyond the depth that guards their stacks.
//!
//! # Lemma
//! Whenever all workers are in limited waits, one of them looks for any work. Of their entries take the last in the
//! modification order of `waiting`. The others had entered before, and have not left; so it made the count full.
//!
//! Whoever helps and finds work leaves, runs it, and enters again; then the lemma applies anew. So the work goes on as long as
//! there is stack. A wait for which there is none is refused with an error before it enters.
//!
//! # Why relaxed is enough
//! The lemma speaks of one word. What is waited for is ordered by its own protocol.
//!
//! Models: `verification/loom/pool.rs`, the models of waits that block.

use super::CacheLine;
use crate::sync::{AtomicUsize, RELAXED};

/// The limited waits of a pool's workers.
#[derive(Debug)]
pub struct LastHelper {
    waiting: CacheLine<AtomicUsize>,
    workers: usize,
}

impl LastHelper {
    /// None of `workers` workers waits.
    pub fn new(workers: usize) -> LastHelper {
        LastHelper { waiting: CacheLine(AtomicUsize::new(0)), workers }
    }

    /// A worker begins a limited wait. True if it has to help, because nobody else may be left who does.
    pub fn enter(&self) -> bool {
        self.waiting.fetch_add(1, RELAXED) + 1 >= self.workers
    }

    /// Its wait is over.
    pub fn leave(&self) {
        self.waiting.fetch_sub(1, RELAXED);
    }
}
