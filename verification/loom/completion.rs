//! One setter, and waiters, helpers and callbacks around it.

use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::completion::{Callback, Completion, Registered};
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::sync::UnsafeCell;

const OUTCOME: u32 = 7;

struct Scene {
    completion: Completion<u32>,
    sleep: EventCount,
    /// What the registrar leaves for its callback; the callback adds to it.
    note: UnsafeCell<u32>,
    calls: Count,
}

// SAFETY: the note is written by the registrar before it registers, and by the one callback after.
unsafe impl Sync for Scene {}
// SAFETY: as above.
unsafe impl Send for Scene {}

impl Scene {
    fn new() -> Arc<Scene> {
        Arc::new(Scene {
            completion: Completion::new(),
            sleep: EventCount::new(Allocator::SYSTEM, 1).unwrap(),
            note: UnsafeCell::new(0),
            calls: Count::new(0),
        })
    }

    /// What the pool does when a task is done.
    fn set(&self) {
        // SAFETY: once.
        let wakeups = unsafe { self.completion.set(OUTCOME) };
        wakeups.wake_blocked();
        if let Some(address) = wakeups.helpers() {
            self.sleep.notify_waiters(address);
        }
        if wakeups.has_callback() {
            // SAFETY: announced, and the scene outlives the call.
            let callback = unsafe { self.completion.take_callback() }.expect("announced");
            // SAFETY: as above.
            unsafe { (callback.call)(callback.data) };
        }
    }

    fn spawn_setter(self: &Arc<Self>) -> thread::JoinHandle<()> {
        let scene = self.clone();
        thread::spawn(move || scene.set())
    }

    fn outcome(&self) -> u32 {
        // SAFETY: only asked when the completion is done.
        unsafe { self.completion.peek(|outcome| *outcome) }
    }

    unsafe fn called(data: *mut ()) {
        // SAFETY: the data is the scene, which outlives the call.
        let scene = unsafe { &*data.cast::<Scene>() };
        // SAFETY: the registrar is done with the note, and there is one callback; loom checks both.
        scene.note.with_mut(|note| unsafe { *note += 1 });
        assert_eq!(scene.outcome(), OUTCOME);
        assert_eq!(scene.calls.fetch_add(1, Ordering::Relaxed), 0, "called twice");
    }
}

/// A thread waits while another sets.
///
/// Outcomes: the outcome was there at the first look (1), or waited for (0).
pub(crate) const WAIT: Model =
    Model { group: "completion", name: "wait", threads: 2, operations: 3, bound: 4, outcomes: &[0, 1], run: &wait };
fn wait() -> u64 {
    let scene = Scene::new();
    let setter = scene.spawn_setter();
    let waiter = {
        let scene = scene.clone();
        thread::spawn(move || {
            let early = scene.completion.is_done();
            assert!(scene.completion.wait(None));
            assert_eq!(scene.outcome(), OUTCOME);
            u64::from(early)
        })
    };
    setter.join().unwrap();
    waiter.join().unwrap()
}

/// A callback is registered while another thread sets; a second one is refused whenever it comes.
///
/// Outcomes: the setter made the call (1), or the registrar because it came too late (2).
pub(crate) const CALLBACK: Model = Model {
    group: "completion",
    name: "callback",
    threads: 2,
    operations: 3,
    bound: 4,
    outcomes: &[1, 2],
    run: &callback,
};
fn callback() -> u64 {
    let scene = Scene::new();
    let setter = scene.spawn_setter();
    let registrar = {
        let scene = scene.clone();
        thread::spawn(move || {
            // SAFETY: not registered yet.
            scene.note.with_mut(|note| unsafe { *note = 1 });
            let callback = Callback { call: Scene::called, data: Arc::as_ptr(&scene).cast_mut().cast() };
            // SAFETY: the scene outlives the call.
            let registered = unsafe { scene.completion.register_callback(callback) };
            // SAFETY: as above.
            assert_eq!(unsafe { scene.completion.register_callback(callback) }, Registered::Occupied);
            match registered {
                Registered::Left => 1,
                Registered::TooLate => {
                    // SAFETY: too late for the setter, so ours to call.
                    unsafe { (callback.call)(callback.data) };
                    2
                }
                Registered::Occupied => unreachable!(),
            }
        })
    };
    setter.join().unwrap();
    let outcome = registrar.join().unwrap();
    assert_eq!(scene.calls.load(Ordering::Relaxed), 1, "not called");
    outcome
}

/// A worker waits in the event count. Nothing else would wake it.
///
/// Outcomes: it found the outcome before it slept (1), or slept (0).
const HELPER: Model =
    Model { group: "completion", name: "helper", threads: 2, operations: 2, bound: 4, outcomes: &[0, 1], run: &helper };
fn helper() -> u64 {
    let scene = Scene::new();
    let setter = scene.spawn_setter();
    let worker = {
        let scene = scene.clone();
        thread::spawn(move || {
            let mut early = 1;
            while !scene.completion.is_done() {
                scene.sleep.wait_on(0, scene.completion.address());
                let registered = scene.completion.register_helper();
                scene.sleep.announce(0, false);
                if registered {
                    early = 0;
                    scene.sleep.park(0, None);
                }
                scene.sleep.withdraw(0);
                scene.sleep.wait_on(0, 0);
                scene.sleep.end_search(0, || false);
                if !registered {
                    break;
                }
            }
            assert_eq!(scene.outcome(), OUTCOME);
            early
        })
    };
    setter.join().unwrap();
    worker.join().unwrap()
}

#[test]
fn a_waiter_wakes_and_sees_the_outcome() {
    WAIT.verify();
}

#[test]
fn a_callback_is_called_once() {
    CALLBACK.verify();
}

#[test]
fn a_helper_wakes_and_sees_the_outcome() {
    HELPER.verify();
}
