//! Shedding: what a worker moves to the queue for all is taken once, fits there, and is not slept on.

use crate::model::{Model, constant, tells_apart};
use crate::mpmc::AGAINST_SLEEP;
use crate::pool::small;
use crate::run_queue::{number, word};
use loom::thread;
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Balance, Config, WhenFull, Worker};
use vgpu_pool::protocol::run_queue::{Growth, RunQueue};
use vgpu_pool::protocol::sharded::Dealt;
use vgpu_pool::protocol::shedding::ShedQueue;
use vgpu_pool::sync::{AtomicU32, RELAXED, fence, spin_loop};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// No place is reserved: what finds no room is out of one queue, and in none.
    NoReservation,
    /// The sleepers are told before the element is there.
    TellsFirst,
    /// Who looks before a sleep looks at the workers' own queues alone.
    LooksElsewhere,
}

/// A way to shed, with a mistake or the right one.
struct Way {
    mistake: Option<Mistake>,
    right: ShedQueue<u8>,
    /// What the wrong ones move to.
    wrong: Dealt<u8>,
}

impl Way {
    fn new(mistake: Option<Mistake>) -> Way {
        let (right, wrong) = (ShedQueue::new(Allocator::SYSTEM, 1, 2), Dealt::new(Allocator::SYSTEM, 1, 2));
        Way { mistake, right: right.unwrap(), wrong: wrong.unwrap() }
    }

    /// Moves one element. What `tell` does is to come after.
    fn shed(&self, own: &RunQueue<u8>, tell: impl FnOnce() -> u64) -> u64 {
        match self.mistake {
            Some(Mistake::NoReservation) => {
                _ = own.pop(0).map(|element| self.wrong.push(element));
                tell()
            }
            Some(Mistake::TellsFirst) => {
                let element = own.pop(0);
                let told = tell();
                _ = element.map(|element| self.wrong.push(element));
                told
            }
            _ => {
                self.right.shed(own, 0, 1);
                tell()
            }
        }
    }

    fn pop(&self) -> usize {
        self.right.pop().or_else(|| self.wrong.pop()).map_or(0, number)
    }

    fn has_work(&self) -> bool {
        self.mistake != Some(Mistake::LooksElsewhere) && (self.right.has_work() || self.wrong.has_work())
    }
}

fn own(elements: &[usize]) -> RunQueue<u8> {
    let own = RunQueue::new(Allocator::SYSTEM, 2, 2, Growth::Vertical).unwrap();
    elements.iter().for_each(|element| own.push(word(*element)).unwrap());
    own
}

/// A worker sheds its one element; another looks whether it may sleep.
///
/// Outcomes: the first digit says that the sleeper saw work, the second that the shedder saw the sleeper. Never neither: then the sleeper
/// saw an element that was in neither queue, and nobody wakes it.
fn sleeper(name: &str, mistake: Option<Mistake>) -> Model {
    Model {
        group: "shedding",
        name: constant(format!("a sleeper and what is shed{name}")),
        threads: 2,
        operations: 4,
        bound: 3,
        outcomes: &[1, 10, 11],
        run: constant(move || {
            let shared = Arc::new((Way::new(mistake), own(&[1]), AtomicU32::new(0)));
            let shedder = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.0.shed(&shared.1, || {
                        fence(AGAINST_SLEEP);
                        u64::from(shared.2.load(RELAXED))
                    })
                })
            };
            shared.2.store(1, RELAXED);
            fence(AGAINST_SLEEP);
            let sees_work = u64::from(shared.1.has_work() || shared.0.has_work());
            let sees_sleeper = shedder.join().unwrap();
            assert_eq!(shared.0.pop(), 1, "it was moved");
            assert!(sees_work + sees_sleeper != 0, "a sleeper and the work for it have missed each other");
            10 * sees_work + sees_sleeper
        }),
    }
}

/// Two workers shed into a queue with two places, of which one is taken, while a third takes two elements.
///
/// Outcomes: how many it got, at least what was there before. In the end each element was taken once, wherever it lay.
fn full(name: &str, mistake: Option<Mistake>) -> Model {
    Model {
        group: "shedding",
        name: constant(format!("two shed into the last place{name}")),
        threads: 3,
        operations: 4,
        bound: 2,
        outcomes: &[1, 2],
        run: constant(move || {
            let shared = Arc::new((Way::new(mistake), own(&[1, 2]), own(&[3])));
            shared.0.shed(&shared.1, || 0);
            let other = {
                let shared = shared.clone();
                thread::spawn(move || shared.0.shed(&shared.2, || 0))
            };
            let idle = {
                let shared = shared.clone();
                thread::spawn(move || [shared.0.pop(), shared.0.pop()])
            };
            shared.0.shed(&shared.1, || 0);
            other.join().unwrap();
            let taken = idle.join().unwrap();
            let mut all: Vec<_> = taken.into_iter().filter(|element| *element != 0).collect();
            let got = all.len() as u64;
            let left = || [shared.0.pop(), shared.1.pop(0).map_or(0, number), shared.2.pop(0).map_or(0, number)];
            all.extend((0..3).flat_map(|_| left()).filter(|element| *element != 0));
            all.sort_unstable();
            assert_eq!(all, [1, 2, 3], "each comes out once");
            got
        }),
    }
}

/// The pool's real core, and two tasks that lie in one worker's shard and wait for each other's beginning without helping, so that each needs
/// a worker. That worker may shed the second when it has taken the first; the other may be on its way to sleep.
///
/// One outcome: both run.
const WAITED_FOR: Model = Model {
    group: "shedding",
    name: "a task that is shed and waited for",
    threads: 3,
    operations: 5,
    bound: 1,
    outcomes: &[3],
    run: &waited_for,
};
fn waited_for() -> u64 {
    let balance = Balance { shedding: true, ..Balance::default() };
    let core = Arc::new(Core::new(2, &Config { balance, ..small(WhenFull::Error) }).unwrap());
    let (begun, ran) = (Arc::new(AtomicU32::new(0)), Arc::new(std::sync::atomic::AtomicU32::new(0)));
    let submit = |bit: u32| {
        let (begun, ran) = (begun.clone(), ran.clone());
        let task = move |_: &Worker| {
            begun.fetch_or(bit, RELAXED);
            while begun.load(RELAXED) != 3 {
                spin_loop();
            }
            ran.fetch_or(bit, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        };
        core.try_submit(task).unwrap()
    };
    let futures = [submit(1), submit(2)];
    let workers = [0, 1].map(|index| {
        let core = core.clone();
        thread::spawn(move || core.run_worker(index))
    });
    core.close();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    drop(futures);
    ran.load(std::sync::atomic::Ordering::Relaxed).into()
}

#[test]
fn a_task_that_is_shed_wakes_who_runs_it() {
    WAITED_FOR.verify();
}

#[test]
fn what_is_shed_is_not_slept_on() {
    sleeper("", None).verify();
}

#[test]
fn what_is_shed_fits() {
    full("", None).verify();
}

#[test]
fn every_mistake_in_shedding_is_caught() {
    for mistake in [Mistake::NoReservation, Mistake::TellsFirst, Mistake::LooksElsewhere] {
        let model = if mistake == Mistake::NoReservation { full } else { sleeper };
        tells_apart(&format!("{mistake:?}"), model("", Some(mistake)), model("", None));
    }
}
