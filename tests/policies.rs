//! Priorities, places, modes of the inbox and the settings of balance, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vgpu_pool::error::Status;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::inbox::FAIR_TURN;
use vgpu_pool::pool::{
    Balance, Binding, Config, Future, InboxMode, Micropool, Micropools, Pinning, Pool, Priority, TaskOptions, Victims,
    WaitPolicy, WhenFull, Worker,
};
use vgpu_pool::topology::{CpuSet, Topology};

const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Max];
const MODES: [InboxMode; 3] = [InboxMode::Nearest, InboxMode::RoundRobin, InboxMode::Shared];
const VICTIMS: [Victims; 3] = [Victims::Locality, Victims::Random, Victims::Load];

fn config(workers: usize, balance: Balance) -> Config<'static> {
    Config { workers, pinning: Pinning::Off, balance, ..Config::default() }
}

fn pool(workers: usize, balance: Balance) -> Pool {
    Pool::new(&config(workers, balance)).unwrap()
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

/// Keeps a worker busy until it is dropped.
struct Stopper {
    go_on: Arc<AtomicBool>,
    future: Option<Future<usize>>,
}

impl Stopper {
    fn on(pool: &Pool, worker: usize) -> Stopper {
        let (go_on, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let future = {
            let (go_on, begun) = (go_on.clone(), begun.clone());
            let options = TaskOptions { binding: Binding::Worker(worker), ..TaskOptions::default() };
            let task = move |worker: &Worker| {
                begun.store(true, SeqCst);
                await_that("the stopper is to be let go", || go_on.load(SeqCst));
                Ok(worker.index())
            };
            pool.submit_with(&options, task).unwrap()
        };
        await_that("the stopper is to begin", || begun.load(SeqCst));
        Stopper { go_on, future: Some(future) }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.go_on.store(true, SeqCst);
        if let Some(future) = self.future.take() {
            future.get().unwrap();
        }
    }
}

#[test]
fn the_most_urgent_task_comes_first_and_equals_come_in_order() {
    let pool = pool(1, Balance::default());
    let order = Arc::new(Mutex::new(Vec::new()));
    let stopper = Stopper::on(&pool, 0);
    let mut futures = Vec::new();
    // Fewer than a fair turn in all, so that the order is strict.
    for i in 0..3 {
        for priority in PRIORITIES {
            let order = order.clone();
            let task = move |worker: &Worker| {
                assert_eq!(worker.task_priority(), priority);
                order.lock().unwrap().push((priority, i));
                Ok(())
            };
            futures.push(pool.submit_with(&TaskOptions::of(priority), task).unwrap());
        }
    }
    drop(stopper);
    futures.into_iter().for_each(|future| future.get().unwrap());
    let expected: Vec<_> = PRIORITIES.iter().rev().flat_map(|&priority| (0..3).map(move |i| (priority, i))).collect();
    let got = order.lock().unwrap().clone();
    // One take in sixteen is fair; at most one of these is out of its place.
    let misplaced =
        (0..expected.len()).filter(|&i| got[..i].contains(&expected[i]) && !expected[..i].contains(&expected[i]));
    assert!(misplaced.count() <= 1, "{got:?}");
    assert_eq!(
        got.iter().filter(|(priority, _)| *priority == Priority::Max).map(|(_, i)| *i).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn a_low_task_is_passed_over_as_often_as_is_stated_and_no_more() {
    // Two lanes are in use, and one worker has one shard and no bound tasks but the stopper's: at most three places.
    let bound = FAIR_TURN as usize * 2 * 3;
    let pool = pool(1, Balance::default());
    let passed = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let stopper = Stopper::on(&pool, 0);
    let low = {
        let (passed, seen) = (passed.clone(), seen.clone());
        let task = move |_: &Worker| {
            seen.store(passed.load(SeqCst), SeqCst);
            Ok(())
        };
        pool.submit_with(&TaskOptions::of(Priority::Low), task).unwrap()
    };
    // The lane is never empty while the low task waits: each urgent task submits its successor.
    fn urgent(pool: &Arc<PoolOfTest>, passed: &Arc<AtomicUsize>, seen: &Arc<AtomicUsize>) {
        let (inside, passed, seen) = (pool.clone(), passed.clone(), seen.clone());
        let task = move |_: &Worker| {
            passed.fetch_add(1, SeqCst);
            if seen.load(SeqCst) == usize::MAX {
                urgent(&inside, &passed, &seen);
            }
            Ok(())
        };
        drop(pool.0.submit_with(&TaskOptions::of(Priority::Max), task).unwrap());
    }
    struct PoolOfTest(Pool);
    let pool = Arc::new(PoolOfTest(pool));
    urgent(&pool, &passed, &seen);
    urgent(&pool, &passed, &seen);
    drop(stopper);
    low.get().unwrap();
    assert!(seen.load(SeqCst) <= bound, "passed over {} times, and {bound} is stated", seen.load(SeqCst));
    pool.0.wait_all().unwrap();
}

#[test]
fn a_shard_whose_worker_is_busy_is_served_although_others_are_never_empty() {
    let pool = pool(2, Balance { inbox: InboxMode::RoundRobin, ..Balance::default() });
    let stoppers = [Stopper::on(&pool, 0), Stopper::on(&pool, 1)];
    let served = Arc::new(AtomicUsize::new(0));
    // Dealt in turn: every second one goes to worker 0, which stays busy.
    let futures: Vec<_> = (0..200)
        .map(|_| {
            let served = served.clone();
            pool.submit(move |_| served.fetch_add(1, SeqCst)).unwrap()
        })
        .collect();
    let [first, second] = stoppers;
    drop(second);
    await_that("the free worker is to run all", || served.load(SeqCst) == 200);
    drop(first);
    futures.into_iter().for_each(|future| assert!(future.get().unwrap() < 200));
}

#[test]
fn bound_tasks_run_where_they_are_bound_and_so_do_their_forks() {
    fn fan(worker: &Worker, depth: u32, at: usize) {
        assert_eq!(worker.index(), at);
        if depth != 0 {
            worker.join(|worker| fan(worker, depth - 1, at), |worker| fan(worker, depth - 1, at));
        }
    }
    let pool = pool(3, Balance::default());
    for round in 0..50 {
        let futures: Vec<_> = (0..12)
            .map(|i| {
                let at = (i + round) % 3;
                let priority = PRIORITIES[i % 4];
                let task = move |worker: &Worker| {
                    fan(worker, 6, at);
                    Ok(())
                };
                pool.submit_with(&TaskOptions { priority, binding: Binding::Worker(at) }, task).unwrap()
            })
            .collect();
        // Free tasks beside them, which fork as well.
        let free: Vec<_> = (0..12).map(|_| pool.submit(|worker| fib(worker, 8)).unwrap()).collect();
        futures.into_iter().for_each(|future| future.get().unwrap());
        free.into_iter().for_each(|future| assert_eq!(future.get().unwrap(), 21));
    }
}

#[test]
fn work_that_is_run_in_a_wait_keeps_its_own_binding() {
    let pool = Arc::new(pool(2, Balance::default()));
    let inner = pool.clone();
    let bound = TaskOptions { binding: Binding::Worker(0), ..TaskOptions::default() };
    let task = move |worker: &Worker| {
        // Free tasks run in the wait may run anywhere, and their forks as well; afterwards this one's forks stay here again.
        let free: Vec<_> = (0..50).map(|_| inner.submit(|worker| fib(worker, 10)).unwrap()).collect();
        let elsewhere = TaskOptions { binding: Binding::Worker(1), ..TaskOptions::default() };
        let other = inner.submit_with(&elsewhere, |worker| Ok((fib(worker, 10), worker.index()))).unwrap();
        let stays = |worker: &Worker| assert_eq!(worker.index(), 0);
        worker.join(
            |worker| {
                stays(worker);
                free.into_iter().for_each(|future| assert_eq!(future.get().unwrap(), 55));
                assert_eq!(other.get().unwrap(), (55, 1));
                worker.join(stays, stays);
            },
            stays,
        );
        Ok(())
    };
    pool.submit_with(&bound, task).unwrap().get().unwrap();
}

#[test]
fn a_bound_task_wakes_its_worker() {
    let pool = pool(4, Balance::default());
    for round in 0..40 {
        std::thread::sleep(Duration::from_millis(2));
        let binding = Binding::Worker(round % 4);
        let future =
            pool.submit_with(&TaskOptions { binding, ..TaskOptions::default() }, |worker| Ok(worker.index())).unwrap();
        future.wait_for(Duration::from_secs(20)).unwrap();
        assert_eq!(future.get().unwrap(), round % 4);
    }
}

#[test]
fn places_that_are_not_there_are_errors() {
    let pool = pool(2, Balance::default());
    let topology = Topology::detect(Allocator::SYSTEM).unwrap();
    let empty = CpuSet::parse_list(Allocator::SYSTEM, b"", &"a test").unwrap();
    let some = CpuSet::parse_list(Allocator::SYSTEM, b"0-3", &"a test").unwrap();
    let refused = |binding| {
        let error = pool.submit_with(&TaskOptions { binding, ..TaskOptions::default() }, |_| Ok(())).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument, "{error}");
        error.to_string()
    };
    assert!(refused(Binding::Worker(2)).contains("worker 2") && refused(Binding::Worker(2)).contains("0 to 1"));
    assert!(refused(Binding::Node(77_777)).contains("node 77777"));
    assert!(refused(Binding::Cpus(&empty)).contains("CPUs"));
    // The workers of this pool are not pinned, so none of them is sure to be on one of these.
    refused(Binding::Cpus(&some));
    if topology.nodes().len() == 1 {
        // There is one node, so every worker is in it.
        let binding = Binding::Node(topology.nodes()[0].number);
        pool.submit_with(&TaskOptions { binding, ..TaskOptions::default() }, |_| Ok(())).unwrap().get().unwrap();
    }
}

#[test]
fn tasks_bound_to_cpus_run_on_their_workers() {
    let pool = Pool::new(&Config { workers: 2, ..Config::default() }).unwrap();
    if pool.unpinned_workers() != 0 {
        return;
    }
    let topology = Topology::detect(Allocator::SYSTEM).unwrap();
    let cpus: Vec<_> = topology.placement(2).unwrap().cpus.iter().copied().collect();
    for &cpu in &cpus {
        let set = CpuSet::parse_list(Allocator::SYSTEM, cpu.to_string().as_bytes(), &"a test").unwrap();
        let options = TaskOptions { binding: Binding::Cpus(&set), ..TaskOptions::default() };
        for _ in 0..50 {
            // SAFETY: the call takes nothing and touches nothing.
            let task = |_: &Worker| Ok(unsafe { libc::sched_getcpu() } as u32);
            assert_eq!(pool.submit_with(&options, task).unwrap().get().unwrap(), cpu);
        }
    }
}

#[test]
fn waiting_for_a_less_urgent_task_lifts_it() {
    let pool = Arc::new(pool(1, Balance::default()));
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let order = order.clone();
        move |_: &Worker| {
            order.lock().unwrap().push(name);
            Ok(())
        }
    };
    let stopper = Stopper::on(&pool, 0);
    let low = pool.submit_with(&TaskOptions::of(Priority::Low), note("low")).unwrap();
    let normal = pool.submit_with(&TaskOptions::default(), note("normal")).unwrap();
    let high = {
        let order = order.clone();
        let task = move |worker: &Worker| {
            assert_eq!(worker.task_priority(), Priority::High);
            // With a deadline the waiter does not run the task itself; it is lifted, and run by whoever is free: here, in this wait.
            low.wait_for(Duration::from_secs(20)).unwrap();
            order.lock().unwrap().push("high");
            Ok(())
        };
        pool.submit_with(&TaskOptions::of(Priority::High), task).unwrap()
    };
    drop(stopper);
    high.get().unwrap();
    normal.get().unwrap();
    assert_eq!(*order.lock().unwrap(), ["low", "high", "normal"]);
    // The entry that was left in the lower lane is passed over.
    pool.wait_all().unwrap();
    assert_eq!(order.lock().unwrap().len(), 3);
}

#[test]
fn a_lifted_task_runs_once_and_its_entries_go() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let pool = pool(1, Balance::default());
    let stopper = Stopper::on(&pool, 0);
    let note = |name: usize| {
        let order = order.clone();
        move |_: &Worker| {
            order.lock().unwrap().push(name);
            Ok(())
        }
    };
    let futures: Vec<_> = (0..4).map(|i| pool.submit_with(&TaskOptions::of(Priority::Low), note(i)).unwrap()).collect();
    // Up by one step at a time, several times each, and never down.
    for priority in [Priority::Normal, Priority::High, Priority::Low, Priority::High, Priority::Max, Priority::Max] {
        pool.raise_priority(&futures[3], priority).unwrap();
    }
    futures[2].cancel();
    pool.raise_priority(&futures[2], Priority::Max).unwrap();
    drop(stopper);
    pool.wait_all().unwrap();
    assert_eq!(*order.lock().unwrap(), [3, 0, 1]);
    let other = self::pool(1, Balance::default());
    assert_eq!(other.raise_priority(&futures[0], Priority::Max).unwrap_err().status(), Status::InvalidArgument);
}

#[test]
fn every_task_runs_once_in_every_mode_and_with_every_victim_order() {
    for inbox in MODES {
        for victims in VICTIMS {
            let pool = pool(3, Balance { inbox, victims, ..Balance::default() });
            let count = Arc::new(AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for producer in 0..3 {
                    let (pool, count) = (&pool, &count);
                    scope.spawn(move || {
                        let mut group = pool.group().unwrap();
                        for i in 0..20 {
                            let options = TaskOptions::of(PRIORITIES[(producer + i) % 4]);
                            let tasks = (0..37).map(|_| {
                                let count = count.clone();
                                move |_: &Worker| {
                                    count.fetch_add(1, SeqCst);
                                    Ok(())
                                }
                            });
                            group.submit_batch_with(&options, tasks).map_err(|(_, error)| error).unwrap();
                            pool.set_victims(VICTIMS[i % 3]);
                            pool.set_inbox_mode(MODES[(i + producer) % 3]);
                        }
                        group.wait().unwrap();
                    });
                }
            });
            assert_eq!(count.load(SeqCst), 3 * 20 * 37, "{inbox:?} {victims:?}");
        }
    }
}

