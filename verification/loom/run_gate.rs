//! Runs of one graph, and who cancels them.

use crate::fork_stack::Place;
use crate::graph_counts::{Gate, late_cancel};
use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::run_gate::RunGate;

impl Gate for RunGate {
    fn new() -> RunGate {
        RunGate::new()
    }
    fn begin(&self) -> bool {
        RunGate::begin(self, 0)
    }
    fn cancel(&self) -> bool {
        RunGate::cancel(self)
    }
    fn is_cancelled(&self) -> bool {
        RunGate::is_cancelled(self)
    }
    fn end(&self) {
        RunGate::end(self);
    }
}

/// Two threads want to run the graph. What the one leaves behind the other uses.
///
/// Outcomes: one was refused (1), or both ran, one after the other (2).
pub(crate) const TWO: Model =
    Model { group: "run_gate", name: "two runs", threads: 2, operations: 4, bound: 3, outcomes: &[1, 2], run: &two };
fn two() -> u64 {
    let scene = Arc::new((RunGate::new(), Place::new()));
    let threads = [0, 1].map(|_| {
        let scene = scene.clone();
        thread::spawn(move || {
            let (gate, place) = &*scene;
            let begun = gate.begin(0);
            if begun {
                place.write(place.read() + 1);
                gate.end();
            }
            u64::from(begun)
        })
    });
    let ran = threads.map(|thread| thread.join().unwrap()).iter().sum();
    assert_eq!(scene.1.read(), ran);
    ran
}

/// A cancellation while a run ends. The next run is not cancelled, unless the cancellation found it in progress.
///
/// Outcomes: nothing was cancelled (0), or a run that was in progress (1).
const CANCEL: Model = Model { run: &late_cancel::<RunGate>, ..crate::graph_counts::CANCEL };

#[test]
fn one_run_at_a_time_and_each_sees_the_one_before() {
    TWO.verify();
}

#[test]
fn only_a_run_in_progress_is_cancelled() {
    CANCEL.verify();
}
