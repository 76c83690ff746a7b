//! Running a model under loom so that a pass means something.
//!
//! Stock loom 0.7.2 explores too little when it is asked for everything, and returns as if all were well when it runs into
//! a limit. So here a model is run at a preemption bound, every execution is counted, each execution reports its outcome,
//! and the run fails unless the set of outcomes is exactly the expected one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Once};
use std::time::Instant;
use vgpu_pool::sync::{Site, weaken};

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
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: RefCell<bool> = const { RefCell::new(false) };
}

/// Keeps the message of a failing model instead of printing it, on threads that explore.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CATCHING.with(|c| *c.borrow()) {
                return before(info);
            }
            let text = info
                .payload()
                .downcast_ref::<&str>()
                .map(|s| s.to_string())
                .or_else(|| info.payload().downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without text".into());
            FAILURE.with(|f| {
                f.borrow_mut().get_or_insert_with(|| text.lines().next().unwrap_or("").into());
            });
        }));
    });
}

/// Explores `model` with at most `bound` preemptions (`None`: stock loom's idea of everything) and tells what was seen.
/// Each execution returns its outcome.
pub fn explore(bound: Option<usize>, model: impl Fn() -> u64 + Send + Sync + 'static) -> Report {
    // A model makes and drops thousands of stacks a second: two at once wait for each other's page tables, and take longer
    // than one after the other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    install_hook();
    let seen = Arc::new(Mutex::new((0usize, BTreeSet::new())));
    let start = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 50_000;
    // loom looks at its time and permutation limits only at checkpoints, and then passes. There must be none of either.
    builder.max_duration = None;
    builder.max_permutations = None;
    let record = seen.clone();
    FAILURE.with(|f| f.borrow_mut().take());
    CATCHING.with(|c| *c.borrow_mut() = true);
    let result = catch_unwind(AssertUnwindSafe(move || {
        builder.check(move || {
            record.lock().unwrap().0 += 1;
            let outcome = model();
            record.lock().unwrap().1.insert(outcome);
        })
    }));
    CATCHING.with(|c| *c.borrow_mut() = false);
    let message = FAILURE.with(|f| f.borrow_mut().take());
    let failure = result.err().map(|_| message.unwrap_or_else(|| "failed without a message".into()));
    let (executions, outcomes) = {
        let seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (seen.0, seen.1.clone())
    };
    Report { executions, outcomes, failure, seconds: start.elapsed().as_secs_f64() }
}

/// Explores a model that must pass with exactly these outcomes, and prints the line of the report.
pub fn verify(
    name: &str,
    bound: Option<usize>,
    golden: &[u64],
    model: impl Fn() -> u64 + Send + Sync + 'static,
) -> Report {
    let report = explore(bound, model);
    let bound = bound.map_or("none".into(), |b| b.to_string());
    let golden: BTreeSet<u64> = golden.iter().copied().collect();
    println!(
        "loom {name}: bound {bound}, {} executions, outcomes {}/{}, {:.2} s",
        report.executions,
        report.outcomes.intersection(&golden).count(),
        golden.len(),
        report.seconds
    );
    if let Some(failure) = &report.failure {
        panic!("{name} failed at execution {}: {failure}", report.executions);
    }
    assert_eq!(report.outcomes, golden, "{name}: the outcomes seen (left) are not the golden ones (right)");
    report
}

/// Explores a model that must fail, prints where it fell and tells how.
pub fn refute(name: &str, bound: Option<usize>, model: impl Fn() -> u64 + Send + Sync + 'static) -> Report {
    let report = explore(bound, model);
    let shown = bound.map_or("none".into(), |b| b.to_string());
    match &report.failure {
        // A limit of loom is no finding: it may be a thread that goes on reading a stale value, which no machine does.
        Some(failure) if failure.contains("maximum number of branches") => panic!("{name} ran into a limit: {failure}"),
        Some(failure) => {
            println!(
                "loom {name}: bound {shown}, fell at execution {}, {:.2} s: {failure}",
                report.executions, report.seconds
            )
        }
        None => panic!("{name} survived {} executions at bound {shown}", report.executions),
    }
    report
}

/// Every ordering weaker than this one, the strongest first. For a fence, relaxed means that there is none.
pub fn weaker(ordering: Ordering) -> &'static [Ordering] {
    match ordering {
        Ordering::SeqCst => &[Ordering::AcqRel, Ordering::Acquire, Ordering::Release, Ordering::Relaxed],
        Ordering::AcqRel => &[Ordering::Acquire, Ordering::Release, Ordering::Relaxed],
        Ordering::Acquire | Ordering::Release => &[Ordering::Relaxed],
        _ => &[],
    }
}

/// Shows every row of an ordering-site table to be needed: `kill(site)` runs a model under the name it is given, and each
/// weakening of each site must make it fail. A row for which there is no model must make `kill` panic.
pub fn every_weakening_falls(table: &[Site], kill: impl Fn(&Site, &str)) {
    for site in table {
        for &ordering in weaker(site.declared()) {
            weaken(Some((site.name(), ordering)));
            kill(site, &format!("{} = {ordering:?}", site.name()));
            weaken(None);
        }
    }
}
