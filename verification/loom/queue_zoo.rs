//! Broken queues, each of which falls under a model that the right one passes.

use crate::model::{Model, tells_apart};
use crate::mpmc::Layout::{AllSpawned, FirstOnMain};
use crate::mpmc::{AGAINST_SLEEP, Scenario};
use crate::queue::{model_of, sleeper_of};
use crate::wrong_queue::{Mistake, WrongQueue};
use vgpu_pool::sync::{RELAXED, weaken};

/// A model that catches a mistake, with a queue that makes it or, as a twin, makes none.
fn catcher(mistake: Mistake, makes: bool) -> Model {
    let make = move |scenario: &Scenario| WrongQueue::new(scenario, makes.then_some(mistake));
    let (name, layout) = match mistake {
        Mistake::NoTurns => ("u_o", AllSpawned),
        Mistake::FlagInsteadOfTurn | Mistake::TwoBitCounters => ("uuoouu_u", AllSpawned),
        Mistake::TurnBeforeValue | Mistake::RelaxedPublish | Mistake::RelaxedTake => ("u_o", FirstOnMain),
        Mistake::FreedBeforeRead | Mistake::RelaxedFree | Mistake::RelaxedReuse => ("uu|u_o", FirstOnMain),
        Mistake::PushClaimsByStore => ("u_u", AllSpawned),
        Mistake::PopClaimsByStore => ("uu_o_o", AllSpawned),
        Mistake::PopClaimsFirst => ("u_o", AllSpawned),
        Mistake::PushClaimsFirst => ("uu|uu_ooo", AllSpawned),
        Mistake::HasWorkWantsExactTurn => return sleeper_of(1, true, make),
    };
    // Three preemptions are enough for every kill here.
    model_of(name, layout, 3, make)
}

#[test]
fn every_mistake_is_caught() {
    for &mistake in Mistake::ALL {
        let twin = catcher(mistake, false).of("of wrong_queue.rs, without a mistake");
        tells_apart(&format!("{mistake:?}"), catcher(mistake, true), twin);
    }
}

/// The fences are the caller's, the event count's in the pool. The queue's part needs them all the same.
#[test]
fn a_look_for_work_needs_its_fence() {
    let right = sleeper_of(1, false, Scenario::shard);
    right.pass();
    weaken(Some((AGAINST_SLEEP.name(), RELAXED.declared())));
    tells_apart("LookWithoutFence", right, right);
    weaken(None);
}
