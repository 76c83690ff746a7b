//! Broken queues, each of which must fail a model that the right one passes.

use crate::explore::{every_weakening_falls, refute, verify};
use crate::mpmc::{AGAINST_SLEEP, Layout, Scenario, outcome, run, run_sleeper};
use crate::queue;
use crate::wrong_queue::{Mistake, WrongQueue};
use Layout::{AllSpawned, FirstOnMain};
use vgpu_pool::protocol::queue::SITES;

/// Enough for every kill here.
const BOUND: Option<usize> = Some(3);

/// The model that kills every weakening of a site.
fn killer(site: &str) -> (&'static str, Layout) {
    match site {
        "queue.PUSH_TURN" | "queue.POP_TURN_DONE" => ("uu|u_o", AllSpawned),
        "queue.PUSH_TURN_DONE" | "queue.POP_TURN" => ("u_o", AllSpawned),
        _ => panic!("{site} has no model that shows it to be needed"),
    }
}

#[test]
fn every_ordering_is_needed() {
    every_weakening_falls(SITES, |site, mutant| {
        let (name, layout) = killer(site.name());
        refute(&format!("{mutant} in {name} {layout:?}"), BOUND, queue::model(name, layout));
    });
}

/// The fences are the caller's, the event count's in the pool; the model of the queue's part must need them all the same.
#[test]
fn a_look_for_work_needs_its_fence() {
    every_weakening_falls(&[AGAINST_SLEEP], |_, mutant| {
        let scenario = Scenario::parse("u");
        let model = move || outcome(&run_sleeper(scenario.shard(), 1, false));
        refute(&format!("{mutant} in queue sleeper against 1 producer"), BOUND, model);
    });
}

/// The model that catches a mistake; `None` is the sleeper against a producer and a robber.
fn catcher(mistake: Mistake) -> Option<(&'static str, Layout)> {
    Some(match mistake {
        Mistake::NoTurns => ("u_o", AllSpawned),
        Mistake::FlagInsteadOfTurn | Mistake::TwoBitCounters => ("uuoouu_u", AllSpawned),
        Mistake::TurnBeforeValue | Mistake::RelaxedPublish | Mistake::RelaxedTake => ("u_o", FirstOnMain),
        Mistake::FreedBeforeRead | Mistake::RelaxedFree | Mistake::RelaxedReuse => ("uu|u_o", FirstOnMain),
        Mistake::PushClaimsByStore => ("u_u", AllSpawned),
        Mistake::PopClaimsByStore => ("uu_o_o", AllSpawned),
        Mistake::PopClaimsFirst => ("u_o", AllSpawned),
        Mistake::PushClaimsFirst => ("uu|uu_ooo", AllSpawned),
        Mistake::HasWorkWantsExactTurn => return None,
    })
}

fn zoo_model(
    what: Option<(&'static str, Layout)>,
    mistake: Option<Mistake>,
) -> Box<dyn Fn() -> u64 + Send + Sync + 'static> {
    let Some((name, layout)) = what else {
        let scenario = Scenario::parse("u");
        return Box::new(move || outcome(&run_sleeper(WrongQueue::new(&scenario, mistake), 1, true)));
    };
    let scenario = Scenario::parse(name);
    Box::new(move || outcome(&run(WrongQueue::new(&scenario, mistake), &scenario, layout)))
}

fn title(what: Option<(&'static str, Layout)>) -> String {
    what.map_or("the sleeper and the robber".into(), |(name, layout)| format!("{name} {layout:?}"))
}

#[test]
fn every_mistake_is_caught() {
    for &mistake in Mistake::ALL {
        let what = catcher(mistake);
        refute(&format!("queue zoo {mistake:?} in {}", title(what)), BOUND, zoo_model(what, Some(mistake)));
    }
}

#[test]
fn without_the_mistake_the_same_models_pass() {
    let mut models: Vec<_> = Mistake::ALL.iter().map(|&mistake| catcher(mistake)).collect();
    models.sort_by_key(|&what| title(what));
    models.dedup();
    for what in models {
        let expected = what.map_or_else(|| queue::sleeper_outcomes(1), |(name, _)| queue::expected(name));
        verify(&format!("queue zoo twin {}", title(what)), BOUND, &expected, zoo_model(what, None));
    }
}
