//! Starting against cancelling, with a flag for each.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::task_state::TaskState;
use vgpu_pool::sync::{AtomicU32, Site};

const ACQUIRE: Site = Site::new("zoo.ACQUIRE", Ordering::Acquire, "as strong as a flag can be looked at");
const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "as strong as a flag can be set");

trait Claim: Send + Sync + 'static {
    fn new() -> Self;
    fn start(&self) -> bool;
    fn cancel(&self) -> bool;
}

impl Claim for TaskState {
    fn new() -> TaskState {
        TaskState::new(1, 0)
    }
    fn start(&self) -> bool {
        TaskState::start(self)
    }
    fn cancel(&self) -> bool {
        TaskState::cancel(self)
    }
}

/// Each side looks at the other's flag, then sets its own.
struct TwoFlags {
    started: AtomicU32,
    cancelled: AtomicU32,
}

impl Claim for TwoFlags {
    fn new() -> TwoFlags {
        TwoFlags { started: AtomicU32::new(0), cancelled: AtomicU32::new(0) }
    }
    fn start(&self) -> bool {
        self.cancelled.load(ACQUIRE) == 0 && self.started.swap(1, ACQ_REL) == 0
    }
    fn cancel(&self) -> bool {
        self.started.load(ACQUIRE) == 0 && self.cancelled.swap(1, ACQ_REL) == 0
    }
}

/// A worker, a waiter that would run the task itself, and a canceller: one of them gets it.
///
/// Outcomes: each of the three may be first.
const fn one_claim<C: Claim>() -> Model {
    Model {
        group: "task_state",
        name: "start, start, cancel",
        threads: 3,
        operations: 3,
        bound: 3,
        outcomes: &[1, 2, 4],
        run: &run_one_claim::<C>,
    }
}
fn run_one_claim<C: Claim>() -> u64 {
    let state = Arc::new(C::new());
    let claims: [fn(&C) -> bool; 3] = [C::start, C::start, C::cancel];
    let threads = [0, 1, 2].map(|number| {
        let state = state.clone();
        thread::spawn(move || u64::from(claims[number](&state)) << number)
    });
    let winners: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(winners.count_ones(), 1, "one claim succeeds");
    winners
}

#[test]
fn a_task_must_not_be_run_and_cancelled() {
    tells_apart("started and cancelled are two flags", one_claim::<TwoFlags>(), one_claim::<TaskState>());
}
