//! Broken deques, each of which must fail a model that the right one passes.

use crate::deque;
use crate::deque_machine;
use crate::explore::{every_weakening_falls, refute, verify};
use crate::steal_deque::{Layout, Scenario, outcome, run};
use crate::wrong_deque::{Mistake, WrongDeque};
use Layout::{OwnerOnMain, OwnerSpawned};
use vgpu_pool::protocol::deque::SITES;

/// Enough for every kill here.
const BOUND: Option<usize> = Some(3);

/// The model that kills every weakening of a site.
fn killer(site: &str) -> (&'static str, Layout) {
    match site {
        "deque.PUSH_TOP" | "deque.STEAL_CAS" => ("w_uu|u_1", OwnerSpawned),
        "deque.PUSH_BOTTOM" | "deque.STEAL_BOTTOM" => ("uo_1", OwnerSpawned),
        "deque.GROW_BUFFER" | "deque.STEAL_BUFFER" => ("g_uuuo_1", OwnerOnMain),
        "deque.POP_BOTTOM" => ("uuo_1", OwnerOnMain),
        "deque.POP_FENCE" | "deque.STEAL_FENCE" => ("uu|oo_2", OwnerOnMain),
        _ => panic!("{site} has no model that shows it to be needed"),
    }
}

#[test]
fn every_ordering_is_needed() {
    every_weakening_falls(SITES, |site, mutant| {
        let (name, layout) = killer(site.name());
        refute(&format!("{mutant} in {name} {layout:?}"), BOUND, deque::model(name, layout));
    });
}

/// The model that catches a mistake.
fn catcher(mistake: Mistake) -> (&'static str, Layout) {
    match mistake {
        Mistake::StaleBufferAfterGrowth | Mistake::GrowthCopiesShort => ("g_uuuo_1", OwnerOnMain),
        Mistake::RelaxedBuffer => ("g1_uuu_1", OwnerOnMain),
        Mistake::GrowthFreesOld => ("g_uu|uo_2", OwnerOnMain),
        Mistake::NoPopFence | Mistake::NoStealFence => ("uu|oo_2", OwnerOnMain),
        Mistake::PopReadsTopFirst | Mistake::StealReadsBottomFirst => ("uu|oo_2", OwnerSpawned),
        Mistake::PopFenceFirst => ("u|uo_2", OwnerOnMain),
        Mistake::RelaxedLowering => ("uuo_1", OwnerOnMain),
        Mistake::NoRestoreAfterLoss => ("u|ou_1", OwnerSpawned),
        Mistake::PopStoresTop | Mistake::LastElementUnraced => ("uo_1", OwnerSpawned),
        Mistake::UnsignedBottom => ("ou_1", OwnerOnMain),
        Mistake::StealFenceLast => ("uuoo_1", OwnerOnMain),
        Mistake::RelaxedStealBottom | Mistake::BottomBeforeSlot => ("uuo_1", OwnerSpawned),
        Mistake::SlotAfterExchange | Mistake::RelaxedPushTop | Mistake::RelaxedStealExchange => {
            ("w_uu|u_1", OwnerSpawned)
        }
        Mistake::StealStoresTop => ("u|ou_1", OwnerOnMain),
        Mistake::StealHalf => ("uuu|oo_1", OwnerOnMain),
        Mistake::FullOffByOne => ("w_uu|u_1", OwnerOnMain),
        Mistake::TwoBitIndex => ("w1_u|ououououo_1", OwnerSpawned),
        Mistake::IndexModuloCapacity => ("w_uu|uu_1", OwnerOnMain),
    }
}

fn zoo_model(name: &str, layout: Layout, mistake: Option<Mistake>) -> impl Fn() -> u64 + Send + Sync + 'static {
    let scenario = Scenario::parse(name);
    move || outcome(&run(WrongDeque::new(&scenario, mistake), &scenario, layout))
}

#[test]
fn every_mistake_is_caught() {
    for &mistake in Mistake::ALL {
        let (name, layout) = catcher(mistake);
        let title = format!("deque zoo {mistake:?} in {name} {layout:?}");
        refute(&title, BOUND, zoo_model(name, layout, Some(mistake)));
    }
}

#[test]
fn without_the_mistake_the_same_models_pass() {
    let mut models: Vec<_> = Mistake::ALL.iter().map(|&mistake| catcher(mistake)).collect();
    models.sort_by_key(|(name, layout)| (*name, *layout == OwnerSpawned));
    models.dedup();
    for (name, layout) in models {
        let expected: Vec<u64> = deque_machine::outcomes(&Scenario::parse(name)).into_iter().collect();
        verify(&format!("deque zoo twin {name} {layout:?}"), BOUND, &expected, zoo_model(name, layout, None));
    }
}
