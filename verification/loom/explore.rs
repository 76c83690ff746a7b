//! Running a model under loom so that a pass means something.
//!
//! Stock loom 0.7.2 explores too little when it is asked for everything, and returns as if all were well when it runs into
//! a limit. So here a model is run at a preemption bound, every execution is counted, each execution reports its outcome,
//! and the run fails unless the set of outcomes is exactly the expected one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once};
use std::time::Instant;

/// What a run explored.
#[derive(Debug)]
pub struct Report {
    pub executions: usize,
    pub outcomes: BTreeSet<u64>,
    /// The first line of the failure, if a model failed.
    pub failure: Option<String>,
    pub seconds: f64,
}

thread_local! {
    /// The model that this thread explores.
    static RUNNING: RefCell<Option<String>> = const { RefCell::new(None) };
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the message of a failing model instead of printing it, on threads that explore. What is meant to panic in a model
/// does it by `resume_unwind`, which no hook sees.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let Some(running) = RUNNING.with_borrow(Option::clone) else { return before(info) };
            let text = info
                .payload()
                .downcast_ref::<&str>()
                .map(|s| s.to_string())
                .or_else(|| info.payload().downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without text".into());
            let first = FAILURE.with_borrow_mut(|failure| {
                failure.get_or_insert_with(|| text.lines().next().unwrap_or("").into()).clone()
            });
            // What is dropped after a failure may fail too, and then the process ends here.
            if text.starts_with("panic in a destructor") || text.starts_with("panic in a function that cannot unwind") {
                eprintln!("{running} failed: {first}");
            }
        }));
    });
}

/// Explores a model with at most `bound` preemptions and tells what was seen. Each execution returns its outcome.
pub fn explore(title: &str, bound: usize, model: impl Fn() -> u64 + Send + Sync + 'static) -> Report {
    // A model makes and drops thousands of stacks a second: two at once wait for each other's page tables, and take longer
    // than one after the other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    install_hook();
    let seen = Arc::new(Mutex::new((0usize, BTreeSet::new())));
    let start = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 50_000;
    // loom looks at its time and permutation limits only at checkpoints, and then passes. There must be none of either.
    builder.max_duration = None;
    builder.max_permutations = None;
    let record = seen.clone();
    FAILURE.take();
    RUNNING.set(Some(title.into()));
    let result = catch_unwind(AssertUnwindSafe(move || {
        builder.check(move || {
            record.lock().unwrap().0 += 1;
            let outcome = model();
            // The code under test may have caught what loom or an assertion complained of.
            assert!(FAILURE.with_borrow(Option::is_none), "see the first failure");
            record.lock().unwrap().1.insert(outcome);
        })
    }));
    RUNNING.take();
    let message = FAILURE.take();
    let failure = result.err().map(|_| message.unwrap_or_else(|| "failed without a message".into()));
    let (executions, outcomes) = {
        let seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (seen.0, seen.1.clone())
    };
    Report { executions, outcomes, failure, seconds: start.elapsed().as_secs_f64() }
}

/// Whether the long version was asked for: `VERIFY_DEEP=1`.
pub fn deep() -> bool {
    std::env::var("VERIFY_DEEP").is_ok_and(|value| value == "1")
}
