//! Takers of the indices of a loop.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::shares::Shares;
use vgpu_pool::sync::{AtomicU64, AtomicUsize, RELAXED};

/// How taking is done, of `count` indices by two takers.
trait Take: Send + Sync + 'static {
    fn new(count: usize) -> Self;
    fn take(&self, taker: usize) -> Option<usize>;
}

impl Take for Shares {
    fn new(count: usize) -> Shares {
        Shares::new(count, 2)
    }
    fn take(&self, taker: usize) -> Option<usize> {
        Shares::take(self, taker)
    }
}

/// Looks which index is next, and takes it in a second step.
struct LookThenTake(usize, AtomicUsize);
impl Take for LookThenTake {
    fn new(count: usize) -> LookThenTake {
        LookThenTake(count, AtomicUsize::new(0))
    }
    fn take(&self, _: usize) -> Option<usize> {
        let next = self.1.load(RELAXED);
        (next < self.0).then(|| {
            self.1.store(next + 1, RELAXED);
            next
        })
    }
}

/// Shares of which each is for its taker alone.
struct OwnAlone([AtomicUsize; 2], usize);
impl Take for OwnAlone {
    fn new(count: usize) -> OwnAlone {
        OwnAlone([0, 1].map(|_| AtomicUsize::new(0)), count / 2)
    }
    fn take(&self, taker: usize) -> Option<usize> {
        let index = self.0[taker].fetch_add(1, RELAXED);
        (index < self.1).then_some(taker * self.1 + index)
    }
}

/// A taker that is given the indices, and one that may come when it is too late: when the first is refused, all are taken.
///
/// Outcomes: how many of the four the second took.
const fn one_may_be_late<T: Take>() -> Model {
    Model {
        group: "shares",
        name: "four indices, one may be late",
        threads: 2,
        operations: 6,
        bound: 4,
        outcomes: &[0, 1, 2, 3, 4],
        run: &run_one_may_be_late::<T>,
    }
}
fn run_one_may_be_late<T: Take>() -> u64 {
    let scene = Arc::new((T::new(4), AtomicU64::new(0)));
    let work = |scene: &(T, AtomicU64), taker: usize| {
        let mut count = 0;
        while let Some(index) = scene.0.take(taker) {
            let before = scene.1.fetch_add(1 << (8 * index), RELAXED);
            assert_eq!(before >> (8 * index) & 0xff, 0, "an index was taken twice");
            count += 1;
        }
        count
    };
    let second = {
        let scene = scene.clone();
        thread::spawn(move || work(&scene, 1))
    };
    let first = work(&scene, 0);
    assert!(scene.0.take(0).is_none(), "nobody who was refused gets one later");
    let second = second.join().unwrap();
    assert_eq!(scene.1.load(RELAXED), 0x0101_0101, "an index was left behind");
    assert_eq!(first + second, 4);
    second
}

/// The second comes when the first was refused: there is nothing left for it, and nothing was left behind.
///
/// One outcome: it got none.
const fn one_is_late<T: Take>() -> Model {
    Model {
        group: "shares",
        name: "four indices, one is late",
        threads: 2,
        operations: 6,
        bound: 3,
        outcomes: &[0],
        run: &run_one_is_late::<T>,
    }
}
fn run_one_is_late<T: Take>() -> u64 {
    let shares = Arc::new(T::new(4));
    let mut taken = 0;
    while shares.take(0).is_some() {
        taken += 1;
    }
    assert_eq!(taken, 4, "who was refused left indices behind");
    let late = shares.clone();
    thread::spawn(move || u64::from(late.take(1).is_some())).join().unwrap()
}

#[test]
fn each_index_is_taken_once() {
    one_may_be_late::<Shares>().verify();
}

#[test]
fn who_is_refused_leaves_nothing_behind() {
    one_is_late::<Shares>().verify();
}

#[test]
fn which_index_it_is_must_be_found_and_taken_in_one_step() {
    tells_apart(
        "looks which is next, and takes it afterwards",
        one_may_be_late::<LookThenTake>(),
        one_may_be_late::<Shares>(),
    );
}

#[test]
fn a_share_must_not_be_for_its_taker_alone() {
    tells_apart("takes of its own share only", one_is_late::<OwnAlone>(), one_is_late::<Shares>());
}