#[test]
fn a_full_lane_does_what_the_pool_was_told() {
    for when_full in [WhenFull::Error, WhenFull::Block, WhenFull::Run] {
        let balance = Balance { inbox: InboxMode::Shared, ..Balance::default() };
        let pool = Pool::new(&Config { inbox_capacity: 8, when_full, ..config(1, balance) }).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let stopper = Stopper::on(&pool, 0);
        let mut refused = 0;
        for _ in 0..50 {
            let count = count.clone();
            let task = move |_: &Worker| Ok(count.fetch_add(1, SeqCst));
            match pool.submit_with(&TaskOptions::of(Priority::High), task) {
                Ok(future) => drop(future),
                Err(error) => {
                    assert_eq!(error.status(), Status::QueueFull);
                    refused += 1;
                }
            }
        }
        // A lane beside the usual one holds two here.
        assert_eq!(refused, if when_full == WhenFull::Error { 48 } else { 0 });
        drop(stopper);
        pool.wait_all().unwrap();
        assert_eq!(count.load(SeqCst) + refused, 50);
    }
}

/// Ten tasks for worker 0, which is busy; how many of them the free worker 1 has run when nothing more happens.
fn taken_by_the_other(balance: Balance) -> usize {
    let pool = pool(2, Balance { inbox: InboxMode::Shared, ..balance });
    // Work for shard 0: what a worker submits goes to its own.
    pool.set_inbox_mode(InboxMode::Nearest);
    let pool = Arc::new(pool);
    let go_on = Arc::new(AtomicBool::new(false));
    let ran = Arc::new(AtomicUsize::new(0));
    let moved = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(AtomicBool::new(false));
    let first = {
        let (inner, go_on, ran, moved, begun) =
            (pool.clone(), go_on.clone(), ran.clone(), moved.clone(), begun.clone());
        let task = move |_: &Worker| {
            let mut group = inner.group()?;
            for _ in 0..10 {
                let (ran, moved) = (ran.clone(), moved.clone());
                group.submit(move |worker| {
                    ran.fetch_add(1, SeqCst);
                    moved.fetch_add(worker.task_migrations() as usize, SeqCst);
                    assert_eq!(worker.task_migrations() as usize, worker.index());
                    Ok(())
                })?;
            }
            begun.store(true, SeqCst);
            await_that("the busy worker is to be let go", || go_on.load(SeqCst));
            group.wait()
        };
        let options = TaskOptions { binding: Binding::Worker(0), ..TaskOptions::default() };
        pool.submit_with(&options, task).unwrap()
    };
    await_that("the tasks are to be submitted", || begun.load(SeqCst));
    let mut before = usize::MAX;
    while before != ran.load(SeqCst) {
        before = ran.load(SeqCst);
        std::thread::sleep(Duration::from_millis(60));
    }
    go_on.store(true, SeqCst);
    first.get().unwrap();
    assert_eq!(ran.load(SeqCst), 10);
    assert_eq!(moved.load(SeqCst), before, "what was moved is counted");
    before
}

