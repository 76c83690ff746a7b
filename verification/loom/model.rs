//! A model with its name, its bound and the outcomes it must show; and the mutants that models kill.

use crate::explore;
use std::sync::atomic::Ordering::{self, *};
use vgpu_pool::sync::{Site, weaken};

/// One model.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// Preemptions at most. With the roles in spawned threads, 3 is where stock loom has shown every outcome.
    pub(crate) bound: usize,
    /// The outcomes that a correct protocol shows: all of these, and no others.
    pub(crate) outcomes: &'static [u64],
    pub(crate) run: fn() -> u64,
}

impl Model {
    /// The protocol passes, and shows exactly the outcomes.
    pub(crate) fn verify(&self) {
        explore::verify(
            self.name,
            std::env::var("MB").ok().map(|b| b.parse().unwrap()).or(Some(self.bound)),
            self.outcomes,
            self.run,
        );
    }

    /// A wrong design fails.
    pub(crate) fn catch(&self, design: &str) {
        let report = explore::explore(Some(self.bound), self.run);
        match report.failure {
            Some(failure) => {
                println!("zoo {design}: caught by {} at execution {}: {failure}", self.name, report.executions)
            }
            None => panic!("zoo {design}: {} passed it in {} executions", self.name, report.executions),
        }
    }
}

/// The orderings weaker than this one. For a fence, relaxed means none.
fn weaker(ordering: Ordering) -> &'static [Ordering] {
    match ordering {
        SeqCst => &[AcqRel, Relaxed],
        AcqRel => &[Acquire, Release, Relaxed],
        Acquire | Release => &[Relaxed],
        _ => &[],
    }
}

/// Every weakening of every site of a table must make the model that is named for it fail.
pub(crate) fn every_site_is_needed(sites: &[Site], killers: &[(&str, Ordering, Model)]) {
    let mut rows = 0;
    for site in sites {
        for &ordering in weaker(site.declared()) {
            let (_, _, model) = killers
                .iter()
                .find(|(name, weakened, _)| *name == site.name() && *weakened == ordering)
                .unwrap_or_else(|| panic!("no model is named to kill {} = {ordering:?}", site.name()));
            weaken(Some((site.name(), ordering)));
            let report = explore::explore(Some(model.bound), model.run);
            weaken(None);
            match report.failure {
                Some(failure) => println!(
                    "mutant {} = {ordering:?}: killed by {} at execution {}: {failure}",
                    site.name(),
                    model.name,
                    report.executions
                ),
                None => panic!("{} = {ordering:?} survives {}", site.name(), model.name),
            }
            rows += 1;
        }
    }
    assert_eq!(rows, killers.len(), "a killer is named for a mutant that is not in the table");
}
