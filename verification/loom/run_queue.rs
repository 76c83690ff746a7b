//! A run queue that grows while it is used: nothing is lost or taken twice, whoever finds a ring finds it made, and no sleeper misses
//! what lies in a new one.
//!
//! The queues here begin with two places. Their rings are those of [`crate::queue`]'s models.

use crate::model::{Model, constant, tells_apart};
use crate::mpmc::AGAINST_SLEEP;
use crate::wrong_run_queue::{Mistake, WrongRunQueue};
use loom::thread;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::run_queue::{Growth, RunQueue};
use vgpu_pool::sync::{AtomicU32, RELAXED, fence};

/// A queue of numbers that may grow.
pub trait Grows: Send + Sync + 'static {
    fn push(&self, element: usize);
    /// 0 if nothing is found.
    fn pop(&self) -> usize;
    fn has_work(&self) -> bool;
}

pub fn word(element: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(element)).unwrap()
}

pub fn number(word: NonNull<u8>) -> usize {
    word.as_ptr().addr()
}

impl Grows for RunQueue<u8> {
    fn push(&self, element: usize) {
        assert!(RunQueue::push(self, word(element)).is_ok(), "there is room for all");
    }
    fn pop(&self) -> usize {
        RunQueue::pop(self, 0).map_or(0, number)
    }
    fn has_work(&self) -> bool {
        RunQueue::has_work(self)
    }
}

fn real(growth: Growth) -> RunQueue<u8> {
    RunQueue::new(Allocator::SYSTEM, 2, 4, growth).unwrap()
}

/// What one thread finds when the others are done.
fn rest(queue: &impl Grows) -> Vec<usize> {
    let mut found = vec![];
    while queue.has_work() {
        found.push(queue.pop());
        assert_ne!(found.last(), Some(&0), "one thread finds what there is");
    }
    found
}

/// Three are pushed while another thread takes two.
///
/// Outcomes: what it took, 0 for nothing. The third lies in a ring of its own, where it is found by a look that came too early to the other one: 3 before
/// anything, after nothing, or after 1.
fn growing<Q: Grows>(name: &str, ordered: bool, make: impl Fn() -> Q + Send + Sync + 'static) -> Model {
    Model {
        group: "run_queue",
        name: constant(format!("three into two, {name}")),
        threads: 2,
        operations: 5,
        bound: 3,
        outcomes: &[0, 1, 3, 10, 12, 13, 31],
        run: constant(move || {
            let queue = Arc::new(make());
            let consumer = {
                let queue = queue.clone();
                thread::spawn(move || [queue.pop(), queue.pop()])
            };
            (1..=3).for_each(|element| queue.push(element));
            let taken = consumer.join().unwrap();
            let rest = rest(&*queue);
            assert!(!ordered || rest.is_sorted(), "{rest:?} is left, in this order");
            let mut all: Vec<_> = taken.iter().copied().filter(|element| *element != 0).chain(rest).collect();
            all.sort_unstable();
            assert_eq!(all, [1, 2, 3], "each comes out once");
            (10 * taken[0] + taken[1]) as u64
        }),
    }
}

/// Two threads find the queue full, both.
///
/// One outcome: all four elements are there.
fn two_growers<Q: Grows>(name: &str, make: impl Fn() -> Q + Send + Sync + 'static) -> Model {
    Model {
        group: "run_queue",
        name: constant(format!("two that grow, {name}")),
        threads: 2,
        operations: 2,
        bound: 3,
        outcomes: &[4],
        run: constant(move || {
            let queue = Arc::new(make());
            (1..=2).for_each(|element| queue.push(element));
            let other = {
                let queue = queue.clone();
                thread::spawn(move || queue.push(3))
            };
            queue.push(4);
            other.join().unwrap();
            let mut all = rest(&*queue);
            all.sort_unstable();
            assert_eq!(all, [1, 2, 3, 4], "each comes out once");
            all.len() as u64
        }),
    }
}

/// The queue is full; one thread pushes, and then looks whether the other sleeps; that one takes what was there, announces its sleep, and
/// looks once more.
///
/// Outcomes: the first digit says that the sleeper saw work, the second that the producer saw the sleeper. Never neither.
fn sleeper<Q: Grows>(name: &str, make: impl Fn() -> Q + Send + Sync + 'static) -> Model {
    Model {
        group: "run_queue",
        name: constant(format!("a sleeper and a new ring, {name}")),
        threads: 2,
        operations: 4,
        bound: 3,
        outcomes: &[1, 10, 11],
        run: constant(move || {
            let shared = Arc::new((make(), AtomicU32::new(0)));
            (1..=2).for_each(|element| shared.0.push(element));
            let producer = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.0.push(3);
                    fence(AGAINST_SLEEP);
                    u64::from(shared.1.load(RELAXED))
                })
            };
            let taken = [shared.0.pop(), shared.0.pop()];
            shared.1.store(1, RELAXED);
            fence(AGAINST_SLEEP);
            let sees_work = u64::from(shared.0.has_work());
            let sees_sleeper = producer.join().unwrap();
            let left = taken.iter().chain(&rest(&shared.0)).filter(|element| **element != 0).count();
            assert_eq!(left, 3, "each comes out once");
            assert!(
                sees_work + sees_sleeper != 0 || taken.contains(&3),
                "a sleeper and the work for it have missed each other"
            );
            10 * sees_work + sees_sleeper
        }),
    }
}

/// The model that shows whether a ring is made before it is found.
pub fn new_ring() -> Model {
    growing("vertically", true, || real(Growth::Vertical))
}

#[test]
fn a_queue_that_grows_vertically_loses_nothing() {
    new_ring().verify();
    two_growers("vertically", || real(Growth::Vertical)).verify();
    sleeper("vertically", || real(Growth::Vertical)).verify();
}

#[test]
fn a_queue_that_grows_horizontally_loses_nothing() {
    growing("horizontally", false, || real(Growth::Horizontal)).verify();
    two_growers("horizontally", || real(Growth::Horizontal)).verify();
    sleeper("horizontally", || real(Growth::Horizontal)).verify();
}

fn catcher(mistake: Mistake, makes: bool) -> Model {
    let make = move || WrongRunQueue::new(makes.then_some(mistake));
    match mistake {
        Mistake::GrowsByStore | Mistake::PushesFirst => two_growers("by hand", make),
        Mistake::LeavesOldRings | Mistake::NewestFirst => growing("by hand", true, make),
        Mistake::LooksAtFirst => sleeper("by hand", make),
    }
}

#[test]
fn every_mistake_in_growing_is_caught() {
    for &mistake in Mistake::ALL {
        let twin = catcher(mistake, false).of("of wrong_run_queue.rs, without a mistake");
        tells_apart(&format!("{mistake:?}"), catcher(mistake, true), twin);
    }
}
