//! A pool on the thread that made it, the code of `src/pool/`: an event loop that sleeps until it is called.

use crate::model::Model;
use crate::pool::small;
use loom::thread;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Config, OnCaller, Wake, WhenFull};
use vgpu_pool::protocol::parker::Parker;

unsafe extern "C-unwind" fn call(event_loop: *mut c_void) {
    // SAFETY: the model keeps the parker until its pool has ended.
    unsafe { &*event_loop.cast::<Parker>() }.unpark();
}

/// A thread submits two tasks; the maker sleeps until it is called, and pumps so many at a time. A call that is lost shows as a
/// deadlock.
///
/// Outcomes: how often the maker was called until both had run.
const fn pumps(most: usize) -> Model {
    Model {
        group: "maker",
        name: if most == 1 { "two tasks, one to a pump" } else { "two tasks, all to a pump" },
        threads: 2,
        operations: 4,
        bound: 3,
        outcomes: if most == 1 { &[2] } else { &[1, 2] },
        run: if most == 1 { &|| run_pumps(1) } else { &|| run_pumps(0) },
    }
}
fn run_pumps(most: usize) -> u64 {
    let event_loop = Arc::new(Parker::new());
    let wake = Wake { call, context: Arc::as_ptr(&event_loop).cast_mut().cast() };
    let on_caller = Some(OnCaller { wake: Some(wake), seed: None });
    let core = Arc::new(Core::new(1, &Config { on_caller, ..small(WhenFull::Error) }).unwrap());
    core.settle();
    let ran = Arc::new(AtomicU64::new(0));
    let submitter = {
        let (core, ran) = (core.clone(), ran.clone());
        thread::spawn(move || {
            for _ in 0..2 {
                let ran = ran.clone();
                drop(core.try_submit(move |_| Ok(ran.fetch_add(1, Relaxed))).unwrap());
            }
        })
    };
    let mut calls = 0;
    while ran.load(Relaxed) < 2 {
        event_loop.park(None);
        calls += 1;
        core.pump(most, 0).unwrap();
    }
    submitter.join().unwrap();
    core.close();
    core.leave_maker();
    calls
}

#[test]
fn a_maker_that_sleeps_until_it_is_called_runs_every_task() {
    pumps(0).verify();
}

#[test]
fn a_maker_whose_budget_is_spent_is_called_for_the_rest() {
    pumps(1).verify();
}

/// As above, with a maker that waits for the task instead of pumping.
///
/// One outcome: the task's value.
const WAIT: Model = Model {
    group: "maker",
    name: "a wait on the maker against a submission",
    threads: 2,
    operations: 4,
    bound: 2,
    outcomes: &[7],
    run: &run_wait,
};
fn run_wait() -> u64 {
    let core =
        Arc::new(Core::new(1, &Config { on_caller: Some(OnCaller::default()), ..small(WhenFull::Error) }).unwrap());
    core.settle();
    let submitter = {
        let core = core.clone();
        thread::spawn(move || drop(core.try_submit(|_| Ok(())).unwrap()))
    };
    let value = core.try_submit(|_| Ok(7)).unwrap().get().unwrap();
    submitter.join().unwrap();
    core.close();
    core.leave_maker();
    value
}

#[test]
fn a_maker_that_waits_runs_what_it_waits_for() {
    WAIT.verify();
}
