//! One worker that sleeps on a word of its own, or on a list.

use crate::event_count::{one_and_one, one_and_two};
use crate::model::tells_apart;
use crate::worker_loop::Sleep;
use loom::sync::Mutex;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::sync::{AtomicU32, AtomicUsize, RELAXED, Site, fence, futex_wait, futex_wake};

const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "both sides change one word");
const FENCE: Site = Site::new("zoo.FENCE", Ordering::SeqCst, "announce, then look; publish, then look");

/// Notifications are made one by a flag that says that one is pending. bun#28907: the flag was looked at with a plain load
/// first, which may show a notification that the worker has long taken.
struct Coalesced<const LOADS_FIRST: bool> {
    notified: AtomicU32,
}

impl<const LOADS_FIRST: bool> Sleep for Coalesced<LOADS_FIRST> {
    fn new(_workers: usize) -> Self {
        Coalesced { notified: AtomicU32::new(0) }
    }
    fn notify_one(&self, _near: usize) {
        if LOADS_FIRST && self.notified.load(RELAXED) == 1 {
            return;
        }
        if self.notified.swap(1, ACQ_REL) == 0 {
            futex_wake(&self.notified, 1);
        }
    }
    fn wake_all(&self) {
        self.notify_one(0);
    }
    fn try_begin_search(&self) -> bool {
        true
    }
    fn end_search(&self, _worker: usize, _more_work: impl FnOnce() -> bool) {}
    fn announce(&self, _worker: usize, _searcher: bool) {}
    fn park(&self, _worker: usize) {
        while self.notified.swap(0, ACQ_REL) == 0 {
            futex_wait(&self.notified, 0, None);
        }
    }
    fn withdraw(&self, _worker: usize) {}
}

const RUNNING: u32 = 0;
const IDLE: u32 = 1;
const ASLEEP: u32 = 2;
const NOTIFIED: u32 = 3;

/// A worker goes to sleep in two steps, idle and asleep, and looks for work between them. tokio#459: a producer that found
/// it idle, and not asleep yet, did not wake it.
struct TwoSteps<const ONLY_ASLEEP: bool> {
    state: AtomicU32,
}

impl<const ONLY_ASLEEP: bool> Sleep for TwoSteps<ONLY_ASLEEP> {
    fn new(_workers: usize) -> Self {
        TwoSteps { state: AtomicU32::new(RUNNING) }
    }
    fn notify_one(&self, _near: usize) {
        fence(FENCE);
        if ONLY_ASLEEP {
            if self.state.compare_exchange(ASLEEP, NOTIFIED, ACQ_REL).is_ok() {
                futex_wake(&self.state, 1);
            }
        } else if self.state.swap(NOTIFIED, ACQ_REL) == ASLEEP {
            futex_wake(&self.state, 1);
        }
    }
    fn wake_all(&self) {
        self.notify_one(0);
    }
    fn try_begin_search(&self) -> bool {
        true
    }
    fn end_search(&self, _worker: usize, _more_work: impl FnOnce() -> bool) {}
    fn announce(&self, _worker: usize, _searcher: bool) {
        self.state.swap(IDLE, ACQ_REL);
        fence(FENCE);
    }
    fn park(&self, _worker: usize) {
        if self.state.compare_exchange(IDLE, ASLEEP, ACQ_REL).is_ok() {
            while self.state.load(RELAXED) == ASLEEP {
                futex_wait(&self.state, ASLEEP, None);
            }
        }
    }
    fn withdraw(&self, _worker: usize) {
        self.state.swap(RUNNING, ACQ_REL);
    }
}

/// Sleepers in a list, and a count of those that are awake, which spares producers a look at the list. tokio#8373: a worker
/// that woke for another reason than being taken from the list stayed in it, and was counted out again with its next sleep.
struct Listed<const TAKES_BACK: bool> {
    awake: AtomicUsize,
    asleep: Mutex<Vec<usize>>,
    parkers: Vec<Parker>,
}

impl<const TAKES_BACK: bool> Sleep for Listed<TAKES_BACK> {
    fn new(workers: usize) -> Self {
        Listed {
            awake: AtomicUsize::new(workers),
            asleep: Mutex::new(vec![]),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
        }
    }
    fn notify_one(&self, _near: usize) {
        fence(FENCE);
        if self.awake.load(RELAXED) >= self.parkers.len() {
            return;
        }
        if let Some(worker) = self.asleep.lock().unwrap().pop() {
            self.awake.fetch_add(1, RELAXED);
            self.parkers[worker].unpark();
        }
    }
    fn wake_all(&self) {
        self.parkers.iter().for_each(Parker::unpark);
    }
    fn try_begin_search(&self) -> bool {
        true
    }
    fn end_search(&self, _worker: usize, _more_work: impl FnOnce() -> bool) {}
    fn announce(&self, worker: usize, _searcher: bool) {
        self.asleep.lock().unwrap().push(worker);
        self.awake.fetch_sub(1, RELAXED);
        fence(FENCE);
    }
    fn park(&self, worker: usize) {
        self.parkers[worker].park(None);
    }
    fn withdraw(&self, worker: usize) {
        let mut asleep = self.asleep.lock().unwrap();
        let place = asleep.iter().position(|&listed| listed == worker);
        if let Some(place) = place.filter(|_| TAKES_BACK) {
            asleep.remove(place);
            self.awake.fetch_add(1, RELAXED);
        }
    }
}

#[test]
fn w3_a_pending_notification_may_be_an_old_one() {
    let right = one_and_two::<Coalesced<false>>().of("notifications made one");
    tells_apart("W3 pending flag loaded first: bun#28907", one_and_two::<Coalesced<true>>(), right);
}

#[test]
fn w4_a_worker_that_is_not_asleep_yet_must_be_told_too() {
    let right = one_and_one::<TwoSteps<false>>().of("asleep in two steps");
    tells_apart("W4 wakes from the last state only: tokio#459", one_and_one::<TwoSteps<true>>(), right);
}

#[test]
fn l3_a_worker_that_wakes_by_itself_must_leave_the_list() {
    let right = one_and_two::<Listed<true>>().of("a list of sleepers");
    tells_apart("L3 listed twice, counted out twice: tokio#8373", one_and_two::<Listed<false>>(), right);
}
