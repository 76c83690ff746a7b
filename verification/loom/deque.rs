//! The deque under loom: every scenario, both layouts, with exactly the outcomes it must have.
//!
//! Checked in each execution (`zoo/steal_deque.rs`): every element is taken exactly once and none is lost; the owner takes
//! the newest, each thief older before newer; the job behind an element is visible to its taker; nothing is found empty,
//! full or lost without a cause; a pop that finds nothing has been robbed of everything. The deque itself carries the
//! oracles for slots (a committed read happens before the next write) and buffer headers.
//!
//! Checked for each run: the outcomes are those of [`crate::deque_machine`], no fewer and no more, and those of the
//! table, which were found independently by GenMC and a repaired loom.

use crate::deque_machine;
use crate::explore::deep;
use crate::model::{Model, constant};
use crate::steal_deque::{Layout, Scenario, StealDeque, outcome, real, run};
use std::collections::BTreeSet;

/// Outcomes which GenMC under RC11 and a repaired loom agreed on.
const GOLDEN: &[(&str, &[u64])] = &[
    ("uo_1", &[101, 110, 119]),
    ("uuo_1", &[120, 121]),
    ("uuoo_1", &[1201, 1210, 1219]),
    ("uuoo_2", &[10012, 12001, 12010, 12019, 12100, 12109, 12190]),
    ("uu|oo_2", &[10012, 12010, 12019, 12100, 12109, 12190]),
    ("u|uo_2", &[1012, 1210, 1219]),
    ("g_uuuo_1", &[130, 131]),
    ("g_uu|uo_2", &[1312]),
    ("w_uu|u_1", &[11]),
    ("w_uu|uo_2", &[1012, 1210, 1219, 1312]),
    ("w1_u|uuo_2", &[1010, 1012, 1100, 1109, 1190, 1210, 1219, 1312]),
    ("w_uu|u_1_1", &[112, 119, 121, 191]),
    ("uu|o_1_1", &[1012, 1021, 1201, 1210, 1219, 1291]),
    ("uo_1_1", &[1001, 1010, 1019, 1091, 1100, 1109, 1190, 1199]),
];

/// Outcomes which the abstract machine and loom at bounds 3 and 4 agree on, each with why it can be no other.
const ARGUED: &[(&str, &[u64])] = &[
    // The thief starts with two elements there and the owner takes one: never empty. Either the pop gets 2 and the thief 1,
    // then empty or lost; or both are gone before the pop.
    ("uu|o_2", &[1012, 1210, 1219]),
    // As g_uu|uo_2 with one attempt: three are there, one of each end is taken, and they never meet.
    ("g_uu|uo_1", &[131]),
    // Two steals cannot reach 3 before the first pop, so that is 3. Of the two left, the pop finds nothing only when both
    // were stolen; when it gets 2 or 1 the thief gets the rest, nothing, or loses the exchange over the last.
    ("g_uuuoo_2", &[13012, 13200, 13201, 13210, 13219]),
    // A push finds room or not, which is no part of the outcome; two are there, so the steal gets 1.
    ("w_uu|uu_1", &[11]),
    // One element and two takers: 1 goes to the pop (the thief then finds nothing, loses, or gets the 2 pushed after) or to
    // the thief.
    ("u|ou_1", &[101, 110, 112, 119]),
    // The same with a second attempt. 1010 and 1012: the thief won 1, so it cannot lose any more. In the others the pop did,
    // and the thief loses at most once, to that pop, in its first attempt or, found empty the first time, in its second.
    ("u|ou_2", &[1010, 1012, 1100, 1102, 1109, 1120, 1190, 1192]),
    // As u|ou_1. A thief that comes before the first push finds nothing, as one does that comes after the pop.
    ("uou_1", &[101, 110, 112, 119]),
    // Popping an untouched deque finds nothing, whatever the thief sees of the push after it.
    ("ou_1", &[100, 101]),
    // Nothing is ever empty for a thief before both 1 and 2 are taken. The thieves share 1 and 2 and the pop is robbed; or
    // the pop gets 2, one thief 1, and the other comes too late or loses.
    ("u|uo_1_1", &[1012, 1021, 1201, 1210, 1219, 1291]),
    // Pops may get both, one or none, 2 before 1. A thief loses only to whoever got 1 (or 2, when both were stolen); both
    // lose when the owner got 1 against both: 12199.
    ("uu|oo_1_1", &[10012, 10021, 12001, 12010, 12019, 12091, 12100, 12109, 12190, 12199]),
    // Starting earlier lets the thieves find nothing before the pushes, which ends like finding nothing after the pops.
    ("uuoo_1_1", &[10012, 10021, 12001, 12010, 12019, 12091, 12100, 12109, 12190, 12199]),
    // The first pop gets 3: two steals leave it. After that it is uu|o_1_1.
    ("uuu|oo_1_1", &[13012, 13021, 13201, 13210, 13219, 13291]),
    // Three elements for three takers: the pop gets 3, the thieves 1 and 2, or one loses against the other.
    ("g_uu|uo_1_1", &[1312, 1319, 1321, 1391]),
    // Two growths. The owner never pops, so the thief finds nothing yet, or 1.
    ("g1_uuu_1", &[10, 11]),
    // Three are there and only the first can be stolen: the pops, which never come down to it, get 3 and 2.
    ("uuu|oo_1", &[1321]),
    // One element at a time goes in and out, five in all. The thief gets one of them, and the pop that came for it nothing;
    // or the pops get all five, and the thief finds nothing or loses.
    ("w1_u|ououououo_1", &[1023451, 1103452, 1120453, 1123054, 1123405, 1123450, 1123459]),
];

