//! Running a model under shuttle's schedulers, with seeds that are printed and can be given back.
//!
//! Shuttle sees interleavings only, all memory sequentially consistent, but many more threads and operations than loom. The
//! schedulers miss different bugs, so each model runs under all of them: uniformly random choices, uniformly random walks,
//! and PCT at depths 2 to 5. `VERIFY_SEED=<seed>` replays a run, `VERIFY_SCHEDULES=<n>` sets how many schedules a model
//! gets from each.

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::{Config, Runner};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Once};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

fn config() -> Config {
    let mut config = Config::new();
    config.silence_warnings = true;
    // The pool's tasks run deeper than the few frames of a protocol.
    config.stack_size = 256 << 10;
    config
}

fn schedulers(seed: u64, schedules: usize) -> Vec<(String, Box<dyn Scheduler + Send>)> {
    let mut all: Vec<(String, Box<dyn Scheduler + Send>)> = vec![
        ("Random".into(), Box::new(RandomScheduler::new_from_seed(seed, schedules))),
        ("URW".into(), Box::new(UrwRandomScheduler::new_from_seed(seed, schedules))),
    ];
    for depth in 2..=5 {
        all.push((format!("PCT {depth}"), Box::new(PctScheduler::new_from_seed(seed, depth, schedules))));
    }
    all
}

/// Runs a model that must pass under every scheduler.
pub fn verify(name: &str, schedules: usize, model: impl Fn() + Send + Sync + 'static) {
    let schedules = number("VERIFY_SCHEDULES").map_or(schedules, |n| n as usize);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as u64;
    let seed = number("VERIFY_SEED").unwrap_or_else(now);
    let model = Arc::new(model);
    for (scheduler, run) in schedulers(seed, schedules) {
        let start = Instant::now();
        let model = model.clone();
        let result = catch_unwind(AssertUnwindSafe(|| Runner::new(run, config()).run(move || model())));
        match result {
            Ok(ran) => {
                let seconds = start.elapsed().as_secs_f64();
                println!("shuttle|{name}|{scheduler}|schedules={ran}|seed={seed}|seconds={seconds:.2}");
            }
            Err(_) => panic!("shuttle {name} failed under {scheduler}; replay with VERIFY_SEED={seed}"),
        }
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the messages of models that are meant to fail out of the output.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // Shuttle installs its own hook at its first run; ours goes before it.
        Runner::new(RandomScheduler::new_from_seed(0, 1), config()).run(|| {});
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
}

/// Runs a model that must fail under at least one scheduler, and prints at which schedule it fell under each. The seed is
/// fixed: this asks whether the model is able to see the mistake, not whether today's luck is.
pub fn refute(name: &str, schedules: usize, model: impl Fn() + Send + Sync + 'static) {
    install_hook();
    let model = Arc::new(model);
    let mut falls = vec![];
    QUIET.set(true);
    for (scheduler, run) in schedulers(number("VERIFY_SEED").unwrap_or(1), schedules) {
        let ran = Arc::new(AtomicUsize::new(0));
        let (model, count) = (model.clone(), ran.clone());
        let result = catch_unwind(AssertUnwindSafe(|| {
            Runner::new(run, config()).run(move || {
                count.fetch_add(1, Relaxed);
                model();
            })
        }));
        if result.is_err() {
            falls.push(format!("{scheduler} {}", ran.load(Relaxed)));
        }
    }
    QUIET.set(false);
    assert!(!falls.is_empty(), "shuttle {name} survived {schedules} schedules of every scheduler");
    println!("shuttle-zoo|{name}|fell at schedule {}", falls.join(", "));
}

/// Walks every interleaving of a small model.
pub fn every_interleaving(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let start = Instant::now();
    let ran = Runner::new(DfsScheduler::new(None, false), config()).run(model);
    println!("shuttle|{name}|every interleaving|schedules={ran}|seed=-|seconds={:.2}", start.elapsed().as_secs_f64());
}
