//! Sleeping without a count of searchers: every publication looks for a sleeper. Two right ways to do it, and what became
//! of projects that did a little less.

use crate::event_count::{one_and_one, one_and_two};
use crate::model::{Model, tells_apart};
use crate::worker_loop::Sleep;
use core::marker::PhantomData;
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::sync::{AtomicU32, AtomicUsize, RELAXED, Site, fence, futex_wait, futex_wake};

const FENCE: Site = Site::new("zoo.FENCE", Ordering::SeqCst, "store, then load, on both sides");
const SEQ_CST: Site = Site::new("zoo.SEQ_CST", Ordering::SeqCst, "the access that was thought to be enough");
const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "both sides change one word");

/// How a producer learns of sleepers after it has published.
#[derive(PartialEq)]
enum Producer {
    /// A fence, and then a look.
    Fence,
    /// It changes the word in which sleepers announce themselves, by nothing.
    Change,
    /// oneTBB#2136: it changes some other word, sequentially consistent, and then looks.
    ChangeElsewhere,
    /// tokio#1788: it looks, sequentially consistent, at a word which others change with less.
    SeqCstLoad,
}

/// When a worker looks for work again.
enum SecondLook {
    AfterAnnouncing,
    /// rayon's sleep module, before its final look at the injector.
    BeforeAnnouncing,
    Never,
}

trait Rules: Send + Sync + 'static {
    const PRODUCER: Producer = Producer::Fence;
    const SECOND_LOOK: SecondLook = SecondLook::AfterAnnouncing;
    /// Whether a wake-up leaves a permit. Without, it is a condition variable without a predicate (Open3D's pool).
    const PERMIT: bool = true;
}

struct Simple<R> {
    sleeping: AtomicUsize,
    elsewhere: AtomicUsize,
    parkers: Vec<Parker>,
    /// Where those without permits sleep.
    word: AtomicU32,
    rules: PhantomData<R>,
}

impl<R: Rules> Sleep for Simple<R> {
    fn new(workers: usize) -> Simple<R> {
        Simple {
            sleeping: AtomicUsize::new(0),
            elsewhere: AtomicUsize::new(0),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            word: AtomicU32::new(0),
            rules: PhantomData,
        }
    }
    fn notify_one(&self, _near: usize) {
        let sleeping = match R::PRODUCER {
            Producer::Fence => {
                fence(FENCE);
                self.sleeping.load(RELAXED)
            }
            Producer::Change => self.sleeping.fetch_add(0, ACQ_REL),
            Producer::ChangeElsewhere => {
                self.elsewhere.fetch_add(1, SEQ_CST);
                self.sleeping.load(RELAXED)
            }
            Producer::SeqCstLoad => {
                // No fence, but the place where a checker may interrupt one.
                fence(RELAXED);
                self.sleeping.load(SEQ_CST)
            }
        };
        if sleeping != 0 {
            if R::PERMIT {
                self.parkers[sleeping.trailing_zeros() as usize].unpark();
            } else {
                futex_wake(&self.word, 1);
            }
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
        if matches!(R::PRODUCER, Producer::Change | Producer::SeqCstLoad) {
            self.sleeping.fetch_or(1 << worker, ACQ_REL);
        } else {
            self.sleeping.fetch_or(1 << worker, RELAXED);
            fence(FENCE);
        }
    }
    fn park(&self, worker: usize) {
        if R::PERMIT {
            self.parkers[worker].park(None);
        } else {
            futex_wait(&self.word, 0, None);
        }
    }
    fn withdraw(&self, worker: usize) {
        self.sleeping.fetch_and(!(1 << worker), RELAXED);
    }
    fn idle(&self, worker: usize, searcher: bool, look: impl Fn() -> bool) -> bool {
        let found = match R::SECOND_LOOK {
            SecondLook::AfterAnnouncing => {
                self.announce(worker, searcher);
                look()
            }
            SecondLook::BeforeAnnouncing => {
                let found = look();
                self.announce(worker, searcher);
                found
            }
            SecondLook::Never => {
                self.announce(worker, searcher);
                false
            }
        };
        if !found {
            self.park(worker);
        }
        self.withdraw(worker);
        !found
    }
}

struct Fences;
impl Rules for Fences {}

struct OneWord;
impl Rules for OneWord {
    const PRODUCER: Producer = Producer::Change;
}

struct ChangeElsewhere;
impl Rules for ChangeElsewhere {
    const PRODUCER: Producer = Producer::ChangeElsewhere;
}

struct SeqCstLoad;
impl Rules for SeqCstLoad {
    const PRODUCER: Producer = Producer::SeqCstLoad;
}

struct LooksBefore;
impl Rules for LooksBefore {
    const SECOND_LOOK: SecondLook = SecondLook::BeforeAnnouncing;
}

struct NeverLooks;
impl Rules for NeverLooks {
    const SECOND_LOOK: SecondLook = SecondLook::Never;
}

struct NoPermit;
impl Rules for NoPermit {
    const PERMIT: bool = false;
}

fn model<R: Rules>() -> Model {
    one_and_one::<Simple<R>>()
}

fn with_fences() -> Model {
    model::<Fences>().of("a fence on both sides")
}

fn with_one_word() -> Model {
    model::<OneWord>().of("both sides change one word")
}

#[test]
fn w1_a_change_elsewhere_is_no_fence() {
    tells_apart("W1 producer changes another word: oneTBB#2136", model::<ChangeElsewhere>(), with_fences());
}

#[test]
fn w2_a_seq_cst_load_among_weaker_changes_is_no_change() {
    tells_apart("W2 producer loads SeqCst: tokio#1788", model::<SeqCstLoad>(), with_one_word());
}

#[test]
fn w6_looking_before_announcing_misses_what_comes_between() {
    tells_apart("W6 second look before the announcement", model::<LooksBefore>(), with_fences());
}

#[test]
fn w6_not_looking_misses_what_was_there() {
    tells_apart("W6 no second look: rayon's injector", model::<NeverLooks>(), with_fences());
}

#[test]
fn w7_a_wake_up_without_a_permit_may_come_too_early() {
    tells_apart("W7 no permit: Open3D", model::<NoPermit>(), with_fences());
}

#[test]
fn both_right_ways_serve_two_producers() {
    one_and_two::<Simple<Fences>>().of("a fence on both sides").verify();
    one_and_two::<Simple<OneWord>>().of("both sides change one word").verify();
}
