//! The pool's real core, the code of `src/pool/`, on threads of the model.
//!
//! Every model ends by closing the pool and joining its workers, so that a lost wake-up or a count that is not taken back
//! shows as a deadlock.

use crate::model::Model;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vgpu_pool::error::Status;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{WhenFull, Worker};
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

/// A fork whose left side cannot end before its right side has begun, on a pool of two workers, of which the one that
/// does not fork must therefore come and steal. Both sides use what lies on the frame of the fork.
fn fork(worker: &Worker, panics: bool) {
    let begun = Completion::new();
    let frame = Frame(UnsafeCell::new(0));
    let (begun, shared) = (&begun, &frame);
    let joined = catch_unwind(AssertUnwindSafe(|| {
        worker.join(
            |_| {
                begun.wait(None);
                if panics {
                    resume_unwind(Box::new("as asked"));
                }
            },
            |_| {
                // SAFETY: set once.
                unsafe { begun.set(()) }.wake_blocked();
                shared.use_it();
            },
        );
    }));
    assert_eq!(joined.is_err(), panics);
    frame.use_it();
}

/// What lies on a frame. The two sides do not use it at the same time, or loom complains.
struct Frame(UnsafeCell<u32>);

// SAFETY: see above.
unsafe impl Sync for Frame {}

impl Frame {
    fn use_it(&self) {
        // SAFETY: the right side alone while the fork lasts, its caller after; loom checks.
        self.0.with_mut(|uses| unsafe { *uses += 1 });
    }
}

/// The inbox is filled before the workers start, with tasks of which the first that runs forks. So it makes no difference
/// in which shard the pool puts which, which depends on where in memory the model lies.
///
/// Outcomes: worker 0 forks (0), or worker 1 (1).
const FORK: Model = Model {
    group: "pool",
    name: "fork, steal, join",
    threads: 3,
    operations: 7,
    bound: 1,
    outcomes: &[0, 1],
    run: &|| run_fork(false),
};

/// As above, with a left side that panics while the right side runs.
const FORK_PANICS: Model = Model { name: "fork, steal, panic", run: &|| run_fork(true), ..FORK };

fn run_fork(panics: bool) -> u64 {
    let core = new_core(2);
    let (forked, on_second) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for _ in 0..4 {
        let (forked, on_second) = (forked.clone(), on_second.clone());
        let task = move |worker: &Worker| {
            if !forked.swap(true, Ordering::Relaxed) {
                on_second.store(worker.index() == 1, Ordering::Relaxed);
                fork(worker, panics);
            }
            Ok(())
        };
        drop(core.try_submit(task).unwrap());
    }
    let workers = [0, 1].map(|index| spawn_worker(&core, index));
    core.close();
    for worker in workers {
        worker.join().unwrap();
    }
    u64::from(on_second.load(Ordering::Relaxed))
}

#[test]
fn a_fork_is_stolen_and_joined() {
    FORK.verify();
}

#[test]
fn a_frame_that_panics_waits_for_its_thief() {
    FORK_PANICS.verify();
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
