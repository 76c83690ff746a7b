//! The pool's real core, the code of `src/pool/`, on threads of the model.
//!
//! Every model ends by closing the pool and joining its workers, so that a lost wake-up or a count that is not taken back
//! shows as a deadlock.

use crate::fork_stack::{dawdle, with_policy, with_pool};
use crate::model::Model;
use loom::thread;
use std::alloc::Layout;
use std::ffi::c_void;
use std::panic::resume_unwind;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Config, Group, WaitPolicy, WhenFull, Worker};
use vgpu_pool::protocol::completion::Completion;

/// The checker's own memory. An execution fails at whose end some of it was not given back.
pub(crate) fn watched_memory() -> Allocator {
    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }
    unsafe extern "C-unwind" fn allocate(_: *mut c_void, size: usize, align: usize) -> *mut c_void {
        // SAFETY: the pool asks for no empty blocks.
        unsafe { loom::alloc::alloc(layout(size, align)) }.cast()
    }
    unsafe extern "C-unwind" fn free(_: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
        // SAFETY: from `allocate`, with the same size and alignment.
        unsafe { loom::alloc::dealloc(memory.cast(), layout(size, align)) }
    }
    // SAFETY: any thread of a model may call them, and they unwind only when the checker has found something.
    unsafe { Allocator::from_host(allocate, free, ptr::null_mut()) }
}

/// The settings of a pool with room for two tasks.
pub(crate) fn small(when_full: WhenFull) -> Config<'static> {
    Config { inbox_capacity: 2, when_full, allocator: watched_memory(), ..Config::default() }
}

fn new_core(workers: usize) -> Arc<Core> {
    Arc::new(Core::new(workers, &small(WhenFull::Error)).unwrap())
}

fn spawn_worker(core: &Arc<Core>, index: usize) -> thread::JoinHandle<()> {
    let core = core.clone();
    thread::spawn(move || core.run_worker(index))
}

/// A pool of one worker, which `action` uses on a thread of its own and which then ends. The pool's memory goes last.
fn with_caller(action: impl FnOnce(&Core) -> u64 + Send + 'static) -> u64 {
    let core = new_core(1);
    let worker = spawn_worker(&core, 0);
    let inside = core.clone();
    let caller = thread::spawn(move || {
        let outcome = action(&inside);
        inside.close();
        outcome
    });
    let outcome = caller.join().unwrap();
    worker.join().unwrap();
    drop(core);
    outcome
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
    with_caller(|core| {
        let future = core.try_submit(|_| Ok(7)).unwrap();
        let early = future.is_ready();
        assert_eq!(future.get().unwrap(), 7);
        u64::from(early)
    })
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
    with_caller(|core| {
        // Without the message that a panic prints.
        let future = core.try_submit::<_, ()>(|_| resume_unwind(Box::new("as asked"))).unwrap();
        let early = future.is_ready();
        assert_eq!(future.get().unwrap_err().status(), Status::Panic);
        u64::from(early)
    })
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
    with_caller(|core| core.run(|_| Ok(7)).unwrap())
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
    let closing = core.clone();
    let closer = thread::spawn(move || closing.close());
    let accepted = submitter.join().unwrap();
    closer.join().unwrap();
    worker.join().unwrap();
    drop(core);
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
    with_caller(|core| {
        let future = core.try_submit(|_| Ok(7)).unwrap();
        let cancelled = future.cancel();
        let outcome = future.get();
        assert_eq!(outcome.as_ref().ok(), (!cancelled).then_some(&7));
        assert!(!cancelled || outcome.unwrap_err().status() == Status::Cancelled);
        u64::from(cancelled)
    })
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
    with_caller(|core| {
        let ran = Arc::new(AtomicU64::new(0));
        let mut group = Group::new(core).unwrap();
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
        ran.load(Relaxed)
    })
}

#[test]
fn a_group_is_done_when_its_tasks_are() {
    GROUP.verify();
}

/// A batch of tasks, which the worker may count off together, and a thread that waits for them. The inbox holds two, so the third
/// is refused.
///
/// One outcome: two were submitted, and have run.
const BATCH: Model = Model { name: "batch", operations: 5, outcomes: &[2], run: &batch, ..SUBMIT };
fn batch() -> u64 {
    with_caller(|core| {
        let ran = Arc::new(AtomicU64::new(0));
        let mut group = Group::new(core).unwrap();
        let tasks = (0..3).map(|_| {
            let ran = ran.clone();
            move |_: &Worker| {
                ran.fetch_add(1, Relaxed);
                Ok(())
            }
        });
        let submitted = match group.submit_batch(tasks) {
            Ok(()) => 3,
            Err((submitted, error)) => {
                assert_eq!(error.status(), Status::QueueFull);
                submitted as u64
            }
        };
        group.wait().unwrap();
        assert_eq!(ran.load(Relaxed), submitted, "what was submitted has run when the group is done");
        assert_eq!(Arc::strong_count(&ran), 1, "and nothing is left of the others");
        submitted
    })
}