#[test]
fn the_settings_of_balance_do_what_they_say() {
    let usual = Balance::default();
    assert_eq!(taken_by_the_other(usual), 10);
    assert_eq!(taken_by_the_other(Balance { stealing: false, ..usual }), 0);
    assert_eq!(taken_by_the_other(Balance { max_migrations: 0, ..usual }), 0);
    assert_eq!(taken_by_the_other(Balance { max_migrations: 1, ..usual }), 10);
    // The thief stops when two would be left fewer.
    assert_eq!(taken_by_the_other(Balance { min_victim_length: 4, ..usual }), 7);
    // Each task of the usual priority counts 2: the tenth and ninth weigh 4, which is less than 5.
    assert_eq!(taken_by_the_other(Balance { imbalance: 5, ..usual }), 8);
    assert_eq!(taken_by_the_other(Balance { retries: 0, ..usual }), 10);
}

#[test]
fn a_thief_leaves_its_last_victim_alone_for_a_while() {
    let cooldown = Duration::from_millis(20);
    let start = Instant::now();
    let balance = Balance { cooldown_ns: cooldown.as_nanos() as u64, ..Balance::default() };
    assert_eq!(taken_by_the_other(balance), 10);
    assert!(start.elapsed() >= 9 * cooldown);
}

#[test]
fn without_stealing_forks_stay_with_their_worker() {
    fn walk(worker: &Worker, depth: u32) {
        let at = worker.index();
        if depth != 0 {
            let stays = |worker: &Worker| {
                assert_eq!(worker.index(), at);
                walk(worker, depth - 1);
            };
            worker.join(stays, stays);
        }
    }
    let pool = pool(3, Balance { stealing: false, inbox: InboxMode::RoundRobin, ..Balance::default() });
    let futures: Vec<_> = (0..9).map(|_| pool.submit(|worker| walk(worker, 8)).unwrap()).collect();
    futures.into_iter().for_each(|future| future.get().unwrap());
}

