//! Workers that enter limited waits, of whom at least one has to help.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::last_helper::LastHelper;
use vgpu_pool::sync::{AtomicUsize, RELAXED};

const WORKERS: usize = 2;

/// The design, or a wrong one.
trait Count: Send + Sync + 'static {
    fn new() -> Self;
    fn enter(&self) -> bool;
    fn leave(&self);
}

impl Count for LastHelper {
    fn new() -> LastHelper {
        LastHelper::new(WORKERS)
    }
    fn enter(&self) -> bool {
        LastHelper::enter(self, true, true)
    }
    fn leave(&self) {
        LastHelper::leave(self, true, true);
    }
}

/// Looks at the count and raises it in a second step.
struct LooksFirst(AtomicUsize);

impl Count for LooksFirst {
    fn new() -> LooksFirst {
        LooksFirst(AtomicUsize::new(0))
    }
    fn enter(&self) -> bool {
        let waiting = self.0.load(RELAXED);
        self.0.fetch_add(1, RELAXED);
        waiting + 1 >= WORKERS
    }
    fn leave(&self) {
        self.0.fetch_sub(1, RELAXED);
    }
}

/// One worker waits; another has waited before, and waits again.
///
/// Outcomes: which of the two that are left help, one bit each. Never none.
const fn entries<C: Count>() -> Model {
    Model {
        group: "last_helper",
        name: "enter, leave, enter against enter",
        threads: 2,
        operations: 4,
        bound: 3,
        outcomes: &[1, 2, 3],
        run: &run_entries::<C>,
    }
}
fn run_entries<C: Count>() -> u64 {
    let count = Arc::new(C::new());
    let once = {
        let count = count.clone();
        thread::spawn(move || count.enter())
    };
    let twice = thread::spawn(move || {
        count.enter();
        count.leave();
        count.enter()
    });
    let helps = [once.join().unwrap(), twice.join().unwrap()];
    assert!(helps.contains(&true), "nobody helps");
    u64::from(helps[0]) + 2 * u64::from(helps[1])
}

#[test]
fn looking_and_raising_must_be_one_step() {
    tells_apart("the count is looked at, then raised", entries::<LooksFirst>(), entries::<LastHelper>());
}

/// Two workers wait, of whom the second or none waits for what may not have been begun.
///
/// Outcomes: who helps, one bit each.
const fn kinds(is_open: bool) -> Model {
    Model {
        group: "last_helper",
        name: if is_open { "an open wait and one for a thief" } else { "two waits for thieves" },
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: if is_open { &[1, 2] } else { &[0] },
        run: if is_open { &|| run_kinds(true) } else { &|| run_kinds(false) },
    }
}
fn run_kinds(is_open: bool) -> u64 {
    let count = Arc::new(LastHelper::new(WORKERS));
    let workers = [false, is_open].map(|is_open| {
        let count = count.clone();
        thread::spawn(move || count.enter(is_open, true))
    });
    let helps = workers.map(|worker| worker.join().unwrap());
    u64::from(helps[0]) + 2 * u64::from(helps[1])
}

#[test]
fn who_waits_for_a_thief_helps_only_if_somebody_needs_it() {
    kinds(true).verify();
    kinds(false).verify();
}

/// The one worker that is always there waits for a thief, and a thread that is lent for what may not have been begun. A seat beside them
/// is empty.
///
/// Outcomes: who helps, one bit each. Never none.
const fn lent(seats_count: bool) -> Model {
    Model {
        group: "last_helper",
        name: "a lent thread's open wait",
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: &[1, 2],
        run: if seats_count { &|| run_lent(3, true) } else { &|| run_lent(1, false) },
    }
}
fn run_lent(counted: usize, lent_is_own: bool) -> u64 {
    let count = Arc::new(LastHelper::new(counted));
    let workers = [(false, true), (true, lent_is_own)].map(|(is_open, is_own)| {
        let count = count.clone();
        thread::spawn(move || count.enter(is_open, is_own))
    });
    let helps = workers.map(|worker| worker.join().unwrap());
    assert!(helps.contains(&true), "nobody helps");
    u64::from(helps[0]) + 2 * u64::from(helps[1])
}

#[test]
fn an_empty_seat_is_not_waited_for() {
    tells_apart("seats are counted whether or not somebody sits there", lent(true), lent(false));
}
