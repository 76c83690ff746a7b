//! Forks under loom: the code of `src/pool/fork_join.rs` and of the private stack, on two workers and a caller.
//!
//! Every model ends by closing the pool and joining its workers, so a job that stays private although somebody waits for
//! it is a deadlock.

use crate::model::Model;
use crate::pool::small;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use vgpu_pool::error::Status;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Config, Group, WaitPolicy, WhenFull, Worker};
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::sync::UnsafeCell;

/// Runs `action` on the calling thread with a pool of so many workers, and ends the pool.
pub(crate) fn with_pool(workers: usize, action: impl FnOnce(&Arc<Core>) -> u64) -> u64 {
    with_policy(WaitPolicy::HelpAny, workers, action)
}

/// As above, with a pool whose workers wait as told.
pub(crate) fn with_policy(policy: WaitPolicy, workers: usize, action: impl FnOnce(&Arc<Core>) -> u64) -> u64 {
    let config = Config { wait_policy: policy, ..small(WhenFull::Block) };
    let core = Arc::new(Core::new(workers, &config).unwrap());
    let threads: Vec<_> = (0..workers)
        .map(|index| {
            let core = core.clone();
            thread::spawn(move || core.run_worker(index))
        })
        .collect();
    let outcome = action(&core);
    core.close();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    outcome
}

/// A place that one thread writes and another reads; loom complains unless something orders the two.
pub(crate) struct Place(UnsafeCell<u64>);

// SAFETY: the models' threads order their accesses by the pool alone, and loom checks that they do.
unsafe impl Sync for Place {}

impl Place {
    pub(crate) fn new() -> Place {
        Place(UnsafeCell::new(0))
    }
    pub(crate) fn write(&self, value: u64) {
        // SAFETY: loom checks that nobody else is here.
        self.0.with_mut(|place| unsafe { *place = value });
    }
    pub(crate) fn read(&self) -> u64 {
        // SAFETY: loom checks that nobody writes.
        self.0.with(|place| unsafe { *place })
    }
}

/// Lets the other threads come as far as they can: past a search, which itself lets others go first once, and into a sleep.
pub(crate) fn dawdle() {
    thread::yield_now();
    thread::yield_now();
}

/// What one half of a fork does: writes its place, and says on which worker.
fn half(place: &Place, worker: &Worker) -> u64 {
    place.write(1);
    worker.index() as u64
}

/// A fork on one of two workers. The second half takes so long that the first worker may fall asleep over it.
///
/// Outcomes: both halves on the worker that forked (1), or the second on the other (2).
const FORK: Model =
    Model { group: "fork_stack", name: "fork", threads: 3, operations: 4, bound: 1, outcomes: &[1, 2], run: &fork };
fn fork() -> u64 {
    with_pool(2, |core| {
        core.run(|worker| {
            let places = [Place::new(), Place::new()];
            let slow = |worker: &Worker| {
                dawdle();
                half(&places[1], worker)
            };
            let (a, b) = worker.join(|worker| half(&places[0], worker), slow);
            assert_eq!(places[0].read() + places[1].read(), 2);
            assert_eq!(a, worker.index() as u64);
            Ok(1 + u64::from(a != b))
        })
        .unwrap()
    })
}

/// The first half of a fork sleeps until the second has run. The deque was empty at the fork, so the job is public before the first
/// half starts, and the other worker gets it, whether it searches, is about to sleep, or sleeps.
const PUBLISHED: Model = Model {
    group: "fork_stack",
    name: "the first half sleeps until the second ran",
    threads: 3,
    operations: 4,
    bound: 1,
    outcomes: &[2],
    run: &published,
};
fn published() -> u64 {
    with_pool(2, |core| {
        core.run(|worker| {
            let ran = Parker::new();
            let (a, b) = worker.join(
                |worker| {
                    ran.park(None);
                    worker.index() as u64
                },
                |worker| {
                    ran.unpark();
                    worker.index() as u64
                },
            );
            Ok(1 + u64::from(a != b))
        })
        .unwrap()
    })
}

