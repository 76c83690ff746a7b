//! The pool's real core, the code of `src/pool/`, on threads of the model.
//!
//! Every model ends by closing the pool and joining its workers, so that a lost wake-up or a count that is not taken back
//! shows as a deadlock.

use crate::model::Model;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Group, WhenFull, Worker};
use vgpu_pool::protocol::completion::Completion;
use vgpu_pool::sync::UnsafeCell;

fn new_core(workers: usize) -> Arc<Core> {
    Arc::new(Core::new(Allocator::SYSTEM, workers, 2, WhenFull::Error).unwrap())
}

fn spawn_worker(core: &Arc<Core>, index: usize) -> thread::JoinHandle<()> {
    let core = core.clone();
    thread::spawn(move || core.run_worker(index))
}

/// A thread from outside submits a task, waits for its value, and ends the pool.
///
/// Outcomes: the value was there at the first look (1), or waited for (0).
const SUBMIT: Model = Model {
    group: "pool",
    name: "submit, get, close",
    threads: 2,
    operations: 4,
    bound: 2,
    outcomes: &[0, 1],
    run: &submit,
};
fn submit() -> u64 {
    let core = new_core(1);
    let worker = spawn_worker(&core, 0);
    let caller = thread::spawn(move || {
        let future = core.try_submit(|_| Ok(7)).unwrap();
        let early = future.is_ready();
        assert_eq!(future.get().unwrap(), 7);
        core.close();
        u64::from(early)
    });
    let early = caller.join().unwrap();
    worker.join().unwrap();
    early
}

#[test]
fn a_task_runs_and_its_pool_ends() {
    SUBMIT.verify();
}

/// A task that panics is done like any other.
///
/// Outcomes: as for a task that does not.
const PANIC: Model = Model { name: "submit, panic, close", run: &panic, ..SUBMIT };
fn panic() -> u64 {
    let core = new_core(1);
    let worker = spawn_worker(&core, 0);
    let caller = thread::spawn(move || {
        // Without the message that a panic prints.
        let future = core.try_submit::<_, ()>(|_| resume_unwind(Box::new("as asked"))).unwrap();
        let early = future.is_ready();
        assert_eq!(future.get().unwrap_err().status(), Status::Panic);
        core.close();
        u64::from(early)
    });
    let early = caller.join().unwrap();
    worker.join().unwrap();
    early
}

#[test]
fn a_task_that_panics_is_done() {
    PANIC.verify();
}

/// As above, by `run`, whose task lies on the caller's own frame.
///
/// One outcome: the value.
const RUN: Model = Model { name: "run, close", outcomes: &[7], run: &run, ..SUBMIT };
fn run() -> u64 {
    let core = new_core(1);
    let worker = spawn_worker(&core, 0);
    let caller = thread::spawn(move || {
        let value = core.run(|_| Ok(7)).unwrap();
        core.close();
        value
    });
    let value = caller.join().unwrap();
    worker.join().unwrap();
    value
}

#[test]
fn a_frame_is_left_alone_when_run_returns() {
    RUN.verify();
}

/// A thread from outside submits while another ends the pool.
///
/// Outcomes: refused (0), or accepted and run (1).
const CLOSE: Model =
    Model { name: "submit against close", threads: 3, operations: 3, outcomes: &[0, 1], run: &close, ..SUBMIT };
fn close() -> u64 {
    let core = new_core(1);
    let ran = Arc::new(AtomicU64::new(0));
    let worker = spawn_worker(&core, 0);
    let submitter = {
        let (core, ran) = (core.clone(), ran.clone());
        thread::spawn(move || match core.try_submit(move |_| Ok(ran.fetch_add(1, Relaxed))) {
            Ok(future) => {
                drop(future);
                1
            }
            Err(error) => {
                assert_eq!(error.status(), Status::Closed);
                0
            }
        })
    };
    let closer = thread::spawn(move || core.close());
    let accepted = submitter.join().unwrap();
    closer.join().unwrap();
    worker.join().unwrap();
    assert_eq!(ran.load(Relaxed), accepted);
    accepted
}

#[test]
fn what_is_accepted_runs_before_the_end() {
    CLOSE.verify();
}

/// The task is cancelled while the worker starts it.
///
/// Outcomes: run (0), or cancelled (1).
const CANCEL: Model = Model { name: "submit, cancel, close", operations: 5, run: &cancel, ..SUBMIT };
fn cancel() -> u64 {
    let core = new_core(1);
    let worker = spawn_worker(&core, 0);
    let caller = thread::spawn(move || {
        let future = core.try_submit(|_| Ok(7)).unwrap();
        let cancelled = future.cancel();
        let outcome = future.get();
        assert_eq!(outcome.as_ref().ok(), (!cancelled).then_some(&7));
        assert!(!cancelled || outcome.unwrap_err().status() == Status::Cancelled);
        core.close();
        u64::from(cancelled)
    });
    let cancelled = caller.join().unwrap();
    worker.join().unwrap();
    cancelled
}

#[test]
fn a_task_is_run_or_cancelled() {
    CANCEL.verify();
}

/// Two tasks of a group, of which one fails, and a thread that waits for both.
///
/// One outcome: the failure comes out, after both have run.
const GROUP: Model = Model { name: "group", operations: 5, outcomes: &[2], run: &group, ..SUBMIT };
fn group() -> u64 {
    let core = new_core(1);
    let worker = spawn_worker(&core, 0);
    let caller = thread::spawn(move || {
        let ran = Arc::new(AtomicU64::new(0));
        let mut group = Group::new(&core).unwrap();
        for fails in [false, true] {
            let ran = ran.clone();
            let task = move |_: &Worker| {
                ran.fetch_add(1, Relaxed);
                if fails { Err(Error::new(Status::TaskFailed, format_args!("as asked"))) } else { Ok(()) }
            };
            group.submit(task).unwrap();
        }
        assert_eq!(group.wait().unwrap_err().status(), Status::TaskFailed);
        drop(group);
        core.close();
        ran.load(Relaxed)
    });
    let ran = caller.join().unwrap();
    worker.join().unwrap();
    ran
}

