//! Finishers and waiters around one count.

use crate::model::Model;
use crate::worker_loop::{Awaited, Found, Host, work};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::countdown::{Countdown, Refused};
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::sync::UnsafeCell;

struct Scene {
    countdown: Countdown,
    sleep: EventCount,
    /// What each finisher did before it finished.
    work: [UnsafeCell<u32>; 2],
    /// Whether the count was raised for the second time. loom does not see it.
    second: AtomicU64,
}

// SAFETY: each piece of work is written by its finisher before it finishes, and read after zero was seen.
unsafe impl Sync for Scene {}
// SAFETY: as above.
unsafe impl Send for Scene {}

impl Scene {
    fn new(count: u32) -> Arc<Scene> {
        let countdown = Countdown::new();
        if count > 0 {
            countdown.add(count, false).unwrap();
        }
        Arc::new(Scene {
            countdown,
            sleep: EventCount::new(Allocator::SYSTEM, 1).unwrap(),
            work: [UnsafeCell::new(0), UnsafeCell::new(0)],
            second: AtomicU64::new(0),
        })
    }

    fn do_work(&self, which: usize) {
        // SAFETY: only this finisher, before it finishes.
        self.work[which].with_mut(|work| unsafe { *work += 1 });
    }

    /// Works and finishes; says whether it was the last.
    fn finish(&self, which: usize) -> bool {
        self.do_work(which);
        let finished = self.countdown.finish(1);
        finished.wake_blocked();
        if let Some(address) = finished.helpers() {
            self.sleep.notify_waiters(address);
        }
        finished.is_last()
    }

    fn check(&self, which: usize) {
        // SAFETY: after zero was seen; loom checks.
        assert_eq!(self.work[which].with(|work| unsafe { *work }), 1);
    }

    fn spawn_finisher(self: &Arc<Self>, which: usize) -> thread::JoinHandle<bool> {
        let scene = self.clone();
        thread::spawn(move || {
            let last = scene.finish(which);
            if last {
                // A vertex of a graph starts here: it needs the work of all.
                scene.check(0);
            }
            last
        })
    }
}

/// Two finishers and a waiter. The last finisher, and the waiter, see the work of both.
///
/// Outcomes: finisher 0 was the last (0), or finisher 1 (1).
pub(crate) const WAIT: Model =
    Model { group: "countdown", name: "wait", threads: 3, operations: 3, bound: 3, outcomes: &[0, 1], run: &wait };
fn wait() -> u64 {
    let scene = Scene::new(2);
    let finishers = [scene.spawn_finisher(0), scene.spawn_finisher(1)];
    let waiter = {
        let scene = scene.clone();
        thread::spawn(move || {
            assert!(scene.countdown.wait(None));
            scene.check(0);
            scene.check(1);
        })
    };
    waiter.join().unwrap();
    let last = finishers.map(|finisher| finisher.join().unwrap());
    assert!(last[0] != last[1], "one is the last");
    u64::from(last[1])
}

/// A worker waits in the event count. Nothing else would wake it.
///
/// Outcomes: it found zero before it slept (1), or slept (0).
pub(crate) const HELPER: Model =
    Model { group: "countdown", name: "helper", threads: 2, operations: 2, bound: 4, outcomes: &[0, 1], run: &helper };
fn helper() -> u64 {
    let scene = Scene::new(1);
    let finisher = scene.spawn_finisher(0);
    let worker = {
        let scene = scene.clone();
        thread::spawn(move || {
            let mut early = 1;
            loop {
                scene.sleep.wait_on(0, scene.countdown.address());
                let registered = scene.countdown.register_helper();
                scene.sleep.announce(0, false);
                if registered {
                    early = 0;
                    scene.sleep.park(0, None);
                }
                scene.sleep.withdraw(0);
                scene.sleep.wait_on(0, 0);
                scene.sleep.end_search(0, || false);
                if !registered || scene.countdown.is_zero() {
                    break;
                }
            }
            scene.check(0);
            early
        })
    };
    finisher.join().unwrap();
    worker.join().unwrap()
}