/// The first half of an inner fork waits for a task that sleeps until the second half has run, which is private when the wait
/// begins unless the outer job was stolen before. Without promotion before the wait everybody sleeps.
///
/// Outcomes: the task ran on the worker that forked (1) or on the other (2).
const WAIT: Model = Model {
    group: "fork_stack",
    name: "a wait for what a private job does",
    threads: 3,
    operations: 6,
    bound: 1,
    outcomes: &[1, 2],
    run: &wait,
};
fn wait() -> u64 {
    with_pool(2, |core| {
        core.run(|worker| {
            let (ran, place) = (Arc::new((Parker::new(), AtomicU64::new(0))), AtomicU64::new(0));
            let inner = |worker: &Worker| {
                let mut group = Group::new(core).unwrap();
                let ran_there = ran.clone();
                let task = move |worker: &Worker| {
                    ran_there.0.park(None);
                    ran_there.1.store(1 + worker.index() as u64, Relaxed);
                    Ok(())
                };
                group.submit(task).unwrap();
                worker.join(|_| group.wait().unwrap(), |_| ran.0.unpark());
            };
            worker.join(inner, |_| place.store(1, Relaxed));
            assert_eq!(place.load(Relaxed), 1);
            let by = ran.1.load(Relaxed) - 1;
            Ok(1 + u64::from(by != worker.index() as u64))
        })
        .unwrap()
    })
}

/// As in the model before, a wait inside an inner fork runs the inner job, which ends the wait: a thread from outside cancels
/// the task that is waited for. The outer job is still in the deque then, and must be left there for its own frame.
///
/// One outcome: the outer job ran after the inner frame had ended.
const STRANGER: Model =
    Model { name: "a wait that runs the inner job alone", threads: 3, outcomes: &[2], run: &stranger, ..WAIT };
fn stranger() -> u64 {
    with_pool(1, |core| {
        let (go, cancelled) = (Arc::new(Parker::new()), Arc::new(Parker::new()));
        core.run(|worker| {
            let future = Arc::new(core.try_submit(|_| Ok(()))?);
            let canceller = {
                let (go, cancelled, future) = (go.clone(), cancelled.clone(), future.clone());
                thread::spawn(move || {
                    go.park(None);
                    assert!(future.cancel());
                    cancelled.unpark();
                })
            };
            let (inner_ran, outer_ran) = (AtomicU64::new(0), AtomicU64::new(0));
            let inner = |worker: &Worker| {
                // Timed, so that the wait does not run the task itself. Time does not pass.
                let wait = |_: &Worker| drop(future.wait_for(Duration::from_secs(100)));
                let job = |_: &Worker| {
                    go.unpark();
                    cancelled.park(None);
                    inner_ran.fetch_add(1, Relaxed);
                };
                worker.join(wait, job);
                assert_eq!((inner_ran.load(Relaxed), outer_ran.load(Relaxed)), (1, 0));
            };
            worker.join(inner, |_| outer_ran.fetch_add(1, Relaxed));
            canceller.join().unwrap();
            Ok(inner_ran.load(Relaxed) + outer_ran.load(Relaxed))
        })
        .unwrap()
    })
}

/// The first half of a fork panics while the second is public, stolen or running.
///
/// Outcomes: the second half was dropped (1), or run (2), before the panic came out.
const PANIC: Model = Model {
    group: "fork_stack",
    name: "a panic in the first half",
    threads: 3,
    operations: 4,
    bound: 1,
    outcomes: &[1, 2],
    run: &panic,
};
fn panic() -> u64 {
    with_pool(2, |core| {
        let (dropped, ran) = (Arc::new(()), Place::new());
        let held = dropped.clone();
        let outcome = core.run(|worker| {
            let (ran, held) = (&ran, held);
            worker.join(
                |_| std::panic::resume_unwind(Box::new("as asked")),
                move |_| {
                    dawdle();
                    ran.write(1);
                    drop(held);
                },
            );
            Ok(())
        });
        assert_eq!(outcome.err().map(|error| error.status()), Some(Status::Panic));
        assert_eq!(Arc::strong_count(&dropped), 1, "run or dropped, the closure is gone");
        1 + ran.read()
    })
}