#[test]
fn a_batch_is_done_when_its_tasks_are() {
    BATCH.verify();
}

/// A task that has nothing to do but to begin.
fn begin(begun: &Completion<()>) -> Result<()> {
    // SAFETY: each is set once.
    unsafe { begun.set(()) }.wake_blocked();
    Ok(())
}

/// Two tasks from outside, the first of which cannot end before the second has begun, so that both workers must come. One
/// that searches keeps the submitter from waking the other, and must do so itself when it has found the first task.
///
/// Outcomes: worker 0 runs the first (0), or worker 1 (1).
const TWO_TASKS: Model = Model {
    name: "two tasks at once",
    threads: 3,
    operations: 5,
    bound: 1,
    outcomes: &[0, 1],
    run: &two_tasks,
    ..SUBMIT
};
fn two_tasks() -> u64 {
    with_pool(2, |core| {
        // Time for the workers to search and to go to sleep.
        thread::yield_now();
        let begun = Arc::new(Completion::new());
        let second = begun.clone();
        let first = core
            .try_submit(move |worker| {
                begun.wait(None);
                Ok(worker.index() as u64)
            })
            .unwrap();
        drop(core.try_submit(move |_| begin(&second)).unwrap());
        first.get().unwrap()
    })
}

#[test]
fn a_searcher_that_finds_one_of_two_tasks_wakes_another_for_the_other() {
    TWO_TASKS.verify();
}

/// A task cannot end before another has begun, which it has submitted to its worker's own shard.
///
/// Outcomes: as above.
const CHILD: Model = Model { name: "task waits for its child to begin", run: &child, ..TWO_TASKS };
fn child() -> u64 {
    with_pool(2, |core| {
        let inside = core.clone();
        let task = move |worker: &Worker| {
            let begun = Arc::new(Completion::new());
            let child = begun.clone();
            drop(inside.try_submit(move |_| begin(&child))?);
            begun.wait(None);
            Ok(worker.index() as u64)
        };
        core.try_submit(task).unwrap().get().unwrap()
    })
}

#[test]
fn a_child_is_found_in_any_shard() {
    CHILD.verify();
}

/// A task that waits for something which the other worker has begun, and which takes so long that it may fall asleep
/// over it. Says which worker waits.
fn waits(wait: fn(&Arc<Core>, Arc<Completion<()>>)) -> u64 {
    with_pool(2, |core| {
        let inside = core.clone();
        let task = move |worker: &Worker| {
            wait(&inside, Arc::new(Completion::new()));
            Ok(worker.index() as u64)
        };
        core.try_submit(task).unwrap().get().unwrap()
    })
}

/// What is waited for.
fn long(begun: &Completion<()>) -> Result<()> {
    begin(begun)?;
    dawdle();
    Ok(())
}

/// A task waits for another, which the other worker has begun.
///
/// Outcomes: worker 0 waits (0), or worker 1 (1).
const WAIT_INSIDE: Model =
    Model { name: "task waits for a task", bound: 0, outcomes: &[0], run: &|| waits(wait_inside), ..TWO_TASKS };
fn wait_inside(core: &Arc<Core>, begun: Arc<Completion<()>>) {
    let inner = begun.clone();
    let future = core.try_submit(move |_| long(&inner)).unwrap();
    begun.wait(None);
    future.get().unwrap();
}

/// A task waits for a group, whose one task the other worker has begun.
///
/// Outcomes: as above.
const GROUP_INSIDE: Model = Model { name: "task waits for a group", run: &|| waits(group_inside), ..WAIT_INSIDE };
fn group_inside(core: &Arc<Core>, begun: Arc<Completion<()>>) {
    let inner = begun.clone();
    let mut group = Group::new(core).unwrap();
    group.submit(move |_| long(&inner)).unwrap();
    begun.wait(None);
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

/// Two tasks on two workers, each of which submits one more and waits for it without helping. The last to wait must help, or
/// nobody runs them.
///
/// One outcome: all have run.
const BLOCKED: Model =
    Model { name: "both workers wait and neither wants to help", bound: 0, outcomes: &[2], run: &blocked, ..TWO_TASKS };
fn blocked() -> u64 {
    with_policy(WaitPolicy::Block, 2, |core| {
        let parent = || {
            let inside = core.clone();
            let task = move |_: &Worker| {
                let mut group = Group::new(&inside)?;
                group.submit(|_| Ok(()))?;
                group.wait()?;
                Ok(1)
            };
            core.try_submit(task).unwrap()
        };
        let parents = [parent(), parent()];
        parents.into_iter().map(|parent| parent.get().unwrap()).sum()
    })
}

#[test]
fn when_all_workers_wait_one_helps() {
    BLOCKED.verify();
}