#[test]
fn a_pool_ends_with_bound_and_lifted_tasks_in_it() {
    for policy in [WaitPolicy::HelpAny, WaitPolicy::HelpOwn, WaitPolicy::Block] {
        let ran = Arc::new(AtomicUsize::new(0));
        let pool = Pool::new(&Config { wait_policy: policy, ..config(2, Balance::default()) }).unwrap();
        for i in 0..200 {
            let ran = ran.clone();
            let options = TaskOptions { priority: PRIORITIES[i % 4], binding: Binding::Worker(i % 2) };
            let future = pool.submit_with(&options, move |_| Ok(ran.fetch_add(1, SeqCst))).unwrap();
            pool.raise_priority(&future, PRIORITIES[(i / 2) % 4]).unwrap();
        }
        drop(pool);
        assert_eq!(ran.load(SeqCst), 200);
    }
}

fn reserving(lend_after_ns: u64) -> Pool {
    pool(2, Balance { reserved: 1, lend_after_ns, ..Balance::default() })
}

#[test]
fn a_reserved_worker_runs_urgent_tasks_alone() {
    let pool = reserving(u64::MAX);
    let ran = Arc::new(AtomicUsize::new(0));
    let stopper = Stopper::on(&pool, 1);
    let usual: Vec<_> = [Priority::Normal, Priority::Low, Priority::Normal]
        .map(|priority| {
            let ran = ran.clone();
            let task = move |worker: &Worker| {
                ran.fetch_add(1, SeqCst);
                Ok(worker.index())
            };
            pool.submit_with(&TaskOptions::of(priority), task).unwrap()
        })
        .into_iter()
        .collect();
    for priority in [Priority::High, Priority::Max] {
        for _ in 0..50 {
            let urgent = pool.submit_with(&TaskOptions::of(priority), |worker| Ok(worker.index())).unwrap();
            assert_eq!(urgent.get().unwrap(), 0);
        }
    }
    // What is bound to it, and what is forked, it takes as everybody does.
    let bound = TaskOptions { binding: Binding::Worker(0), ..TaskOptions::default() };
    assert_eq!(pool.submit_with(&bound, |worker| Ok(fib(worker, 12))).unwrap().get().unwrap(), 144);
    assert_eq!(ran.load(SeqCst), 0, "no usual task ran");
    drop(stopper);
    usual.into_iter().for_each(|future| assert_eq!(future.get().unwrap(), 1));
}

