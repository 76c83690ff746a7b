//! Vertices that are started twice or too early, rounds that do not wait for the one before, and graphs that are cancelled too
//! late.

use crate::fork_stack::Place;
use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::arrivals::{Arrivals, Arrived};
use vgpu_pool::protocol::run_gate::RunGate;
use vgpu_pool::sync::{AtomicU32, RELAXED, Site};

const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "the vertex sees what its predecessors did");

/// The predecessors of one vertex.
pub(crate) trait Count: Send + Sync + 'static {
    fn new(predecessors: u32) -> Self;
    fn arrive(&self, failed: bool, predecessors: u32) -> Arrived;
}

/// The model that tells a right count from a wrong one.
pub(crate) const LAST: Model = Model {
    group: "arrivals",
    name: "two predecessors",
    threads: 2,
    operations: 2,
    bound: 3,
    outcomes: &[0, 1],
    run: &two_predecessors::<Arrivals>,
};

pub(crate) fn two_predecessors<C: Count>() -> u64 {
    let scene = Arc::new((C::new(2), [Place::new(), Place::new()]));
    let threads = [0, 1].map(|which| {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.1[which].write(1);
            let arrived = scene.0.arrive(which == 0, 2);
            if arrived != Arrived::Early {
                assert_eq!(arrived, Arrived::Last { failed: true });
                // The vertex starts here.
                scene.1.iter().for_each(|place| assert_eq!(place.read(), 1));
            }
            arrived != Arrived::Early
        })
    });
    let last = threads.map(|thread| thread.join().unwrap());
    assert!(last[0] != last[1], "one is the last");
    u64::from(last[1])
}

/// A count with one of two mistakes: it is looked at apart from being lowered, or failures are told apart from it.
struct Wrong<const LOOKS_APART: bool, const FAILS_APART: bool> {
    missing: AtomicU32,
    failed: AtomicU32,
}

impl<const LOOKS_APART: bool, const FAILS_APART: bool> Count for Wrong<LOOKS_APART, FAILS_APART> {
    fn new(predecessors: u32) -> Self {
        Wrong { missing: AtomicU32::new(predecessors), failed: AtomicU32::new(0) }
    }
    fn arrive(&self, failed: bool, predecessors: u32) -> Arrived {
        if !FAILS_APART && failed {
            self.failed.fetch_or(1, RELAXED);
        }
        let before = self.missing.fetch_sub(1, ACQ_REL);
        if FAILS_APART && failed {
            self.failed.fetch_or(1, RELAXED);
        }
        let left = if LOOKS_APART { self.missing.fetch_add(0, ACQ_REL) } else { before - 1 };
        if left != 0 {
            return Arrived::Early;
        }
        if !LOOKS_APART {
            self.missing.store(predecessors, RELAXED);
        }
        Arrived::Last { failed: self.failed.load(RELAXED) != 0 }
    }
}

/// The model that tells a right round from a wrong one: a round of two vertices, a condition and another, after which the other
/// runs again.
pub(crate) const ROUND: Model = Model { name: "a round of two", run: &round_of_two::<true>, ..LAST };

/// If it `waits`, whoever counts off the last vertex of the round starts the next; else whoever has run the condition.
pub(crate) fn round_of_two<const WAITS: bool>() -> u64 {
    let scene = Arc::new((Arrivals::new(2), Place::new()));
    let threads = [true, false].map(|is_condition| {
        let scene = scene.clone();
        thread::spawn(move || {
            let (round, other) = &*scene;
            if !is_condition {
                other.write(1);
            }
            let is_last = round.arrive_together(1);
            let starts = if WAITS { is_last } else { is_condition };
            if starts {
                other.write(other.read() + 1);
            }
            starts
        })
    });
    let started = threads.map(|thread| thread.join().unwrap());
    assert!(started[0] != started[1], "one starts the next round");
    assert_eq!(scene.1.read(), 2);
    u64::from(started[1])
}

/// The gate of a graph.
pub(crate) trait Gate: Send + Sync + 'static {
    fn new() -> Self;
    fn begin(&self) -> bool;
    fn cancel(&self) -> bool;
    fn is_cancelled(&self) -> bool;
    fn end(&self);
}

/// The model that tells a right gate from a wrong one.
pub(crate) const CANCEL: Model = Model {
    group: "run_gate",
    name: "cancel against end",
    threads: 2,
    operations: 3,
    bound: 3,
    outcomes: &[0, 1],
    run: &late_cancel::<RunGate>,
};

pub(crate) fn late_cancel<G: Gate>() -> u64 {
    let gate = Arc::new(G::new());
    assert!(gate.begin());
    let canceller = {
        let gate = gate.clone();
        thread::spawn(move || gate.cancel())
    };
    gate.end();
    let cancelled = canceller.join().unwrap();
    assert!(gate.begin(), "nothing runs");
    assert!(!gate.is_cancelled(), "that run was over, or had not begun");
    gate.end();
    cancelled.into()
}

/// Looks whether there is a run, and then cancels it.
struct LooksFirst(AtomicU32);

impl Gate for LooksFirst {
    fn new() -> Self {
        LooksFirst(AtomicU32::new(0))
    }
    fn begin(&self) -> bool {
        self.0.compare_exchange(0, 1, ACQ_REL).is_ok()
    }
    fn cancel(&self) -> bool {
        let runs = self.0.load(RELAXED) != 0;
        if runs {
            self.0.fetch_or(2, RELAXED);
        }
        runs
    }
    fn is_cancelled(&self) -> bool {
        self.0.load(RELAXED) & 2 != 0
    }
    fn end(&self) {
        self.0.swap(0, ACQ_REL);
    }
}

#[test]
fn g1_the_lowering_itself_says_who_was_last() {
    let wrong = Model { run: &two_predecessors::<Wrong<true, false>>, ..LAST }.of("looks apart");
    tells_apart("G1 two are the last", wrong, LAST_TWIN.of("looks apart"));
}

#[test]
fn g2_a_failure_arrives_with_its_predecessor() {
    let wrong = Model { run: &two_predecessors::<Wrong<false, true>>, ..LAST }.of("fails apart");
    tells_apart("G2 the failure is told after the arrival", wrong, LAST_TWIN.of("fails apart"));
}

/// The same count without a mistake.
const LAST_TWIN: Model = Model { run: &two_predecessors::<Wrong<false, false>>, ..LAST };

#[test]
fn g3_a_cancellation_finds_its_run_in_progress() {
    tells_apart("G3 cancelled after the end", Model { run: &late_cancel::<LooksFirst>, ..CANCEL }, CANCEL);
}

#[test]
fn g4_a_round_begins_when_the_one_before_has_ended() {
    let wrong = Model { run: &round_of_two::<false>, ..ROUND }.of("starts at once");
    tells_apart("G4 a choice starts at once", wrong, ROUND.of("starts at once"));
}
