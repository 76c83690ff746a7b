//! Takers of a limited amount.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::budget::Budget;
use vgpu_pool::sync::{AtomicU64, RELAXED};

/// How taking is done.
trait Take: Send + Sync + 'static {
    fn new(limit: u64) -> Self;
    fn take(&self, amount: u64) -> bool;
    fn give_back(&self, amount: u64);
    fn out(&self) -> u64;
}

impl Take for Budget {
    fn new(limit: u64) -> Budget {
        Budget::new(limit)
    }
    fn take(&self, amount: u64) -> bool {
        Budget::take(self, amount)
    }
    fn give_back(&self, amount: u64) {
        Budget::give_back(self, amount);
    }
    fn out(&self) -> u64 {
        Budget::out(self)
    }
}

/// Looks whether there is room, and then adds.
struct LookThenAdd(u64, AtomicU64);
impl Take for LookThenAdd {
    fn new(limit: u64) -> LookThenAdd {
        LookThenAdd(limit, AtomicU64::new(0))
    }
    fn take(&self, amount: u64) -> bool {
        let fits = self.1.load(RELAXED) + amount <= self.0;
        if fits {
            self.1.fetch_add(amount, RELAXED);
        }
        fits
    }
    fn give_back(&self, amount: u64) {
        self.1.fetch_sub(amount, RELAXED);
    }
    fn out(&self) -> u64 {
        self.1.load(RELAXED)
    }
}

/// Adds, and takes back what was too much.
struct AddThenLook(u64, AtomicU64);
impl Take for AddThenLook {
    fn new(limit: u64) -> AddThenLook {
        AddThenLook(limit, AtomicU64::new(0))
    }
    fn take(&self, amount: u64) -> bool {
        let fits = self.1.fetch_add(amount, RELAXED) + amount <= self.0;
        if !fits {
            self.give_back(amount);
        }
        fits
    }
    fn give_back(&self, amount: u64) {
        self.1.fetch_sub(amount, RELAXED);
    }
    fn out(&self) -> u64 {
        self.1.load(RELAXED)
    }
}

/// Two takers of 2, of which the limit of 3 lets one have it at a time.
///
/// Outcomes: the first got it, the second, or each in turn; never neither.
const fn two_takers<B: Take>() -> Model {
    Model {
        group: "budget",
        name: "two takers, room for one",
        threads: 2,
        operations: 4,
        bound: 3,
        outcomes: &[1, 2, 3],
        run: &run_two_takers::<B>,
    }
}
fn run_two_takers<B: Take>() -> u64 {
    let scene = Arc::new((B::new(3), AtomicU64::new(0)));
    let takers = [1, 2].map(|which| {
        let scene = scene.clone();
        thread::spawn(move || {
            let (budget, held) = &*scene;
            if !budget.take(2) {
                return 0;
            }
            assert!(held.fetch_add(2, RELAXED) + 2 <= 3, "more is out than the limit allows");
            held.fetch_sub(2, RELAXED);
            budget.give_back(2);
            which
        })
    });
    let granted = takers.map(|taker| taker.join().unwrap()).iter().sum();
    assert_eq!(scene.0.out(), 0, "all was given back");
    granted
}

/// One asks for more than the limit, another for as much as it.
///
/// Outcome: the first is refused, the second never.
const fn too_much<B: Take>() -> Model {
    Model {
        group: "budget",
        name: "too much, and just enough",
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: &[1],
        run: &run_too_much::<B>,
    }
}
fn run_too_much<B: Take>() -> u64 {
    let budget = Arc::new(B::new(3));
    let greedy = {
        let budget = budget.clone();
        thread::spawn(move || assert!(!budget.take(4)))
    };
    let granted = u64::from(budget.take(3));
    assert_eq!(granted, 1, "nothing was out");
    greedy.join().unwrap();
    granted
}

#[test]
fn what_is_out_stays_within_the_limit() {
    two_takers::<Budget>().verify();
}

#[test]
fn nobody_is_refused_for_what_another_did_not_get() {
    too_much::<Budget>().verify();
}

#[test]
fn looking_and_adding_must_be_one_step() {
    tells_apart("looks whether there is room, then adds", two_takers::<LookThenAdd>(), two_takers::<Budget>());
}

#[test]
fn what_is_too_much_must_not_be_counted_for_a_moment() {
    tells_apart("adds, and takes back what was too much", too_much::<AddThenLook>(), too_much::<Budget>());
}
