//! Of the workers whose waits are limited, the last to come has to help after all.
//!
//! # States
//! A worker may wait without running whatever work there is: because the program asked for that, or because its stack or its
//! depth says so. If every worker did, nobody would run what they wait for. `waiting` counts the limited waits.
//!
//! | step | who | what |
//! |---|---|---|
//! | enter | a worker whose wait is limited | raises `waiting`; finds as many as there are workers: its wait is not limited |
//! | leave | the same worker, when its wait is over | lowers `waiting` |
//!
//! # What would break a naive version
//! *Two that rely on each other.* Both workers of a pool look at the count, find one, and raise it. Here looking and raising are one
//! read-modify-write.
//!
//! # Lemma
//! Whenever all workers are in limited waits, one of them helps. Of the entries that have not left, take the last in the
//! modification order of `waiting`. The value it found includes an entry of each other worker that has not left, and its own;
//! so it found at least as many as there are workers. A worker in several waits, one inside the other, counts several times:
//! then more help than need to, never fewer.
//!
//! Whoever helps may enter again further down, finds the count at least as high, and helps there too; so the work goes on as
//! long as there is stack. A wait for which there is none is refused with an error before it enters.
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
