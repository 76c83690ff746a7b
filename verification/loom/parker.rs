//! One sleeper, and permits that come before, during and after it goes to sleep.

use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::sync::{AtomicU32, RELAXED, UnsafeCell};

/// A parker and two messages, each written by one unparker before its permit.
struct Scene {
    parker: Parker,
    messages: [UnsafeCell<u32>; 2],
    sent: [AtomicU32; 2],
}

// SAFETY: each message is written by one thread before its flag, and read by the sleeper after it.
unsafe impl Sync for Scene {}
// SAFETY: as above.
unsafe impl Send for Scene {}

impl Scene {
    fn new() -> Arc<Scene> {
        Arc::new(Scene {
            parker: Parker::new(),
            messages: [UnsafeCell::new(0), UnsafeCell::new(0)],
            sent: [AtomicU32::new(0), AtomicU32::new(0)],
        })
    }

    /// Writes a message, says so in a relaxed flag, and gives the permit: the permit alone orders the message.
    fn send(&self, which: usize) {
        // SAFETY: only this thread writes this message, and nobody reads it before the flag.
        self.messages[which].with_mut(|message| unsafe { *message = 1 });
        self.sent[which].store(1, RELAXED);
        self.parker.unpark();
    }

    fn has(&self, which: usize) -> bool {
        self.sent[which].load(RELAXED) == 1
    }

    fn read(&self, which: usize) -> u32 {
        // SAFETY: the flag was seen, and loom says whether the permit ordered the message before.
        self.messages[which].with(|message| unsafe { *message })
    }
}

/// Permits come at any moment around the sleep.
///
/// Outcomes: the number of parks until both flags are seen. None, when they are seen before the first; one, when the two
/// permits became one, or the second flag was seen without its permit; two, and never more, for there are two permits.
const PERMITS: Model = Model {
    group: "parker",
    name: "permits",
    threads: 2,
    operations: 4,
    bound: 4,
    outcomes: &[0, 1, 2],
    run: &permits,
};
fn permits() -> u64 {
    let scene = Scene::new();
    let sleeper = {
        let scene = scene.clone();
        thread::spawn(move || {
            let mut parks = 0;
            while !scene.has(0) || !scene.has(1) {
                scene.parker.park(None);
                parks += 1;
            }
            parks
        })
    };
    let unparker = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.send(0);
            scene.send(1);
        })
    };
    unparker.join().unwrap();
    sleeper.join().unwrap()
}

/// What was written before the permit is seen by the one that took it, with no look at any flag.
///
/// One outcome: the message is there.
pub(crate) const MESSAGE: Model =
    Model { group: "parker", name: "message", threads: 2, operations: 2, bound: 4, outcomes: &[1], run: &message };
fn message() -> u64 {
    let scene = Scene::new();
    let sleeper = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.parker.park(None);
            scene.read(0) as u64
        })
    };
    let unparker = thread::spawn(move || scene.send(0));
    unparker.join().unwrap();
    sleeper.join().unwrap()
}

/// Two unparkers: the sleeper parks, and parks again until it has seen both flags.
///
/// Outcomes: tens: the number of parks, of which there are no more than permits; ones: whether both flags were seen right
/// after the first. Then there is no second (11); otherwise there is (20), or the second flag came meanwhile (10).
const TWO_UNPARKERS: Model = Model {
    group: "parker",
    name: "two unparkers",
    threads: 3,
    operations: 4,
    bound: 3,
    outcomes: &[10, 11, 20],
    run: &two_unparkers,
};
fn two_unparkers() -> u64 {
    let scene = Scene::new();
    let sleeper = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.parker.park(None);
            let both = scene.has(0) && scene.has(1);
            let mut parks = 1;
            while !(scene.has(0) && scene.has(1)) {
                scene.parker.park(None);
                parks += 1;
            }
            parks * 10 + u64::from(both)
        })
    };
    let unparkers: Vec<_> = (0..2)
        .map(|which| {
            let scene = scene.clone();
            thread::spawn(move || scene.send(which))
        })
        .collect();
    for unparker in unparkers {
        unparker.join().unwrap();
    }
    let outcome = sleeper.join().unwrap();
    assert_eq!(scene.read(0) + scene.read(1), 2);
    outcome
}

#[test]
fn permits_before_during_and_after() {
    PERMITS.verify();
}

#[test]
fn a_permit_carries_what_was_done_before_it() {
    MESSAGE.verify();
}

#[test]
fn two_permits_may_become_one_but_none_is_lost() {
    TWO_UNPARKERS.verify();
}
