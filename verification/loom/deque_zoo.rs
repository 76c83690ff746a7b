//! Broken deques, each of which falls under a model that the right one passes.

use crate::deque::model_of;
use crate::model::{Model, tells_apart};
use crate::steal_deque::Layout::{OwnerOnMain, OwnerSpawned};
use crate::wrong_deque::{Mistake, WrongDeque};

/// A model that catches a mistake, with a deque that makes it or, as a twin, makes none.
fn catcher(mistake: Mistake, makes: bool) -> Model {
    let (name, layout) = match mistake {
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
    };
    // Three preemptions are enough for every kill here.
    model_of(name, layout, 3, move |scenario| WrongDeque::new(scenario, makes.then_some(mistake)))
}

#[test]
fn every_mistake_is_caught() {
    for &mistake in Mistake::ALL {
        let twin = catcher(mistake, false).of("of wrong_deque.rs, without a mistake");
        tells_apart(&format!("{mistake:?}"), catcher(mistake, true), twin);
    }
}