/// The count reaches zero and is raised again while a waiter is on its way to sleep, and a second waiter comes. Nobody
/// sleeps for good, although the addition clears the flags.
///
/// One outcome: it is enough that nobody stays asleep, which loom would report.
const REUSE: Model =
    Model { group: "countdown", name: "reuse", threads: 3, operations: 5, bound: 2, outcomes: &[0], run: &reuse };
fn reuse() -> u64 {
    let scene = Scene::new(1);
    let user = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.finish(0);
            scene.countdown.add(1, false).unwrap();
            scene.finish(1);
        })
    };
    let waiters = [0, 1].map(|_| {
        let scene = scene.clone();
        thread::spawn(move || {
            assert!(scene.countdown.wait(None));
            scene.check(0);
        })
    });
    user.join().unwrap();
    for waiter in waiters {
        waiter.join().unwrap();
    }
    0
}

impl Awaited for Countdown {
    fn is_done(&self) -> bool {
        self.is_zero()
    }
    fn register_helper(&self) -> bool {
        Countdown::register_helper(self)
    }
    fn address(&self) -> Option<usize> {
        Some(Countdown::address(self))
    }
}

/// A pool in which there is never anything to do.
impl Host for Scene {
    type Sleep = EventCount;
    type Job = ();
    fn sleep(&self) -> &EventCount {
        &self.sleep
    }
    fn take(&self, _worker: usize) -> Option<()> {
        None
    }
    fn has_work(&self) -> bool {
        false
    }
    fn run(&self, _worker: usize, _job: (), _found: Found) -> bool {
        unreachable!("there are no jobs")
    }
}

/// The count reaches zero and is raised again while a worker is on its way to sleep in the event count. The addition clears
/// the flag that the worker has raised, so a worker that raised it at zero must not sleep.
///
/// Outcomes: the worker is back after the first zero (1), or after the second (2).
const HELPER_REUSE: Model = Model {
    group: "countdown",
    name: "helper, reuse",
    threads: 2,
    operations: 4,
    bound: 3,
    outcomes: &[1, 2],
    run: &helper_reuse,
};
fn helper_reuse() -> u64 {
    let scene = Scene::new(1);
    let user = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.finish(0);
            scene.countdown.add(1, false).unwrap();
            scene.second.store(1, Ordering::Relaxed);
            scene.finish(1);
        })
    };
    let worker = {
        let scene = scene.clone();
        thread::spawn(move || {
            assert!(work(&*scene, 0, &scene.countdown));
            scene.check(0);
            1 + scene.second.load(Ordering::Relaxed)
        })
    };
    user.join().unwrap();
    worker.join().unwrap()
}

/// An addition from outside against closing: what was accepted is waited for, and nothing is accepted after.
///
/// Outcomes: refused (0), or accepted (1).
const CLOSE: Model =
    Model { group: "countdown", name: "close", threads: 2, operations: 6, bound: 4, outcomes: &[0, 1], run: &close };
fn close() -> u64 {
    let scene = Scene::new(0);
    let outside = {
        let scene = scene.clone();
        thread::spawn(move || match scene.countdown.add(1, false) {
            Ok(()) => {
                // Inside, a closed count may still be raised.
                scene.countdown.add(1, true).unwrap();
                scene.finish(0);
                scene.finish(1);
                1
            }
            Err(refused) => {
                assert_eq!(refused, Refused::Closed);
                0
            }
        })
    };
    let closer = {
        let scene = scene.clone();
        thread::spawn(move || {
            assert!(scene.countdown.close());
            assert!(scene.countdown.wait(None));
            // Whatever was accepted is done: touching what it touched is no race.
            for work in &scene.work {
                // SAFETY: as said; loom checks.
                work.with_mut(|work| unsafe { *work += 10 });
            }
        })
    };
    closer.join().unwrap();
    outside.join().unwrap()
}

#[test]
fn the_waiter_and_the_last_finisher_see_all_work() {
    WAIT.verify();
}

#[test]
fn a_helper_wakes_and_sees_the_work() {
    HELPER.verify();
}

#[test]
fn a_count_can_be_used_again() {
    REUSE.verify();
}

#[test]
fn a_count_with_a_helper_can_be_used_again() {
    HELPER_REUSE.verify();
}

#[test]
fn what_is_accepted_comes_before_the_closing() {
    CLOSE.verify();
}
