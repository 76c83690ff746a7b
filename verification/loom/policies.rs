//! Priorities and places, on the pool's real core: nothing that is queued beside the usual way is slept on, and nothing that is
//! queued twice is run, or freed, twice.

use crate::fork_stack::{Place, dawdle, with_pool};
use crate::model::Model;
use crate::pool::small;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::parallel::for_range_static_on;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::inbox::FAIR_TURN;
use vgpu_pool::pool::{Balance, Binding, Config, Priority, TaskOptions, WhenFull, Worker};
use vgpu_pool::protocol::parker::Parker;

fn bound_to(worker: usize) -> TaskOptions<'static> {
    TaskOptions { binding: Binding::Worker(worker), ..TaskOptions::default() }
}

/// An urgent task comes to a pool that knew only usual ones, and whose worker may sleep.
///
/// One outcome: it runs.
const NEW_LANE: Model = Model {
    group: "lanes",
    name: "the first task of a priority",
    threads: 2,
    operations: 3,
    bound: 3,
    outcomes: &[7],
    run: &new_lane,
};
fn new_lane() -> u64 {
    with_pool(1, |core| {
        dawdle();
        core.submit_with(&TaskOptions::of(Priority::High), |_| Ok(7)).unwrap().get().unwrap()
    })
}

#[test]
fn the_first_task_of_a_priority_is_found() {
    NEW_LANE.verify();
}

/// Two threads bring an urgent task each; the second may see that the first has opened the lane.
///
/// One outcome: both run.
const TWO_OPENERS: Model = Model {
    name: "two first tasks of a priority",
    threads: 3,
    operations: 4,
    bound: 0,
    outcomes: &[3],
    run: &two_openers,
    ..NEW_LANE
};
fn two_openers() -> u64 {
    with_pool(1, |core| {
        let other = core.clone();
        let other = thread::spawn(move || {
            other.submit_with(&TaskOptions::of(Priority::High), |_| Ok(1)).unwrap().get().unwrap()
        });
        let mine = core.submit_with(&TaskOptions::of(Priority::High), |_| Ok(2)).unwrap().get().unwrap();
        mine + other.join().unwrap()
    })
}

#[test]
fn who_sees_a_lane_open_need_not_open_it() {
    TWO_OPENERS.verify();
}

/// An urgent task submits its own successor as long as a task of low priority waits. Were that one never looked at, this would not end.
///
/// One outcome: it was not passed over more often than is stated.
const FAIR: Model = Model {
    name: "an urgent lane that is never empty",
    operations: 9,
    bound: 1,
    outcomes: &[1],
    run: &fair,
    ..NEW_LANE
};
fn fair() -> u64 {
    fn urgent(core: &Arc<Core>, passed: &Arc<AtomicU64>, low_ran: &Arc<AtomicU64>) {
        let (inside, passed, low_ran) = (core.clone(), passed.clone(), low_ran.clone());
        let task = move |_: &Worker| {
            if low_ran.load(Relaxed) == 0 {
                passed.fetch_add(1, Relaxed);
                urgent(&inside, &passed, &low_ran);
            }
            Ok(())
        };
        drop(core.submit_with(&TaskOptions::of(Priority::Max), task).unwrap());
    }
    with_pool(1, |core| {
        let (passed, low_ran) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (inside, all) = (core.clone(), passed.clone());
        let begin = move |_: &Worker| {
            let low = low_ran.clone();
            let task = move |_: &Worker| Ok(low.swap(1, Relaxed));
            let low = inside.submit_with(&TaskOptions::of(Priority::Low), task)?;
            urgent(&inside, &passed, &low_ran);
            Ok(low)
        };
        // Three lanes are in use, and there is one shard.
        core.try_submit(begin).unwrap().get().unwrap().get().unwrap();
        u64::from(all.load(Relaxed) <= u64::from(FAIR_TURN) * 3)
    })
}

#[test]
fn a_low_task_is_not_passed_over_for_ever() {
    FAIR.verify();
}

