//! Pools whose number of working workers varies: the real core, on threads of the model.
//!
//! Some tasks end only when another has run, so a worker that is not called to its place shows as a deadlock.

use crate::pool::{Count, join};
use crate::schedules::verify;
use shuttle::thread;
use std::sync::Arc;
use vgpu_pool::pool::Config;
use vgpu_pool::pool::core::Core;
use vgpu_pool::protocol::parker::Parker;

/// Schedules that each scenario gets from each scheduler.
const SCHEDULES: usize = 1_000;

fn with_pool(workers: usize, config: &Config<'_>, action: impl FnOnce(&Arc<Core>)) {
    let core = Arc::new(Core::new(workers, config).unwrap());
    let start = |index| {
        let core = core.clone();
        thread::spawn(move || core.run_worker(index))
    };
    let threads: Vec<_> = (0..workers).map(start).collect();
    action(&core);
    core.close();
    join(threads);
}

/// The first task ends when the second has run.
fn two_tasks(core: &Core, blocks: bool) {
    let gate = Arc::new(Parker::new());
    let (wait, open) = (gate.clone(), gate);
    let first = core
        .try_submit(move |worker| {
            match blocks {
                true => worker.blocking(|| wait.park(None)),
                false => wait.park(None),
            }
            Ok(())
        })
        .unwrap();
    let second = core
        .try_submit(move |_| {
            open.unpark();
            Ok(())
        })
        .unwrap();
    first.get().unwrap();
    second.get().unwrap();
}

#[test]
fn a_pool_grows_when_all_that_have_places_are_busy() {
    verify("a pool that grows", SCHEDULES, || {
        with_pool(2, &Config { min_workers: 1, ..Config::default() }, |core| two_tasks(core, false));
    });
}

#[test]
fn a_task_that_blocks_lends_its_place() {
    verify("a task that blocks", SCHEDULES, || {
        with_pool(2, &Config { spare_workers: 1, ..Config::default() }, |core| two_tasks(core, true));
    });
}

#[test]
fn no_task_is_lost_while_the_limit_changes() {
    verify("a limit that changes", SCHEDULES, || {
        let ran = Count::default();
        with_pool(3, &Config { min_workers: 1, ..Config::default() }, |core| {
            let limited = core.clone();
            let limiter = thread::spawn(move || [1, 3, 2, 1].map(|limit| limited.limit_workers(limit)));
            for _ in 0..4 {
                let ran = ran.clone();
                drop(core.try_submit(move |worker| Ok(worker.join(|_| ran.add(), |_| ran.add()).0)).unwrap());
            }
            limiter.join().unwrap();
        });
        assert_eq!(ran.get(), 8);
    });
}
