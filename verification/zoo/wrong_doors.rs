//! Doors that go with what is behind them, that are looked at before they are entered, and that are freed twice.

use crate::door::{Passage, VISIT, visit};
use crate::fork_stack::Place;
use crate::model::{Model, tells_apart};
use std::sync::atomic::Ordering;
use vgpu_pool::protocol::countdown::Countdown;
use vgpu_pool::sync::{AtomicU32, RELAXED, Site};

const ACQ_REL: Site = Site::new("zoo.ACQ_REL", Ordering::AcqRel, "whoever frees comes after every use");

/// The real door, with one of these mistakes or with none: it lies in what is behind it; its state and its count are two words; a key is
/// given back, and then it is looked whether any is left.
struct Wrong<const LIES_INSIDE: bool, const TWO_WORDS: bool, const LOOKS_APART: bool> {
    inside: Countdown,
    closed: AtomicU32,
    keys: AtomicU32,
}

impl<const LIES_INSIDE: bool, const TWO_WORDS: bool, const LOOKS_APART: bool> Passage
    for Wrong<LIES_INSIDE, TWO_WORDS, LOOKS_APART>
{
    fn new() -> Self {
        Wrong { inside: Countdown::new(), closed: AtomicU32::new(0), keys: AtomicU32::new(2) }
    }
    fn enter(&self, behind: &Place) -> bool {
        if LIES_INSIDE {
            // Where the count is.
            behind.read();
        }
        if TWO_WORDS && self.closed.load(RELAXED) != 0 {
            return false;
        }
        self.inside.add(1, false).is_ok()
    }
    fn leave(&self) {
        self.inside.finish(1).wake_blocked();
    }
    fn close(&self) {
        if TWO_WORDS {
            self.closed.store(1, RELAXED);
        } else {
            self.inside.close();
        }
        self.inside.wait(None);
    }
    fn give_back(&self) -> bool {
        let before = self.keys.fetch_sub(1, ACQ_REL);
        if LOOKS_APART { self.keys.fetch_add(0, ACQ_REL) == 0 } else { before == 1 }
    }
}

const TWIN: Model = Model { run: &visit::<Wrong<false, false, false>>, ..VISIT };

#[test]
fn dr1_the_count_outlives_what_it_guards() {
    let wrong = Model { run: &visit::<Wrong<true, false, false>>, ..VISIT }.of("lies inside");
    tells_apart("DR1 the count goes with what it guards", wrong, TWIN.of("lies inside"));
}

#[test]
fn dr2_whoever_enters_is_counted_or_refused_in_one_step() {
    let wrong = Model { run: &visit::<Wrong<false, true, false>>, ..VISIT }.of("two words");
    tells_apart("DR2 in after the last look", wrong, TWIN.of("two words"));
}

#[test]
fn dr3_the_counting_itself_says_who_was_last() {
    let wrong = Model { run: &visit::<Wrong<false, false, true>>, ..VISIT }.of("looks apart");
    tells_apart("DR3 a door freed twice", wrong, TWIN.of("looks apart"));
}
