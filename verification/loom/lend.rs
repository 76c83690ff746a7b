//! Threads that lend themselves to a pool, the code of `src/pool/`.

use crate::model::Model;
use crate::pool::small;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::error::Status;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::{Config, Lease, WhenFull};

fn new_core() -> Arc<Core> {
    Arc::new(Core::new(2, &Config { host_seats: 1, ..small(WhenFull::Error) }).unwrap())
}

/// A thread lends itself while the pool's own worker and another thread end a task and then the pool.
///
/// Outcomes: the lent thread came too late (0), or was given back at the end (1); and 2 more if it has run the task.
const END: Model = Model {
    group: "lend",
    name: "a lent thread against the end of the pool",
    threads: 3,
    operations: 4,
    bound: 1,
    outcomes: &[0, 1, 3],
    run: &run_end,
};
fn run_end() -> u64 {
    let core = new_core();
    let own = {
        let core = core.clone();
        thread::spawn(move || core.run_worker(0))
    };
    let lent = {
        let core = core.clone();
        let arrived = Arc::new(AtomicU64::new(0));
        thread::spawn(move || {
            let error = core.lend(&Lease::new(), None, |_, _| _ = arrived.fetch_add(1, Relaxed)).unwrap_err();
            assert_eq!(error.status(), Status::Closed);
            u64::from(arrived.load(Relaxed) == 2)
        })
    };
    let ran_by = core.try_submit(|worker| Ok(worker.index() as u64)).unwrap();
    core.close();
    let ran_by = ran_by.get().unwrap();
    own.join().unwrap();
    let outcome = lent.join().unwrap() + 2 * ran_by;
    drop(core);
    outcome
}

#[test]
fn a_lent_thread_is_given_back_at_the_end() {
    END.verify();
}

/// Two threads are lent one after the other, or at a time, in a pool of one seat; another submits a task and ends the leases. The pool's
/// own worker is not there: what the lent ones leave behind, nobody runs.
///
/// Outcomes: how many of the two found the seat free.
const TURNS: Model = Model {
    group: "lend",
    name: "two threads for one seat",
    threads: 2,
    operations: 4,
    bound: 2,
    outcomes: &[1, 2],
    run: &run_turns,
};
fn run_turns() -> u64 {
    let core = new_core();
    let lease = Arc::new(Lease::new());
    let task = core.try_submit(|worker| Ok(worker.index())).unwrap();
    let lenders = [(); 2].map(|()| {
        let (core, lease) = (core.clone(), lease.clone());
        thread::spawn(move || match core.lend(&lease, None, |_, _| ()) {
            Ok(()) => 1,
            Err(error) => {
                assert_eq!(error.status(), Status::AlreadyStarted);
                0
            }
        })
    });
    assert_eq!(task.get().unwrap(), 1);
    core.end_lease(&lease);
    let stays = lenders.map(|lender| lender.join().unwrap()).iter().sum();
    core.close();
    drop(core);
    stays
}

#[test]
fn a_lent_thread_leaves_nothing_behind() {
    TURNS.verify();
}
