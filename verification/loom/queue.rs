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

use crate::explore::deep;
use crate::model::{Model, constant};
use crate::mpmc::{Layout, Mpmc, Scenario, outcome, run, run_sleeper};
use crate::queue_machine;
use loom::thread;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::sharded::Dealt;
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
    // Two pushed together.
    ("b_oo", &[]),
    ("b_o_o", &[]),
    ("b_u_o", &[]),
    ("u|b_oo", &[]),
    // Full from the start, so they are of the second lap.
    ("uu|b_oo", &[]),
    ("uu|b_o_o", &[]),
    ("u|b_u_o", &[]),
    ("s2_u|b_oo", &[]),
    // Counters that come round: see the zoo.
    ("uuoouu_u", &[]),
];

/// A queue in a scenario. A right one shows the machine's outcomes and those that weak memory adds.
pub fn model_of<Q: Mpmc>(
    name: &str,
    layout: Layout,
    bound: usize,
    make: impl Fn(&Scenario) -> Q + Send + Sync + 'static,
) -> Model {
    let scenario = Scenario::parse(name);
    let row = SCENARIOS.iter().find(|row| row.0 == name).expect("a scenario of the table");
    Model {
        group: "queue",
        name: constant(format!("{name} {layout:?}")),
        threads: scenario.threads.len(),
        operations: scenario.threads.iter().map(String::len).sum(),
        bound,
        outcomes: constant(
            queue_machine::outcomes(&scenario).into_iter().chain(row.1.iter().copied()).collect::<Vec<_>>(),
        ),
        run: constant(move || outcome(&run(make(&scenario), &scenario, layout))),
    }
}

/// The real queue in a scenario.
pub fn model(name: &str, layout: Layout, bound: usize) -> Model {
    match Scenario::parse(name).shards {
        1 => model_of(name, layout, bound, Scenario::shard),
        _ => model_of(name, layout, bound, Scenario::sharded),
    }
}

/// A queue against a sleeper, producers and perhaps a robber. Anything may be seen but that nobody notices anybody.
pub fn sleeper_of<Q: Mpmc>(
    producers: usize,
    robbed: bool,
    make: impl Fn(&Scenario) -> Q + Send + Sync + 'static,
) -> Model {
    let scenario = Scenario::parse("u");
    let seen = 1..2u64 << producers;
    let digits = |seen: u64| (0..=producers).fold(1, |number, i| number * 10 + (seen >> i & 1));
    Model {
        group: "queue",
        name: constant(format!("sleeper against {producers}{}", if robbed { " and a robber" } else { "" })),
        threads: 1 + producers + usize::from(robbed),
        operations: 1 + producers + usize::from(robbed),
        bound: 3,
        outcomes: constant(seen.map(digits).collect::<Vec<_>>()),
        run: constant(move || outcome(&run_sleeper(make(&scenario), producers, robbed))),
    }
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
            model(name, layout, bound).pass();
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
        model(name, Layout::FirstOnMain, 3).of("exchanges fail without cause").pass();
    }
    spurious_failures(false);
}

#[test]
fn a_sleeper_and_work_do_not_miss_each_other() {
    for (producers, robbed) in [(1, false), (2, false), (1, true)] {
        sleeper_of(producers, robbed, Scenario::shard).verify();
    }
}

/// A dealt queue of two shards, two producers of an element each, and a consumer that looks twice. What it leaves is found after.
///
/// Outcomes: what the two pops brought, 0 for nothing. Either may come before the threads it waits for, and either element first:
/// the producers are not ordered.
const DEALT: Model = Model {
    group: "sharded",
    name: "two producers and a consumer, shards dealt",
    threads: 3,
    operations: 4,
    bound: 2,
    outcomes: &[0, 1, 2, 10, 20, 12, 21],
    run: &dealt,
};
fn dealt() -> u64 {
    fn word(element: usize) -> NonNull<u8> {
        NonNull::new(ptr::without_provenance_mut(element)).unwrap()
    }
    let queue = Arc::new(Dealt::new(Allocator::SYSTEM, 2, 2).unwrap());
    let producers = [1, 2].map(|element| {
        let queue = queue.clone();
        thread::spawn(move || assert!(queue.push(word(element)).is_ok(), "there is room"))
    });
    let consumer = {
        let queue = queue.clone();
        thread::spawn(move || [0; 2].map(|_| queue.pop().map_or(0, |element| element.as_ptr().addr())))
    };
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let [first, second] = consumer.join().unwrap();
    let mut seen = vec![first, second];
    while queue.has_work() {
        seen.push(queue.pop().expect("one thread finds what there is").as_ptr().addr());
    }
    seen.sort_unstable();
    seen.retain(|element| *element != 0);
    assert_eq!(seen, [1, 2], "each element comes out once");
    (10 * first + second) as u64
}

#[test]
fn dealt_shards_lose_nothing() {
    DEALT.verify();
}