/// A scope on one of two workers. What a spawned closure spawns is waited for wherever that runs, and everything is seen
/// when the scope ends.
///
/// Outcomes: a digit for each closure, whether it ran on the worker that opened the scope (0) or on the other (1). For both to
/// change sides, the other worker must be slow.
const SCOPE: Model = Model {
    group: "fork_stack",
    name: "scope",
    threads: 3,
    operations: 4,
    bound: 1,
    outcomes: &[0, 1, 11],
    run: &|| scope(|| ()),
};
const SLOW_SCOPE: Model =
    Model { name: "scope whose first closure is slow", outcomes: &[1, 10], run: &|| scope(dawdle), ..SCOPE };
fn scope(pause: fn()) -> u64 {
    with_pool(2, |core| {
        let places = [Place::new(), Place::new()];
        let owner = core
            .scope(|worker, scope| {
                let places = &places;
                scope.spawn(move |worker, scope| {
                    scope.spawn(|worker, _| places[1].write(worker.index() as u64));
                    pause();
                    places[0].write(worker.index() as u64);
                });
                Ok(worker.index() as u64)
            })
            .unwrap();
        places.iter().fold(0, |digits, place| 10 * digits + u64::from(place.read() != owner))
    })
}

/// Both the body of a scope and what it spawned panic. The block is given back, and the scope ends when both are done.
///
/// Outcomes: the spawned closure ran on the worker that opened the scope (1), or on the other (2).
const SCOPE_PANIC: Model = Model { name: "panics in a scope", outcomes: &[1, 2], run: &scope_panic, ..SCOPE };
fn scope_panic() -> u64 {
    with_pool(2, |core| {
        let (owner, ran) = (Place::new(), Place::new());
        let outcome = core.scope(|worker, scope| -> vgpu_pool::error::Result<()> {
            owner.write(worker.index() as u64);
            scope.spawn(|worker, _| {
                dawdle();
                ran.write(worker.index() as u64);
                std::panic::resume_unwind(Box::new("as asked"));
            });
            std::panic::resume_unwind(Box::new("as asked"));
        });
        assert_eq!(outcome.err().map(|error| error.status()), Some(Status::Panic));
        1 + u64::from(ran.read() != owner.read())
    })
}

#[test]
fn a_scope_ends_when_all_that_was_spawned_is_done() {
    SCOPE.verify();
    SLOW_SCOPE.verify();
}

#[test]
fn a_panic_in_a_scope_leaves_nothing_running() {
    SCOPE_PANIC.verify();
}

#[test]
fn both_halves_of_a_fork_are_done_and_seen() {
    FORK.verify();
}

#[test]
fn a_fork_publishes_its_job_before_it_goes_on() {
    PUBLISHED.verify();
}

#[test]
fn a_wait_publishes_all_private_jobs() {
    WAIT.verify();
}

/// The second half of a fork forks in turn, on its thief, and its own first half sleeps until the other ran. Only the worker
/// that forked first is left to run that one: it waits, and must steal it from the thief.
const LEAPFROG: Model = Model { name: "a wait that steals from the thief", bound: 0, run: &leapfrog, ..PUBLISHED };
fn leapfrog() -> u64 {
    with_policy(WaitPolicy::HelpOwn, 2, |core| {
        core.run(|worker| {
            let second = |worker: &Worker| {
                let ran = Parker::new();
                worker.join(|_| ran.park(None), |_| ran.unpark());
                worker.index()
            };
            let ((), by) = worker.join(|_| dawdle(), second);
            Ok(1 + u64::from(by != worker.index()))
        })
        .unwrap()
    })
}

#[test]
fn a_wait_steals_from_the_thief() {
    LEAPFROG.verify();
}

#[test]
fn a_frame_takes_no_job_but_its_own() {
    STRANGER.verify();
}

#[test]
fn a_panic_leaves_no_half_running() {
    PANIC.verify();
}
