//! Counts that are closed, or used again, in the wrong way.

use crate::model::{Model, tells_apart};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::countdown::Countdown;
use vgpu_pool::sync::{AtomicU32, RELAXED, Site, UnsafeCell, futex_wait, futex_wake};

const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "what was counted is visible to the waiter");
const ACQUIRE: Site = Site::new("zoo.ACQUIRE", Ordering::Acquire, "as above");

const BLOCKED: u32 = 1;
const ONE: u32 = 2;

trait Count: Send + Sync + 'static {
    fn new(count: u32) -> Self;
    fn add(&self) -> bool;
    fn finish(&self);
    fn close(&self);
    fn wait(&self);
}

impl Count for Countdown {
    fn new(count: u32) -> Countdown {
        let countdown = Countdown::new();
        if count > 0 {
            countdown.add(count, false).unwrap();
        }
        countdown
    }
    fn add(&self) -> bool {
        Countdown::add(self, 1, false).is_ok()
    }
    fn finish(&self) {
        Countdown::finish(self, 1).wake_blocked();
    }
    fn close(&self) {
        Countdown::close(self);
    }
    fn wait(&self) {
        assert!(Countdown::wait(self, None));
    }
}

/// A count with one of two mistakes: `closed` in a word of its own, or flags cleared in a step of their own.
struct Wrong<const CLOSED_ELSEWHERE: bool, const CLEARS_APART: bool> {
    word: AtomicU32,
    closed: AtomicU32,
}

impl<const CLOSED_ELSEWHERE: bool, const CLEARS_APART: bool> Count for Wrong<CLOSED_ELSEWHERE, CLEARS_APART> {
    fn new(count: u32) -> Self {
        Wrong { word: AtomicU32::new(count * ONE), closed: AtomicU32::new(0) }
    }
    fn add(&self) -> bool {
        if CLOSED_ELSEWHERE && self.closed.fetch_add(0, ACQ_REL) != 0 {
            return false;
        }
        let before = self.word.fetch_add(ONE, ACQ_REL);
        if CLEARS_APART && before / ONE == 0 {
            self.word.fetch_and(!BLOCKED, RELAXED);
        }
        true
    }
    fn finish(&self) {
        let before = self.word.fetch_sub(ONE, ACQ_REL);
        if before / ONE == 1 && before & BLOCKED != 0 {
            futex_wake(&self.word, u32::MAX);
        }
    }
    fn close(&self) {
        self.closed.fetch_add(1, ACQ_REL);
    }
    fn wait(&self) {
        loop {
            let word = self.word.load(ACQUIRE);
            if word / ONE == 0 {
                return;
            }
            if word & BLOCKED != 0 || self.word.compare_exchange(word, word | BLOCKED, RELAXED).is_ok() {
                futex_wait(&self.word, word | BLOCKED, None);
            }
        }
    }
}

struct Scene<C> {
    count: C,
    work: UnsafeCell<u32>,
}

// SAFETY: the work is the adder's until it has finished, and the closer's after it has seen zero; loom checks.
unsafe impl<C: Sync> Sync for Scene<C> {}
// SAFETY: as above.
unsafe impl<C: Send> Send for Scene<C> {}

/// What was accepted is finished when the closer has seen zero, and nothing is accepted after.
///
/// Outcomes: refused (0), accepted (1).
const fn closed<C: Count>() -> Model {
    Model {
        group: "countdown",
        name: "add, close, wait",
        threads: 2,
        operations: 4,
        bound: 4,
        outcomes: &[0, 1],
        run: &run_closed::<C>,
    }
}
fn run_closed<C: Count>() -> u64 {
    let scene = Arc::new(Scene { count: C::new(0), work: UnsafeCell::new(0) });
    let adder = {
        let scene = scene.clone();
        thread::spawn(move || {
            let accepted = scene.count.add();
            if accepted {
                // SAFETY: counted.
                scene.work.with_mut(|work| unsafe { *work += 1 });
                scene.count.finish();
            }
            u64::from(accepted)
        })
    };
    let closer = thread::spawn(move || {
        scene.count.close();
        scene.count.wait();
        // SAFETY: closed, and zero.
        scene.work.with_mut(|work| unsafe { *work += 1 });
    });
    closer.join().unwrap();
    adder.join().unwrap()
}

/// A thread waits twice while the count falls to zero and is raised again.
///
/// One outcome: it is enough that it does not stay asleep, which loom would report.
const fn reused<C: Count>() -> Model {
    Model {
        group: "countdown",
        name: "wait, add, wait",
        threads: 3,
        operations: 5,
        bound: 2,
        outcomes: &[0],
        run: &run_reused::<C>,
    }
}
fn run_reused<C: Count>() -> u64 {
    let count = Arc::new(C::new(1));
    let threads = [
        |count: &C| (count.wait(), count.wait()).0,
        |count: &C| count.finish(),
        |count: &C| {
            assert!(count.add());
            count.finish();
        },
    ]
    .map(|role: fn(&C)| {
        let count = count.clone();
        thread::spawn(move || role(&count))
    });
    for thread in threads {
        thread.join().unwrap();
    }
    0
}

#[test]
fn a_count_must_be_closed_in_the_word_it_is_counted_in() {
    tells_apart("closed in a word of its own", closed::<Wrong<true, false>>(), closed::<Countdown>());
}

#[test]
fn an_addition_must_clear_the_flags_in_the_step_that_raises() {
    tells_apart("addition clears the flags in a second step", reused::<Wrong<false, true>>(), reused::<Countdown>());
}