#[test]
fn a_reserved_worker_is_lent_once_for_each_patience() {
    const PATIENCE: Duration = Duration::from_millis(30);
    let pool = reserving(PATIENCE.as_nanos() as u64);
    let _stopper = Stopper::on(&pool, 1);
    let start = Instant::now();
    let task = move |worker: &Worker| Ok((worker.index(), start.elapsed()));
    let usual: Vec<_> = (0..3).map(|_| pool.submit_with(&TaskOptions::default(), task).unwrap()).collect();
    let mut before = Duration::ZERO;
    for future in usual {
        let (worker, at) = future.get().unwrap();
        assert_eq!(worker, 0);
        assert!(at - before >= PATIENCE, "at {at:?}, after {before:?}");
        before = at;
    }
}

#[test]
fn reserving_what_cannot_be_reserved_is_refused() {
    let refused = |what: &str, config: Config<'_>| {
        let error = Pool::new(&config).map(drop).unwrap_err();
        assert!(error.status() == Status::InvalidArgument && error.message().contains(what), "{}", error.message());
    };
    let reserved = |reserved| Balance { reserved, ..Balance::default() };
    refused("2 workers were to be kept for urgent tasks, of 2", config(2, reserved(2)));
    refused("varies", Config { min_workers: 1, ..config(2, reserved(1)) });
    refused("varies", Config { spare_workers: 1, ..config(2, reserved(1)) });
    refused("stay where they were dealt", config(2, Balance { stealing: false, ..reserved(1) }));
    let set = [Micropool { name: "all", workers: 2, ..Micropool::default() }];
    let error = Micropools::new(&set, &config(0, reserved(1))).map(drop).unwrap_err();
    assert!(error.message().contains("one priority"), "{}", error.message());
}