/// A deque in a scenario.
pub fn model_of<D: StealDeque>(
    name: &str,
    layout: Layout,
    bound: usize,
    make: impl Fn(&Scenario) -> D + Send + Sync + 'static,
) -> Model {
    let scenario = Scenario::parse(name);
    Model {
        group: "deque",
        name: constant(format!("{name} {layout:?}")),
        threads: 1 + scenario.thieves.len(),
        operations: scenario.owner.len() + scenario.thieves.iter().sum::<usize>(),
        bound,
        outcomes: constant(deque_machine::outcomes(&scenario).into_iter().collect::<Vec<_>>()),
        run: constant(move || outcome(&run(make(&scenario), &scenario, layout))),
    }
}

/// The real deque in a scenario.
pub fn model(name: &str, layout: Layout, bound: usize) -> Model {
    model_of(name, layout, bound, real)
}

/// Runs every row with this many thieves.
fn verify_rows(thieves: usize, layout: Layout) {
    for (name, expected) in GOLDEN.iter().chain(ARGUED) {
        let scenario = Scenario::parse(name);
        if scenario.thieves.len() != thieves {
            continue;
        }
        let bounds: &[usize] = if thieves == 1 || deep() { &[3, 4] } else { &[3] };
        for &bound in bounds {
            // The round of five elements is long and has no more to show at bound 4.
            if bound == 4 && scenario.owner.len() > 6 && !deep() {
                continue;
            }
            Model { outcomes: expected, ..model(name, layout, bound) }.pass();
        }
    }
}

#[test]
fn one_thief_owner_on_main() {
    verify_rows(1, Layout::OwnerOnMain);
}

#[test]
fn one_thief_owner_spawned() {
    verify_rows(1, Layout::OwnerSpawned);
}

#[test]
fn two_thieves_owner_on_main() {
    verify_rows(2, Layout::OwnerOnMain);
}

#[test]
fn two_thieves_owner_spawned() {
    verify_rows(2, Layout::OwnerSpawned);
}

#[test]
fn the_abstract_machine_has_the_same_outcomes() {
    for (name, expected) in GOLDEN.iter().chain(ARGUED) {
        let expected: BTreeSet<u64> = expected.iter().copied().collect();
        assert_eq!(deque_machine::outcomes(&Scenario::parse(name)), expected, "{name}: machine (left), table (right)");
    }
}