/// A task bound to one of two workers, of whom the other may search and this one sleep.
///
/// One outcome: it runs where it is bound.
const BOUND: Model =
    Model { group: "places", name: "a bound task", threads: 3, operations: 3, bound: 1, outcomes: &[1], run: &bound };
fn bound() -> u64 {
    with_pool(2, |core| {
        dawdle();
        core.submit_with(&bound_to(1), |worker| Ok(worker.index() as u64)).unwrap().get().unwrap()
    })
}

#[test]
fn a_bound_task_wakes_its_worker_whoever_searches() {
    BOUND.verify();
}

/// A bound task forks, and its jobs stay where it is.
///
/// One outcome: both halves ran there.
const BOUND_FORK: Model =
    Model { name: "the fork of a bound task", operations: 4, outcomes: &[3], run: &bound_fork, ..BOUND };
fn bound_fork() -> u64 {
    with_pool(2, |core| {
        let fork = |worker: &Worker| {
            let (a, b) = worker.join(|worker| worker.index() as u64, |worker| worker.index() as u64);
            Ok(a + 2 * b)
        };
        core.submit_with(&bound_to(1), fork).unwrap().get().unwrap()
    })
}

#[test]
fn the_jobs_of_a_bound_task_are_bound() {
    BOUND_FORK.verify();
}

/// A pool whose workers take nothing from each other: a task waits for the worker it was dealt to, which may sleep while the other
/// searches.
///
/// One outcome: the worker of the submitter's shard ran it.
const HELD_BACK: Model = Model { name: "a task that nobody may steal", outcomes: &[0], run: &held_back, ..BOUND };
fn held_back() -> u64 {
    let balance = Balance { stealing: false, ..Balance::default() };
    let core = Arc::new(Core::new(2, &Config { balance, ..small(WhenFull::Block) }).unwrap());
    let workers = [0, 1].map(|index| {
        let core = core.clone();
        thread::spawn(move || core.run_worker(index))
    });
    dawdle();
    let ran = core.try_submit(|worker| Ok(worker.index() as u64)).unwrap().get().unwrap();
    core.close();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    ran
}

#[test]
fn a_task_that_nobody_may_steal_wakes_its_worker() {
    HELD_BACK.verify();
}

/// Two workers on nodes of their own, who leave each other what is less than two.
fn with_far_pool(action: impl FnOnce(&Arc<Core>) -> u64) -> u64 {
    let balance = Balance { min_remote_length: 2, ..Balance::default() };
    let core = Arc::new(Core::new_apart(2, &Config { balance, ..small(WhenFull::Block) }).unwrap());
    let workers = [0, 1].map(|index| {
        let core = core.clone();
        thread::spawn(move || core.run_worker(index))
    });
    let outcome = action(&core);
    core.close();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    outcome
}

/// One half of a fork stands still until the other half has run, which lies alone in its worker's deque: were that left alone for good, both
/// workers would stand for ever.
///
/// One outcome without preemptions: worker 0 stood, and worker 1 came for the other half.
const FAR: Model =
    Model { name: "a lonely job on another node", operations: 3, bound: 0, outcomes: &[2], run: &far, ..BOUND };
fn far() -> u64 {
    with_far_pool(|core| {
        core.run(|worker| {
            let ran = Parker::new();
            let stand = |worker: &Worker| {
                ran.park(None);
                worker.index() as u64
            };
            let run = |worker: &Worker| {
                ran.unpark();
                worker.index() as u64
            };
            let (stood, came) = worker.join(stand, run);
            Ok(stood + 2 * came)
        })
        .unwrap()
    })
}

#[test]
fn a_lonely_job_on_another_node_is_come_to() {
    FAR.verify();
}

