//! A model with its name, its bound and the outcomes it must show; and the mutants that models kill.

use crate::explore;
use std::sync::atomic::Ordering;
use vgpu_pool::sync::{AtomicU32, RELAXED, Site, fence, futex_wake, weaken};

/// One model.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// Preemptions at most.
    pub(crate) bound: usize,
    /// The outcomes that a correct protocol shows: all of these, and no others.
    pub(crate) outcomes: &'static [u64],
    pub(crate) run: fn() -> u64,
}

impl Model {
    /// The protocol passes, and shows exactly the outcomes.
    pub(crate) fn verify(&self) {
        explore::verify(self.name, Some(self.bound), self.outcomes, self.prepared());
    }

    /// The checker's lazily made statics order their first user before all others, which would hide what a weak fence lets
    /// through. So their first user is the thread that starts all others.
    fn prepared(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let run = self.run;
        move || {
            fence(RELAXED);
            let nobody = AtomicU32::new(0);
            futex_wake(&nobody, 1);
            run()
        }
    }

    /// A wrong design fails, and the right one, put beside it, passes.
    pub(crate) fn tells_apart(wrong: (&str, Model), right: Model) {
        let (design, model) = wrong;
        explore::refute(&format!("zoo {design} / {}", model.name), Some(model.bound), model.prepared());
        right.verify();
    }
}

/// Every weakening of every site of a table must make the model that is named for it fail. A row without a model fails.
pub(crate) fn every_site_is_needed(sites: &[Site], killers: &[(&str, Ordering, Model)]) {
    let mut rows = 0;
    for site in sites {
        for &ordering in explore::weaker(site.declared()) {
            // What kills the stronger of two weakenings of a fence also kills the weaker one: one row is enough.
            let named = |exact: bool| {
                killers.iter().find(|(name, weakened, _)| *name == site.name() && (!exact || *weakened == ordering))
            };
            let fence = site.declared() == Ordering::SeqCst;
            let (_, _, model) =
                named(!fence).unwrap_or_else(|| panic!("no model is named to kill {} = {ordering:?}", site.name()));
            weaken(Some((site.name(), ordering)));
            explore::refute(
                &format!("mutant {} = {ordering:?} / {}", site.name(), model.name),
                Some(model.bound),
                model.prepared(),
            );
            weaken(None);
            rows += usize::from(!fence || ordering == Ordering::Relaxed);
        }
    }
    assert_eq!(rows, killers.len(), "a killer is named for a mutant that is not in the table");
}
