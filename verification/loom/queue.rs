//! The queue under loom: every scenario, both layouts, with exactly the outcomes it must have.
//!
//! Checked in each execution (`zoo/mpmc.rs`): every accepted element is taken exactly once and none is lost; the elements
//! of one producer come out in order; the task behind an element is visible to its taker; nothing is found full or empty
//! without a cause that the finder could not have known to be gone. The slots carry the oracle of `sync` (a committed read
//! happens before the next write).
//!
//! Checked for each run: the outcomes are those of [`crate::queue_machine`] and, listed beside each scenario, those which
//! only weak memory gives. These are all of one kind: a pop that finds nothing, or a push that finds no room, because the
//! thread has seen the other side's counter move but not yet the turn of the next slot. The counters order nothing, so an
//! answer "empty" or "full" is about the past. Who must not miss an element asks `has_work` after a fence, which is
//! the last model here.

use crate::explore::verify;
use crate::mpmc::{Layout, Scenario, outcome, run, run_sleeper};
use crate::queue_machine;
use vgpu_pool::sync::spurious_failures;

/// Scenarios, and the outcomes that weak memory adds to the machine's.
const SCENARIOS: &[(&str, &[u64])] = &[
    ("u_o", &[]),
    ("u_u", &[]),
    ("uu_oo", &[]),
    // One pops the other's element, which moves the head; the other sees the moved head and not the element behind it.
    ("uo_uo", &[11021, 11220]),
    ("u|uo_uo", &[10031, 12100]),
    // Three into two: the second pop does not see an element that was there when the third push found no room.
    ("uuu_ooo", &[1120010, 1120100, 1120102]),
    // Full from the start, so every push is of the second lap.
    ("uu|u_o", &[]),
    ("uu|uu_oo", &[]),
    // As uuu_ooo, a lap later.
    ("uu|uu_ooo", &[130120]),
    ("u_u_o", &[]),
    ("u_o_o", &[]),
    ("u_u_oo", &[]),
    ("uu_o_o", &[]),
    ("uu|o_o_u", &[]),
    ("u_u_o_o", &[]),
    // Two shards: the third push spills, a pop goes on to the next shard.
    ("s2_uuu_oo", &[]),
    ("s2_uu_oou", &[]),
    ("s2_u_u_o", &[]),
    ("s2_uuuu|u_o_o", &[]),
    // Counters that come round: see the zoo.
    ("uuoouu_u", &[]),
];

fn deep() -> bool {
    std::env::var("VERIFY_DEEP").is_ok_and(|value| value == "1")
}

/// The real queue in a scenario.
pub fn model(name: &str, layout: Layout) -> impl Fn() -> u64 + Send + Sync + 'static {
    let scenario = Scenario::parse(name);
    move || {
        outcome(&match scenario.shards {
            1 => run(scenario.shard(), &scenario, layout),
            _ => run(scenario.sharded(), &scenario, layout),
        })
    }
}

/// The outcomes of a right queue.
pub fn expected(name: &str) -> Vec<u64> {
    let row = SCENARIOS.iter().find(|row| row.0 == name).expect("a scenario of the table");
    queue_machine::outcomes(&Scenario::parse(name)).into_iter().chain(row.1.iter().copied()).collect()
}

fn bounds(threads: usize) -> &'static [usize] {
    match (threads, deep()) {
        (2, _) => &[3, 4],
        (3, false) => &[3],
        (3, true) => &[3, 4],
        (_, false) => &[2],
        (_, true) => &[2, 3],
    }
}

fn verify_all(layout: Layout) {
    for (name, _) in SCENARIOS {
        for &bound in bounds(Scenario::parse(name).threads.len()) {
            verify(&format!("queue {name} {layout:?}"), Some(bound), &expected(name), model(name, layout));
        }
    }
}

#[test]
fn first_on_main() {
    verify_all(Layout::FirstOnMain);
}

#[test]
fn all_spawned() {
    verify_all(Layout::AllSpawned);
}

#[test]
fn exchanges_that_fail_without_cause_change_nothing() {
    spurious_failures(true);
    for name in ["uo_uo", "uuu_ooo", "u_u_o", "u_o_o"] {
        let layout = Layout::FirstOnMain;
        verify(&format!("queue {name} {layout:?}, spurious failures"), Some(3), &expected(name), model(name, layout));
    }
    spurious_failures(false);
}

/// What a sleeper and the producers may see: anything but that nobody notices anybody.
pub fn sleeper_outcomes(producers: u32) -> Vec<u64> {
    (1..2u64 << producers).map(|seen| (0..=producers).fold(1, |number, i| number * 10 + (seen >> i & 1))).collect()
}

#[test]
fn a_sleeper_and_work_do_not_miss_each_other() {
    for (producers, robbed) in [(1, false), (2, false), (1, true)] {
        let scenario = Scenario::parse("u");
        let name = format!("queue sleeper against {producers} producers{}", if robbed { " and a robber" } else { "" });
        let model = move || outcome(&run_sleeper(scenario.shard(), producers, robbed));
        verify(&name, Some(3), &sleeper_outcomes(producers as u32), model);
    }
}
