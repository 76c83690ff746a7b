//! Starting, cancelling and letting go of a task.

use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::task_state::TaskState;
use vgpu_pool::sync::UnsafeCell;

struct Scene {
    state: TaskState,
    /// The task's storage: used by whoever started or cancelled it, and in the end by whoever frees or reuses it.
    storage: UnsafeCell<u32>,
}

// SAFETY: the state says whose turn it is, which is what the models check.
unsafe impl Sync for Scene {}
// SAFETY: as above.
unsafe impl Send for Scene {}

impl Scene {
    fn new() -> Arc<Scene> {
        Arc::new(Scene { state: TaskState::new(2, 0), storage: UnsafeCell::new(0) })
    }

    fn touch(&self) {
        // SAFETY: loom checks that the toucher is alone.
        self.storage.with_mut(|storage| unsafe { *storage += 1 });
    }

    /// Gives up a reference, and frees with the last. Says whether it was.
    fn release(&self) -> bool {
        let released = self.state.release();
        let last = released.is_last();
        if last {
            self.touch();
        } else {
            released.wake_owner();
        }
        last
    }
}

/// A worker starts the task while its handle cancels it; each then gives up its reference.
///
/// Outcomes: tens: started (1) or cancelled (2); ones: freed by the worker (1) or by the handle (2).
pub(crate) const CLAIM: Model = Model {
    group: "task_state",
    name: "claim",
    threads: 2,
    operations: 4,
    bound: 4,
    outcomes: &[11, 12, 21, 22],
    run: &claim,
};
fn claim() -> u64 {
    let scene = Scene::new();
    let sides = [TaskState::start as fn(&TaskState) -> bool, TaskState::cancel].map(|side| {
        let scene = scene.clone();
        thread::spawn(move || {
            let mine = side(&scene.state);
            if mine {
                scene.touch();
            }
            (mine, scene.release())
        })
    });
    let [(started, worker_freed), (cancelled, handle_freed)] = sides.map(|side| side.join().unwrap());
    assert!(started != cancelled, "one of the two, and not both");
    assert!(worker_freed != handle_freed, "freed once");
    u64::from(cancelled) * 10 + 10 + u64::from(handle_freed) + 1
}

/// A worker and a waiter both want to start the task: one does.
///
/// Outcomes: the worker (1) or the waiter (2).
const START: Model = Model {
    group: "task_state",
    name: "start twice",
    threads: 2,
    operations: 2,
    bound: 4,
    outcomes: &[1, 2],
    run: &start,
};
fn start() -> u64 {
    let scene = Scene::new();
    let sides = [0, 1].map(|_| {
        let scene = scene.clone();
        thread::spawn(move || {
            let mine = scene.state.start();
            if mine {
                scene.touch();
            }
            mine
        })
    });
    let [worker, waiter] = sides.map(|side| side.join().unwrap());
    assert!(worker != waiter, "one of the two, and not both");
    u64::from(waiter) + 1
}

/// The owner of the storage waits until the worker has let go, and uses the storage again.
///
/// Outcomes: the owner had to wait (0), or was alone at the first look (1).
pub(crate) const SOLE: Model =
    Model { group: "task_state", name: "sole", threads: 2, operations: 4, bound: 4, outcomes: &[0, 1], run: &sole };
fn sole() -> u64 {
    let scene = Scene::new();
    let worker = {
        let scene = scene.clone();
        thread::spawn(move || {
            assert!(scene.state.start());
            scene.touch();
            assert!(!scene.release(), "the owner's reference is there");
        })
    };
    let owner = {
        let scene = scene.clone();
        thread::spawn(move || {
            let early = scene.state.is_sole();
            scene.state.wait_until_sole();
            scene.touch();
            u64::from(early)
        })
    };
    worker.join().unwrap();
    owner.join().unwrap()
}

/// A handle lifts a task that a worker is about to start: then there are two entries, and whoever takes the second finds the storage as
/// well, though not the task.
///
/// Outcomes: lifted or not, in ones; tens: freed by the worker (1), by the finder of the second entry (2), or by the handle (3).
const LIFT: Model = Model {
    group: "task_state",
    name: "lift",
    threads: 3,
    operations: 6,
    bound: 3,
    outcomes: &[10, 11, 21, 30, 31],
    run: &lift,
};
fn lift() -> u64 {
    let scene = Scene::new();
    let take = |scene: &Scene| {
        let mine = scene.state.start();
        if mine {
            scene.touch();
        }
        (mine, scene.release())
    };
    let worker = {
        let scene = scene.clone();
        thread::spawn(move || take(&scene))
    };
    let handle = {
        let scene = scene.clone();
        thread::spawn(move || {
            let second = scene.state.lift(3).then(|| {
                assert!(!scene.state.lift(3), "it has an entry there");
                let scene = scene.clone();
                thread::spawn(move || take(&scene))
            });
            let freed = scene.release();
            (second.map(|second| second.join().unwrap()), freed)
        })
    };
    let (started, worker_freed) = worker.join().unwrap();
    let (second, handle_freed) = handle.join().unwrap();
    let (started_second, second_freed) = second.unwrap_or_default();
    assert!(started != started_second, "started once");
    let freed = [worker_freed, second_freed, handle_freed];
    assert_eq!(freed.iter().filter(|freed| **freed).count(), 1, "freed once");
    let by = freed.iter().position(|freed| *freed).unwrap() as u64 + 1;
    by * 10 + u64::from(second.is_some())
}

#[test]
fn a_lifted_task_is_started_once_and_freed_once() {
    LIFT.verify();
}

#[test]
fn a_task_is_started_or_cancelled_and_freed_once() {
    CLAIM.verify();
}

#[test]
fn a_task_is_started_once() {
    START.verify();
}

#[test]
fn storage_is_used_again_after_everybody_has_let_go() {
    SOLE.verify();
}