fn shedding() -> Balance {
    Balance { shedding: true, inbox: InboxMode::RoundRobin, ..Balance::default() }
}

/// A worker that is held up cannot shed, and its tasks are rescued.
#[test]
fn a_pool_that_sheds_runs_every_task_once_whoever_is_held_up() {
    for workers in [1, 2, 4] {
        let pool = pool(workers, shedding());
        let stopper = (workers > 1).then(|| Stopper::on(&pool, 0));
        let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..2000).map(|_| AtomicUsize::new(0)).collect());
        let mut group = pool.group().unwrap();
        for i in 0..runs.len() {
            let runs = runs.clone();
            let options = TaskOptions::of(PRIORITIES[i % 16 % 4]);
            let task = move |_: &Worker| {
                runs[i].fetch_add(1, SeqCst);
                Ok(())
            };
            group.submit_with(&options, task).unwrap();
        }
        group.wait().unwrap();
        assert!(runs.iter().all(|runs| runs.load(SeqCst) == 1));
        drop(stopper);
    }
}

/// Each task of a long backlog submits more to its own worker's shard.
#[test]
fn what_tasks_submit_is_shed_and_runs_once() {
    fn spawn(pool: &Arc<Pool>, ran: &Arc<AtomicUsize>, depth: u32) {
        let (inner, ran) = (pool.clone(), ran.clone());
        let task = move |_: &Worker| {
            ran.fetch_add(1, SeqCst);
            (0..if depth == 0 { 0 } else { 3 }).for_each(|_| spawn(&inner, &ran, depth - 1));
            Ok(())
        };
        drop(pool.submit_with(&TaskOptions::default(), task).unwrap());
    }
    let pool = Arc::new(pool(3, shedding()));
    let ran = Arc::new(AtomicUsize::new(0));
    spawn(&pool, &ran, 7);
    await_that("all are to run", || ran.load(SeqCst) == (3usize.pow(8) - 1) / 2);
    pool.wait_all().unwrap();
    assert_eq!(ran.load(SeqCst), (3usize.pow(8) - 1) / 2);
}

#[test]
fn shedding_where_tasks_stay_is_refused() {
    let balance = Balance { max_migrations: 0, ..shedding() };
    let error = Pool::new(&config(2, balance)).map(drop).unwrap_err();
    assert!(error.status() == Status::InvalidArgument && error.message().contains("shed"), "{}", error.message());
}
