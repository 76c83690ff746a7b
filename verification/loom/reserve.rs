//! A pool that keeps a worker for urgent tasks: the others' tasks are not slept on by those who may run them, and the reserved worker is
//! lent when they starve. Time does not pass here, so the patience is nothing or without end.

use crate::fork_stack::dawdle;
use crate::model::Model;
use crate::pool::small;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Balance, Config, Priority, TaskOptions, WhenFull};

/// Two workers, of which the first is reserved. Those that are not `present` are held up elsewhere for good.
fn with_reserved(lend_after_ns: u64, present: &[usize], action: impl FnOnce(&Arc<Core>) -> u64) -> u64 {
    let balance = Balance { reserved: 1, lend_after_ns, ..Balance::default() };
    let core = Arc::new(Core::new(2, &Config { balance, ..small(WhenFull::Block) }).unwrap());
    let run = |&index: &usize| {
        let core = core.clone();
        thread::spawn(move || core.run_worker(index))
    };
    let workers: Vec<_> = present.iter().map(run).collect();
    let outcome = action(&core);
    core.close();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    outcome
}

/// A usual task comes to a pool of which one worker may not take it; that one may search, and the other sleep.
///
/// One outcome: the other runs it.
const USUAL: Model =
    Model { group: "reserve", name: "a usual task", threads: 3, operations: 3, bound: 1, outcomes: &[1], run: &usual };
fn usual() -> u64 {
    with_reserved(u64::MAX, &[0, 1], |core| {
        dawdle();
        core.try_submit(|worker| Ok(worker.index() as u64)).unwrap().get().unwrap()
    })
}

#[test]
fn a_usual_task_wakes_who_may_run_it() {
    USUAL.verify();
}

/// A usual task comes while the worker that may run such is held up. The reserved worker has no patience.
///
/// One outcome: it runs the task.
const LENT: Model = Model { name: "a worker that is lent", threads: 2, bound: 3, outcomes: &[0], run: &lent, ..USUAL };
fn lent() -> u64 {
    with_reserved(0, &[0], |core| {
        dawdle();
        core.try_submit(|worker| Ok(worker.index() as u64)).unwrap().get().unwrap()
    })
}

#[test]
fn a_reserved_worker_is_lent_to_a_task_that_nobody_else_can_run() {
    LENT.verify();
}

/// An urgent task comes while the other worker is held up.
///
/// One outcome: the reserved worker runs it.
const URGENT: Model = Model { name: "an urgent task", run: &urgent, ..LENT };
fn urgent() -> u64 {
    with_reserved(u64::MAX, &[0], |core| {
        dawdle();
        core.submit_with(&TaskOptions::of(Priority::High), |worker| Ok(worker.index() as u64)).unwrap().get().unwrap()
    })
}

#[test]
fn an_urgent_task_wakes_the_reserved_worker() {
    URGENT.verify();
}