/// A task on worker 0 queues another one and stands still until that has run, and worker 1 has something to do all the time, so that it never
/// looks in vain.
///
/// One outcome: the one on the other node was not passed over more often than is stated.
const FAR_AND_BUSY: Model = Model {
    name: "a short queue on another node, and no lack of work",
    operations: 9,
    bound: 0,
    outcomes: &[1],
    run: &far_and_busy,
    ..FAR
};
fn far_and_busy() -> u64 {
    /// Submits its own successor until the other one has run.
    fn busy(core: &Arc<Core>, to: &TaskOptions<'_>, passed: &Arc<AtomicU64>, ran: &Arc<AtomicU64>) {
        let (inside, passed, ran) = (core.clone(), passed.clone(), ran.clone());
        let task = move |_: &Worker| {
            if ran.load(Relaxed) == 0 {
                passed.fetch_add(1, Relaxed);
                busy(&inside, &TaskOptions::default(), &passed, &ran);
            }
            Ok(())
        };
        drop(core.submit_with(to, task).unwrap());
    }
    with_far_pool(|core| {
        let (passed, ran) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (inside, counted) = (core.clone(), passed.clone());
        let stand = move |_: &Worker| {
            let parker = Arc::new(Parker::new());
            let (theirs, has_run) = (parker.clone(), ran.clone());
            let other = inside.try_submit(move |_| {
                has_run.store(1, Relaxed);
                theirs.unpark();
                Ok(())
            })?;
            busy(&inside, &bound_to(1), &counted, &ran);
            parker.park(None);
            other.get()
        };
        core.submit_with(&bound_to(0), stand).unwrap().get().unwrap();
        // One lane is in use, and there are two shards and the place of bound tasks.
        u64::from(passed.load(Relaxed) <= u64::from(FAIR_TURN) * 3)
    })
}

#[test]
fn a_short_queue_on_another_node_is_not_passed_over_for_ever() {
    FAR_AND_BUSY.verify();
}

/// An urgent task waits for one of low priority that is bound to the other worker, and so lifts it: it lies in two lanes then, and is run
/// from one of them. Memory that is not given back, or twice, fails the execution.
///
/// One outcome: the value.
const LIFTED: Model =
    Model { name: "a task that is lifted", operations: 6, outcomes: &[5], run: &lifted, bound: 0, ..BOUND };
fn lifted() -> u64 {
    with_pool(2, |core| {
        let inside = core.clone();
        let urgent = TaskOptions { priority: Priority::Max, ..bound_to(0) };
        let task = move |_: &Worker| {
            let low = TaskOptions { priority: Priority::Low, ..bound_to(1) };
            inside.submit_with(&low, |_| Ok(5))?.get()
        };
        core.submit_with(&urgent, task).unwrap().get().unwrap()
    })
}

#[test]
fn a_lifted_task_runs_once_and_is_freed_once() {
    LIFTED.verify();
}

/// A loop on two workers, each of which has an index of its own, and comes to it in time.
///
/// One outcome, of twice the worker of the second index and that of the first: each ran its own.
const STATIC_LOOP: Model = Model {
    name: "a loop of bound chunks",
    operations: 4,
    bound: 0,
    outcomes: &[2],
    run: &static_loop::<true>,
    ..BOUND
};
fn static_loop<const IN_TIME: bool>() -> u64 {
    with_pool(2, |core| {
        let ran_by = [Place::new(), Place::new()];
        core.run(|worker| {
            for_range_static_on(worker, 0..2, 0, |worker, piece| {
                if IN_TIME {
                    // Long enough for the other to come, and to be waited for.
                    dawdle();
                }
                ran_by[piece.start].write(1 + worker.index() as u64);
                Ok(())
            })
        })
        .unwrap();
        let [first, second] = ran_by.map(|place| place.read());
        assert!(first != 0 && second != 0, "each index was run");
        first - 1 + 2 * (second - 1)
    })
}

#[test]
fn a_loop_waits_for_the_chunks_that_were_begun() {
    STATIC_LOOP.verify();
}

/// The same with indices so short that the worker which calls is done before the other comes, and takes its index back. One preemption
/// more takes a hundred times as long, and finds that the second may call, and that the other may come in time.
///
/// One outcome: the first worker called, and ran both.
const TAKEN_BACK: Model =
    Model { name: "a loop whose other worker is late", outcomes: &[0], run: &static_loop::<false>, ..STATIC_LOOP };

#[test]
fn a_loop_waits_for_no_chunk_that_nobody_has_begun() {
    TAKEN_BACK.pass();
}