#[test]
fn a_group_is_done_when_its_tasks_are() {
    GROUP.verify();
}

/// Where a piece of work stops until everybody else had the time to go to sleep, if the checker so chooses.
struct Gate {
    begun: Completion<()>,
    go: Completion<()>,
}

impl Gate {
    /// The work has begun, and goes on when the gate is open.
    fn pass(&self) -> Result<()> {
        // SAFETY: set once.
        unsafe { self.begun.set(()) }.wake_blocked();
        self.go.wait(None);
        Ok(())
    }

    fn open(&self) {
        self.begun.wait(None);
        // SAFETY: set once.
        unsafe { self.go.set(()) }.wake_blocked();
    }
}

/// Runs `first` as the first task of a pool of two workers, opens the gate, and ends the pool. Says which worker it was.
///
/// The inbox is filled before the workers start, with tasks of which the first that runs does so. So it makes no
/// difference in which shard the pool puts which, which depends on where in memory the model lies.
fn on_two_workers(first: fn(&Arc<Core>, &Worker, &Arc<Gate>)) -> u64 {
    let core = new_core(2);
    let gate = Arc::new(Gate { begun: Completion::new(), go: Completion::new() });
    let (begun, on_second) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for _ in 0..4 {
        let (inside, gate) = (core.clone(), gate.clone());
        let (begun, on_second) = (begun.clone(), on_second.clone());
        let task = move |worker: &Worker| {
            if !begun.swap(true, Relaxed) {
                on_second.store(worker.index() == 1, Relaxed);
                first(&inside, worker, &gate);
            }
            Ok(())
        };
        drop(core.try_submit(task).unwrap());
    }
    let workers = [0, 1].map(|index| spawn_worker(&core, index));
    gate.open();
    core.close();
    for worker in workers {
        worker.join().unwrap();
    }
    u64::from(on_second.load(Relaxed))
}

/// What a fork's frame holds. The two sides do not use it at the same time, or loom complains.
struct Frame(UnsafeCell<u32>);

// SAFETY: see above.
unsafe impl Sync for Frame {}

impl Frame {
    fn use_it(&self) {
        // SAFETY: the right side alone while the fork lasts, its caller after; loom checks.
        self.0.with_mut(|uses| unsafe { *uses += 1 });
    }
}

/// A fork whose left side cannot end before its right side has begun, so that the worker which does not fork must come
/// and steal.
fn fork(worker: &Worker, gate: &Gate, panics: bool) {
    let frame = Frame(UnsafeCell::new(0));
    let shared = &frame;
    let joined = catch_unwind(AssertUnwindSafe(|| {
        worker.join(
            |_| {
                gate.begun.wait(None);
                if panics {
                    resume_unwind(Box::new("as asked"));
                }
            },
            |_| {
                gate.pass().unwrap();
                shared.use_it();
            },
        );
    }));
    assert_eq!(joined.is_err(), panics);
    frame.use_it();
}

/// Outcomes: worker 0 forks (0), or worker 1 (1).
const FORK: Model = Model {
    name: "fork, steal, join",
    threads: 3,
    operations: 7,
    bound: 1,
    outcomes: &[0, 1],
    run: &|| on_two_workers(|_, worker, gate| fork(worker, gate, false)),
    ..SUBMIT
};

/// As above, with a left side that panics while the right side runs.
const FORK_PANICS: Model =
    Model { name: "fork, steal, panic", run: &|| on_two_workers(|_, worker, gate| fork(worker, gate, true)), ..FORK };

#[test]
fn a_fork_is_stolen_and_joined() {
    FORK.verify();
}

#[test]
fn a_frame_that_panics_waits_for_its_thief() {
    FORK_PANICS.verify();
}

/// A task waits for another, which the other worker has begun. No thread is interrupted but where it blocks.
///
/// One outcome: worker 0, which then is the first to take a task, waits.
const WAIT_INSIDE: Model = Model {
    name: "task waits for a task",
    operations: 9,
    bound: 0,
    outcomes: &[0],
    run: &|| on_two_workers(wait_inside),
    ..FORK
};
fn wait_inside(core: &Arc<Core>, _worker: &Worker, gate: &Arc<Gate>) {
    let inner = gate.clone();
    let future = core.try_submit(move |_| inner.pass()).unwrap();
    gate.begun.wait(None);
    future.get().unwrap();
}

/// A task waits for a group, whose one task the other worker has begun.
///
/// One outcome: as above.
const GROUP_INSIDE: Model =
    Model { name: "task waits for a group", run: &|| on_two_workers(group_inside), ..WAIT_INSIDE };
fn group_inside(core: &Arc<Core>, _worker: &Worker, gate: &Arc<Gate>) {
    let inner = gate.clone();
    let mut group = Group::new(core).unwrap();
    group.submit(move |_| inner.pass()).unwrap();
    gate.begun.wait(None);
    group.wait().unwrap();
}

#[test]
fn a_task_that_waits_for_a_task_wakes() {
    WAIT_INSIDE.verify();
}

#[test]
fn a_task_that_waits_for_a_group_wakes() {
    GROUP_INSIDE.verify();
}
