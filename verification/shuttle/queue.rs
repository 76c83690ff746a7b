//! The queue under shuttle: more threads and longer programs than loom can take, and every interleaving of small ones.

use crate::mpmc::{Layout, Scenario, outcome, run, run_sleeper};
use crate::queue_machine;
use crate::schedules::{every_interleaving, refute, verify};
use crate::wrong_queue::{Mistake, WrongQueue};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use vgpu_pool::sync::spurious_failures;

/// Many laps of a ring of two; producers that consume; a ring of four; two shards that spill.
const LONG: [&str; 3] = ["uuuuu_uuuuu_ooooo_ooooo", "u|uouuoou_uouo_ouou_uuoo_uo", "c4_uuuuuu_uuuuuu_oooooo_oooo_uo"];
const SHARDED: &str = "s2_uuuuu_uuuu_ooooo_ouou_ooo";

#[test]
fn long_programs() {
    for spurious in [false, true] {
        spurious_failures(spurious);
        for name in LONG {
            let scenario = Scenario::parse(name);
            let name = format!("queue {name}{}", if spurious { ", spurious failures" } else { "" });
            verify(&name, 5_000, move || {
                run(scenario.shard(), &scenario, Layout::AllSpawned);
            });
        }
    }
    spurious_failures(false);
    let scenario = Scenario::parse(SHARDED);
    verify(&format!("queue {SHARDED}"), 5_000, move || {
        run(scenario.sharded(), &scenario, Layout::AllSpawned);
    });
}

#[test]
fn a_sleeper_and_work_do_not_miss_each_other() {
    let scenario = Scenario::parse("c4_u");
    verify("queue sleeper against 3 producers and a robber", 5_000, move || {
        run_sleeper(scenario.shard(), 3, true);
    });
}

#[test]
fn every_interleaving_of_small_programs() {
    for name in ["u_o", "u_u", "uu|u_o"] {
        let scenario = Scenario::parse(name);
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let record = seen.clone();
        let expected = queue_machine::outcomes(&scenario);
        every_interleaving(&format!("queue {name}"), move || {
            let digits = run(scenario.shard(), &scenario, Layout::AllSpawned);
            record.lock().unwrap().insert(outcome(&digits));
        });
        assert_eq!(*seen.lock().unwrap(), expected, "{name}: outcomes seen (left), the machine's (right)");
    }
}

/// The mistakes that sequential consistency shows.
const SEEN: &[(Mistake, &str)] = &[
    (Mistake::NoTurns, LONG[0]),
    (Mistake::FlagInsteadOfTurn, LONG[0]),
    (Mistake::TurnBeforeValue, LONG[0]),
    (Mistake::FreedBeforeRead, LONG[0]),
    (Mistake::PushClaimsByStore, LONG[0]),
    (Mistake::PopClaimsByStore, LONG[0]),
    (Mistake::PushClaimsFirst, LONG[0]),
    (Mistake::PopClaimsFirst, LONG[0]),
    (Mistake::TwoBitCounters, "uuoouu_u"),
];

/// The mistakes that only weak memory shows, so that loom alone catches them, and the one that takes a sleeper.
const ELSEWHERE: &[Mistake] = &[
    Mistake::RelaxedPublish,
    Mistake::RelaxedTake,
    Mistake::RelaxedFree,
    Mistake::RelaxedReuse,
    Mistake::HasWorkWantsExactTurn,
];

#[test]
fn mistakes_are_caught() {
    for mistake in Mistake::ALL {
        let listed = SEEN.iter().any(|row| row.0 == *mistake) != ELSEWHERE.contains(mistake);
        assert!(listed, "{mistake:?} must stand in one of the two lists");
    }
    for &(mistake, name) in SEEN {
        let scenario = Scenario::parse(name);
        refute(&format!("queue zoo {mistake:?} in {name}"), 2_000, move || {
            run(WrongQueue::new(&scenario, Some(mistake)), &scenario, Layout::AllSpawned);
        });
    }
    let scenario = Scenario::parse("u");
    let mistake = Mistake::HasWorkWantsExactTurn;
    refute(&format!("queue zoo {mistake:?} in the sleeper and the robber"), 2_000, move || {
        run_sleeper(WrongQueue::new(&scenario, Some(mistake)), 1, true);
    });
}

#[test]
fn without_the_mistake_the_same_programs_pass() {
    for name in [LONG[0], "uuoouu_u"] {
        let scenario = Scenario::parse(name);
        verify(&format!("queue zoo twin {name}"), 500, move || {
            run(WrongQueue::new(&scenario, None), &scenario, Layout::AllSpawned);
        });
    }
}
