//! Latches that were set wrongly: touched when they may be gone, or made for one waiter and used by two.

use crate::model::tells_apart;
use crate::storage::{Latch, freed, two_waiters};
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::completion::Completion;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::sync::{AtomicPtr, AtomicU32, RELAXED, Site, fence, futex_wait, futex_wake};

const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "what was done before the latch was set is visible");
const ACQUIRE: Site = Site::new("zoo.ACQUIRE", Ordering::Acquire, "as above");
const FENCE: Site = Site::new("zoo.FENCE", Ordering::SeqCst, "count, then look; set, then look");

const BLOCKED: u32 = 1;
const SET: u32 = 2;

/// Whether there is somebody to wake is asked after the latch is set, by when the waiter may have freed it: rayon#739 and
/// its relatives.
struct AsksAfterwards {
    word: AtomicU32,
    waiters: AtomicU32,
}

impl Latch for AsksAfterwards {
    const PROTOCOL: &str = "completion";
    fn new() -> AsksAfterwards {
        AsksAfterwards { word: AtomicU32::new(0), waiters: AtomicU32::new(0) }
    }
    fn is_set(&self) -> bool {
        self.word.load(ACQUIRE) == SET
    }
    fn wait(&self) {
        self.waiters.fetch_add(1, ACQ_REL);
        while self.word.fetch_add(0, ACQ_REL) != SET {
            futex_wait(&self.word, 0, None);
        }
    }
    fn set(&self) {
        self.word.swap(SET, ACQ_REL);
        if self.waiters.fetch_add(0, ACQ_REL) > 0 {
            futex_wake(&self.word, u32::MAX);
        }
    }
}

/// The setter tidies up after itself: it takes back the flag of the sleepers it has woken.
struct ClearsFlags {
    word: AtomicU32,
}

impl Latch for ClearsFlags {
    const PROTOCOL: &str = "completion";
    fn new() -> ClearsFlags {
        ClearsFlags { word: AtomicU32::new(0) }
    }
    fn is_set(&self) -> bool {
        self.word.load(ACQUIRE) & SET != 0
    }
    fn wait(&self) {
        while self.word.fetch_or(BLOCKED, ACQ_REL) & SET == 0 {
            futex_wait(&self.word, BLOCKED, None);
        }
    }
    fn set(&self) {
        if self.word.fetch_or(SET, ACQ_REL) & BLOCKED != 0 {
            futex_wake(&self.word, u32::MAX);
            self.word.fetch_and(!BLOCKED, RELAXED);
        }
    }
}

/// The waiter leaves the address of its parker, in the one place there is: rayon#945.
struct OnePlace {
    set: AtomicU32,
    sleeper: AtomicPtr<Parker>,
}

impl Latch for OnePlace {
    const PROTOCOL: &str = "completion";
    fn new() -> OnePlace {
        OnePlace { set: AtomicU32::new(0), sleeper: AtomicPtr::new(std::ptr::null_mut()) }
    }
    fn is_set(&self) -> bool {
        self.set.load(ACQUIRE) == 1
    }
    fn wait(&self) {
        // Leaked, so that the setter may be late.
        let parker: &'static Parker = Box::leak(Box::new(Parker::new()));
        let _ = self.sleeper.swap(std::ptr::from_ref(parker).cast_mut(), ACQ_REL);
        while self.set.fetch_add(0, ACQ_REL) == 0 {
            parker.park(None);
        }
    }
    fn set(&self) {
        self.set.fetch_add(1, ACQ_REL);
        let sleeper = self.sleeper.swap(std::ptr::null_mut(), ACQ_REL);
        // SAFETY: null or leaked.
        if let Some(sleeper) = unsafe { sleeper.as_ref() } {
            sleeper.unpark();
        }
    }
}

/// The waiters are counted, so that a setter need not wake where nobody waits. libc++ (llvm#109290): the count was raised
/// with nothing between it and the look at the latch.
struct Counted<const FENCED: bool> {
    word: AtomicU32,
    waiters: AtomicU32,
}

impl<const FENCED: bool> Counted<FENCED> {
    fn fence() {
        // Without one, still the place where a checker may interrupt.
        fence(if FENCED { FENCE } else { RELAXED });
    }
}

impl<const FENCED: bool> Latch for Counted<FENCED> {
    const PROTOCOL: &str = "completion";
    fn new() -> Self {
        Counted { word: AtomicU32::new(0), waiters: AtomicU32::new(0) }
    }
    fn is_set(&self) -> bool {
        self.word.load(ACQUIRE) == SET
    }
    fn wait(&self) {
        self.waiters.fetch_add(1, RELAXED);
        Self::fence();
        while self.word.load(ACQUIRE) != SET {
            futex_wait(&self.word, 0, None);
        }
    }
    fn set(&self) {
        self.word.swap(SET, ACQ_REL);
        Self::fence();
        if self.waiters.load(RELAXED) > 0 {
            futex_wake(&self.word, u32::MAX);
        }
    }
}

#[test]
fn l1_who_sleeps_must_be_known_before_the_latch_is_set() {
    tells_apart(
        "L1 setter asks for waiters afterwards: rayon#739",
        freed::<AsksAfterwards>(),
        freed::<Completion<()>>(),
    );
}

#[test]
fn l1_the_setter_must_not_clear_the_flags() {
    tells_apart("L1 setter clears the flags", freed::<ClearsFlags>(), freed::<Completion<()>>());
}

#[test]
fn l2_a_latch_for_one_waiter_forgets_the_first_of_two() {
    tells_apart("L2 one place for two waiters: rayon#945", two_waiters::<OnePlace>(), two_waiters::<Completion<()>>());
}

#[test]
fn l4_a_waiter_must_be_counted_before_it_looks() {
    let right = two_waiters::<Counted<true>>().of("a fence after the count");
    tells_apart("L4 waiters counted without a fence: llvm#109290", two_waiters::<Counted<false>>(), right);
}
