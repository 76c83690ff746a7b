//! The deque under shuttle: more threads and longer programs than loom can take, and every interleaving of small ones.

use crate::deque_machine;
use crate::schedules::{every_interleaving, refute, verify};
use crate::steal_deque::{Layout, Scenario, outcome, real, run};
use crate::wrong_deque::{Mistake, WrongDeque};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Growth from one element, with runs of pushes and pops that meet the thieves in the middle; and a deque of two elements
/// that is full or empty most of the time.
const LONG: [&str; 3] = ["g1_uu|uouuoouuuooouo_4_4_4", "w_u|uuouoouuouoouuoouo_3_3_3_3_3", "uuu|oouuoouoouuooo_6_6"];

#[test]
fn long_programs() {
    for name in LONG {
        let scenario = Scenario::parse(name);
        verify(&format!("deque {name}"), 8_000, move || {
            run(real(&scenario), &scenario, Layout::OwnerSpawned);
        });
    }
}

#[test]
fn every_interleaving_of_small_programs() {
    let deep = std::env::var("VERIFY_DEEP").is_ok_and(|value| value == "1");
    // More than a million interleavings each, up to a minute: uo_1, uu|o_2, u|ou_1.
    let more: &[&str] = if deep { &["uo_1", "uu|o_2", "u|ou_1"] } else { &[] };
    for name in ["u|o_1", "uu|o_1", "w1_u|u_1"].iter().chain(more) {
        let scenario = Scenario::parse(name);
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let record = seen.clone();
        let expected = deque_machine::outcomes(&scenario);
        every_interleaving(&format!("deque {name}"), move || {
            let digits = run(real(&scenario), &scenario, Layout::OwnerSpawned);
            record.lock().unwrap().insert(outcome(&digits));
        });
        assert_eq!(*seen.lock().unwrap(), expected, "{name}: outcomes seen (left), the machine's (right)");
    }
}

/// The mistakes that sequential consistency shows, each with a program long enough.
const SEEN: &[(Mistake, &str)] = &[
    (Mistake::StaleBufferAfterGrowth, LONG[0]),
    (Mistake::GrowthCopiesShort, LONG[0]),
    (Mistake::GrowthFreesOld, LONG[0]),
    (Mistake::PopReadsTopFirst, LONG[2]),
    (Mistake::NoRestoreAfterLoss, LONG[1]),
    (Mistake::PopStoresTop, LONG[1]),
    (Mistake::LastElementUnraced, LONG[1]),
    (Mistake::UnsignedBottom, "o_1"),
    (Mistake::StealReadsBottomFirst, LONG[2]),
    (Mistake::SlotAfterExchange, LONG[1]),
    (Mistake::StealStoresTop, LONG[1]),
    (Mistake::StealHalf, LONG[2]),
    (Mistake::BottomBeforeSlot, LONG[1]),
    (Mistake::FullOffByOne, LONG[1]),
    (Mistake::TwoBitIndex, "w1_u|ououououo_1"),
    (Mistake::IndexModuloCapacity, LONG[1]),
];

/// The mistakes that only weak memory shows, so that loom alone catches them.
const WEAK: &[Mistake] = &[
    Mistake::RelaxedBuffer,
    Mistake::NoPopFence,
    Mistake::PopFenceFirst,
    Mistake::RelaxedLowering,
    Mistake::NoStealFence,
    Mistake::StealFenceLast,
    Mistake::RelaxedStealBottom,
    Mistake::RelaxedPushTop,
    Mistake::RelaxedStealExchange,
];

#[test]
fn mistakes_are_caught() {
    for mistake in Mistake::ALL {
        let listed = SEEN.iter().any(|row| row.0 == *mistake) != WEAK.contains(mistake);
        assert!(listed, "{mistake:?} must stand in one of the two lists");
    }
    for &(mistake, name) in SEEN {
        let scenario = Scenario::parse(name);
        refute(&format!("deque zoo {mistake:?} in {name}"), 3_000, move || {
            run(WrongDeque::new(&scenario, Some(mistake)), &scenario, Layout::OwnerSpawned);
        });
    }
}

#[test]
fn without_the_mistake_the_same_programs_pass() {
    for name in LONG.into_iter().chain(["o_1", "w1_u|ououououo_1"]) {
        let scenario = Scenario::parse(name);
        verify(&format!("deque zoo twin {name}"), 500, move || {
            run(WrongDeque::new(&scenario, None), &scenario, Layout::OwnerSpawned);
        });
    }
}
