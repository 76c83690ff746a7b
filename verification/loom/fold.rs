//! Loops that combine values, under loom: the code of `src/pool/fold.rs` on two workers and a caller.
//!
//! Each loop runs inside a fork whose second half keeps the deque from being empty, or does not, if it was stolen: so the
//! loop begins with its rest private, or in halves. Each index writes a place of its own, which loom forbids to two threads that nothing
//! orders: an index that is run twice, or a range that is written to after it was published, is a data race.

use crate::fork_stack::{Place, dawdle, with_pool};
use crate::model::Model;
use vgpu_pool::pool::Worker;

/// A loop of three in the first half of a fork. The place of its middle index takes long.
///
/// Outcomes: a bit for each index that another worker ran.
const BESIDE: Model = Model {
    group: "fold",
    name: "a loop beside a fork",
    threads: 3,
    operations: 5,
    bound: 1,
    outcomes: &[0, 4],
    run: &beside,
};
fn beside() -> u64 {
    looped(
        |_| {},
        |i| {
            if i == 1 {
                dawdle()
            }
        },
    )
}

/// The same with an index that forks. If the second half of the outer fork is gone by then, that publishes the loop's rest.
const FORKING: Model =
    Model { name: "a loop that forks", outcomes: &[0, 4, 6], run: &|| looped(fork, |_| {}), ..BESIDE };
fn fork(worker: &Worker) {
    worker.join(|_| dawdle(), |_| {});
}

/// The same, and the second half of the outer fork is stolen before: so the rest is published, and the other worker takes it.
const PUBLISHED: Model =
    Model { name: "a fork publishes the rest of a loop", outcomes: &[6], run: &|| looped(late_fork, |_| {}), ..BESIDE };
fn late_fork(worker: &Worker) {
    dawdle();
    fork(worker);
}

/// `first` is what index 0 does on the worker that it is called on, and `each` what every index does.
fn looped(first: impl Fn(&Worker) + Sync, each: impl Fn(usize) + Sync) -> u64 {
    with_pool(2, |core| {
        core.run(|worker| {
            let places = [Place::new(), Place::new(), Place::new()];
            let owner = worker.index();
            let map = |worker: &Worker, i: usize| {
                if i == 0 {
                    first(worker);
                }
                each(i);
                places[i].write(1);
                u64::from(worker.index() != owner) << i
            };
            let (elsewhere, ()) = worker.join(|worker| worker.fold(0..3, map, |a, b| a | b), |_| dawdle());
            assert_eq!(places.iter().map(Place::read).sum::<u64>(), 3);
            Ok(elsewhere.unwrap())
        })
        .unwrap()
    })
}

/// An index panics while the rest of its loop is private, public or stolen: the panic comes out, and nobody runs on in the loop's frame.
///
/// Outcomes: how many of the other indices were run: none, or all, by the thief of the rest.
const PANIC: Model =
    Model { name: "a panic in a loop that forks", outcomes: &[0, 2], run: &|| panicking(fork), ..BESIDE };
const PANIC_BESIDE_THIEF: Model =
    Model { name: "a panic in a loop whose rest is stolen", outcomes: &[2], run: &|| panicking(late_fork), ..BESIDE };
fn panicking(first: fn(&Worker)) -> u64 {
    with_pool(2, |core| {
        core.run(|worker| {
            let places = [Place::new(), Place::new(), Place::new()];
            let looped = |worker: &Worker| {
                let map = |worker: &Worker, i: usize| {
                    if i == 0 {
                        first(worker);
                        std::panic::resume_unwind(Box::new("index 0"));
                    }
                    places[i].write(1);
                };
                let caught =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.fold(0..3, map, |(), ()| ())));
                assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"index 0"));
                places.iter().map(Place::read).sum()
            };
            Ok(worker.join(looped, |_| dawdle()).0)
        })
        .unwrap()
    })
}

#[test]
fn every_index_of_a_loop_is_run_once() {
    BESIDE.verify();
}

#[test]
fn a_fork_in_a_loop_publishes_its_rest() {
    FORKING.verify();
    PUBLISHED.verify();
}

#[test]
fn a_panic_in_a_loop_leaves_nobody_running() {
    PANIC.verify();
    PANIC_BESIDE_THIEF.verify();
}
