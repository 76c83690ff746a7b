//! Counting searchers, so that a producer need not wake anybody while one is on the way: what goes wrong when one of the
//! event count's rules is left out. Everything else is as in the real one.

use crate::event_count::{claimed_while_withdrawing, last_searcher_leaves};
use crate::model::{Model, tells_apart};
use crate::worker_loop::Sleep;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::sync::{AtomicUsize, RELAXED, Site, fence};

const FENCE: Site = Site::new("zoo.FENCE", Ordering::SeqCst, "as in the event count");

/// The last searcher looks before it leaves: tokio#4383, and what Go's scheduler calls the delicate dance.
const LAST_LOOKS: u8 = 1;
/// A count below zero is nobody. The first version of this crate's event count was unsigned.
const COUNT_GOES_BELOW_ZERO: u8 = 2;
/// A claimed worker does not count itself: its claimer does.
const COUNTED_ONCE: u8 = 4;
const ALL: u8 = LAST_LOOKS | COUNT_GOES_BELOW_ZERO | COUNTED_ONCE;

/// An event count that keeps these rules.
struct Searchers<const RULES: u8> {
    searching: AtomicUsize,
    sleeping: AtomicUsize,
    parkers: Vec<Parker>,
}

impl<const RULES: u8> Searchers<RULES> {
    /// Whether this count means that nobody searches.
    fn is_none(count: usize) -> bool {
        count == 0 || RULES & COUNT_GOES_BELOW_ZERO != 0 && count as isize <= 0
    }

    fn wake_one(&self, near: usize) {
        for worker in (0..self.parkers.len()).map(|step| (near + step) % self.parkers.len()) {
            let bit = 1 << worker;
            if self.sleeping.load(RELAXED) & bit != 0 && self.sleeping.fetch_and(!bit, RELAXED) & bit != 0 {
                self.searching.fetch_add(1, RELAXED);
                self.parkers[worker].unpark();
                return;
            }
        }
    }
}

impl<const RULES: u8> Sleep for Searchers<RULES> {
    fn new(workers: usize) -> Self {
        Searchers {
            searching: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
        }
    }
    fn notify_one(&self, near: usize) {
        fence(FENCE);
        if Self::is_none(self.searching.load(RELAXED)) {
            self.wake_one(near);
        }
    }
    fn wake_all(&self) {
        self.parkers.iter().for_each(Parker::unpark);
    }
    fn try_begin_search(&self) -> bool {
        let may = Self::is_none(self.searching.load(RELAXED));
        if may {
            self.searching.fetch_add(1, RELAXED);
        }
        may
    }
    fn end_search(&self, worker: usize, more_work: impl FnOnce() -> bool) {
        let left = self.searching.fetch_sub(1, RELAXED).wrapping_sub(1);
        if RULES & LAST_LOOKS != 0 && Self::is_none(left) {
            fence(FENCE);
            if more_work() {
                self.wake_one(worker + 1);
            }
        }
    }
    fn announce(&self, worker: usize, searcher: bool) {
        self.sleeping.fetch_or(1 << worker, RELAXED);
        if searcher {
            self.searching.fetch_sub(1, RELAXED);
        }
        fence(FENCE);
    }
    fn park(&self, worker: usize) {
        self.parkers[worker].park(None);
    }
    fn withdraw(&self, worker: usize) {
        let bit = 1 << worker;
        if self.sleeping.fetch_and(!bit, RELAXED) & bit != 0 || RULES & COUNTED_ONCE == 0 {
            self.searching.fetch_add(1, RELAXED);
        }
    }
}

fn all_rules() -> Model {
    last_searcher_leaves::<Searchers<ALL>>().of("unordered claims")
}

#[test]
fn w5_the_last_searcher_must_look_before_it_leaves() {
    let wrong = last_searcher_leaves::<Searchers<{ ALL & !LAST_LOOKS }>>();
    tells_apart("W5 last searcher leaves without a look: tokio#4383", wrong, all_rules());
}

#[test]
fn an_unsigned_count_of_searchers_wraps_to_a_crowd() {
    let wrong = last_searcher_leaves::<Searchers<{ ALL & !COUNT_GOES_BELOW_ZERO }>>();
    tells_apart("W5 unsigned count of searchers", wrong, all_rules());
}

#[test]
fn a_claimed_worker_is_counted_once() {
    let wrong = claimed_while_withdrawing::<Searchers<{ ALL & !COUNTED_ONCE }>>();
    tells_apart("W5 claimed worker counted twice", wrong, claimed_while_withdrawing::<EventCount>());
}
