//! The predecessors of one vertex.

use crate::fork_stack::Place;
use crate::graph_counts::{Count, two_predecessors};
use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::arrivals::{Arrivals, Arrived};

/// Two predecessors, of which one has failed. One is the last, sees what both did, and hears of the failure.
///
/// Outcomes: the first was the last (0), or the second (1).
pub(crate) const LAST: Model = Model { run: &two_predecessors::<Arrivals>, ..crate::graph_counts::LAST };

impl Count for Arrivals {
    fn new(predecessors: u32) -> Arrivals {
        Arrivals::new(predecessors)
    }
    fn arrive(&self, failed: bool, predecessors: u32) -> Arrived {
        Arrivals::arrive(self, failed, predecessors)
    }
}

/// Two runs, one after the other. The last of the first run begins the second, and lets the other go on.
///
/// Outcomes: who was the last in each.
const AGAIN: Model = Model { name: "again", threads: 4, operations: 4, outcomes: &[0, 1, 2, 3], run: &again, ..LAST };
fn again() -> u64 {
    let scene = Arc::new((Arrivals::new(2), [Place::new(), Place::new()]));
    let mut outcome = 0;
    for run in 0..2 {
        let threads = [0, 1].map(|which| {
            let scene = scene.clone();
            thread::spawn(move || {
                let (arrivals, places) = &*scene;
                places[which].write(run);
                let arrived = arrivals.arrive(run == 0, 2);
                if arrived != Arrived::Early {
                    assert_eq!(arrived, Arrived::Last { failed: run == 0 }, "a failure is forgotten with its run");
                    places.iter().for_each(|place| assert_eq!(place.read(), run));
                }
                arrived != Arrived::Early
            })
        });
        let last = threads.map(|thread| thread.join().unwrap());
        assert!(last[0] != last[1], "one is the last");
        outcome = 2 * outcome + u64::from(last[1]);
    }
    outcome
}

#[test]
fn the_last_of_a_round_starts_the_next() {
    crate::graph_counts::ROUND.verify();
}

#[test]
fn the_last_to_arrive_starts_the_vertex() {
    LAST.verify();
}

#[test]
fn a_count_is_as_new_in_the_next_run() {
    AGAIN.verify();
}
