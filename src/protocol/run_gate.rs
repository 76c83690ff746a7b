//! The gate of a graph: one run at a time, and who may cancel it.
//!
//! # States
//! One word: *idle*, *running*, or *running* and *cancelled*; while it runs also the process that it was begun in, since
//! a forked child inherits a run that will never end there. Beside it, how many vertices the run has skipped.
//!
//! | step | who | what |
//! |---|---|---|
//! | begin | whoever wants to run the graph | *idle* to *running*, or is refused; clears the number |
//! | cancel | anybody | *running* to *cancelled* |
//! | look | whoever is about to start a vertex | skips it in *cancelled* |
//! | skip | whoever skipped vertices, before it counts them as done | raises the number |
//! | end | the one that began, when every vertex is counted as done | back to *idle* |
//!
//! # What would break a naive version
//! 1. *Two runs at once.* Looking for *idle* and then writing *running* lets two in. Here that is one exchange.
//! 2. *The cancellation that comes too late.* Looking for *running* and then setting a flag may set it after the end: the next
//!    run would be cancelled by it, or never begin. Here the flag is set only where *running* still is.
//!
//! # Why a run sees what the one before it left
//! The end is a release, and the next beginning acquires it. Cancellation and end are both read-modify-writes,
//! so the one comes before the other; nothing is read on a cancellation's account, so it needs no ordering. The number of
//! skipped vertices is read after all have been counted off, by a [`countdown`](super::countdown), which orders it.
//!
//! Models: `verification/loom/run_gate.rs`, `verification/loom/graph.rs`.

use crate::sync::{AtomicU32, RELAXED, ordering_sites};

const IDLE: u32 = 0;
const RUNNING: u32 = 1;
const CANCELLED: u32 = 2;
const ONE_PROCESS: u32 = 4;

ordering_sites! {
    "run_gate":
    BEGIN = Acquire: "pairs with END: this run uses what the one before it used";
    END = Release: "pairs with BEGIN";
}

/// The gate.
#[derive(Debug)]
pub struct RunGate {
    phase: AtomicU32,
    skipped: AtomicU32,
}

impl Default for RunGate {
    fn default() -> RunGate {
        RunGate::new()
    }
}

impl RunGate {
    /// An idle gate.
    pub fn new() -> RunGate {
        RunGate { phase: AtomicU32::new(IDLE), skipped: AtomicU32::new(0) }
    }

    /// Begins a run in the process of that number, which is taken modulo 2^30. False when one is in progress.
    pub fn begin(&self, process: u32) -> bool {
        let running = process.wrapping_mul(ONE_PROCESS) | RUNNING;
        let begun = self.phase.compare_exchange(IDLE, running, site::BEGIN).is_ok();
        if begun {
            self.skipped.store(0, RELAXED);
        }
        begun
    }

    /// Cancels the run in progress. False when there is none.
    pub fn cancel(&self) -> bool {
        loop {
            let phase = self.phase.load(RELAXED);
            if phase == IDLE {
                return false;
            }
            if phase & CANCELLED != 0 || self.phase.compare_exchange(phase, phase | CANCELLED, RELAXED).is_ok() {
                return true;
            }
        }
    }

    /// Whether the run is cancelled. A hint: it may be late.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.phase.load(RELAXED) & CANCELLED != 0
    }

    /// Whether a run is in progress.
    pub fn is_running(&self) -> bool {
        self.phase.load(RELAXED) != IDLE
    }

    /// Whether a run is in progress that was begun in another process than that of this number.
    pub fn is_running_elsewhere(&self, process: u32) -> bool {
        let phase = self.phase.load(RELAXED);
        phase != IDLE && phase / ONE_PROCESS != process % (1 << 30)
    }

    /// Counts vertices that this run has skipped.
    pub fn skip(&self, vertices: u32) {
        self.skipped.fetch_add(vertices, RELAXED);
    }

    /// How many vertices were skipped by the run that is about to end, or by the last one.
    pub fn skipped(&self) -> u32 {
        self.skipped.load(RELAXED)
    }

    /// Ends the run, by the one that began it.
    pub fn end(&self) {
        self.phase.swap(IDLE, site::END);
    }
}
