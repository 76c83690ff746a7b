//! The statistics of a pool, and what its report makes of them, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::pool::{Config, Distance, Pinning, Pool, Stats, WaitPolicy, WhenFull};

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn sum(stats: &Stats, of: impl Fn(&vgpu_pool::pool::WorkerStats) -> u64) -> u64 {
    stats.workers.iter().map(of).sum()
}

#[test]
fn tasks_are_counted_when_they_are_waited_for_and_not_later() {
    let pool = pool(2);
    for round in 1..=50 {
        pool.submit(|_| ()).unwrap().get().unwrap();
        let mut group = pool.group().unwrap();
        for _ in 0..10 {
            group.submit(|_| Ok(())).unwrap();
        }
        group.wait().unwrap();
        assert_eq!(pool.stats().unwrap().executed(), round * 11);
    }
}

#[test]
fn a_cancelled_task_is_not_counted() {
    let pool = pool(1);
    let (begun, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (inside, wait) = (begun.clone(), go_on.clone());
    let first = pool
        .submit(move |_| {
            inside.store(true, SeqCst);
            until("nobody let the task go on", || wait.load(SeqCst));
        })
        .unwrap();
    until("the task does not begin", || begun.load(SeqCst));
    let second = pool.submit(|_| ()).unwrap();
    assert!(second.cancel());
    go_on.store(true, SeqCst);
    first.get().unwrap();
    pool.wait_all().unwrap();
    assert_eq!(pool.stats().unwrap().executed(), 1);
}

#[test]
fn every_public_job_is_taken_back_or_stolen() {
    let pool = pool(3);
    for _ in 0..20 {
        assert_eq!(pool.run(|worker| Ok(fib(worker, 18))).unwrap(), 2584);
    }
    let stats = pool.stats().unwrap();
    let (promoted, reclaimed) = (sum(&stats, |own| own.promoted), sum(&stats, |own| own.reclaimed));
    let stolen = sum(&stats, |own| own.all_steals().done);
    assert!(promoted > 0);
    assert_eq!(promoted, reclaimed + stolen);
    // Unpinned workers are nowhere in particular.
    assert_eq!(stolen, sum(&stats, |own| own.steals[Distance::Unknown as usize].done));
    assert!(stats.workers.iter().any(|own| own.deque_high_water >= 1));
    assert!(sum(&stats, |own| own.all_steals().tried) >= stolen);
}

#[test]
fn a_theft_between_pinned_workers_has_a_distance() {
    let pool = Pool::new(&Config { workers: 2, ..Config::default() }).unwrap();
    if pool.unpinned_workers() != 0 {
        return;
    }
    let both = Barrier::new(2);
    pool.run(|worker| {
        worker.join(|_| both.wait(), |_| both.wait());
        Ok(())
    })
    .unwrap();
    let stats = pool.stats().unwrap();
    assert_eq!(sum(&stats, |own| own.all_steals().done), 1);
    assert_eq!(sum(&stats, |own| own.steals[Distance::Unknown as usize].tried), 0);
    assert!(stats.workers.iter().all(|own| own.cpu.is_some()));
}

#[test]
fn a_task_that_another_worker_takes_has_migrated() {
    let pool = pool(2);
    let both = Arc::new(Barrier::new(2));
    // Queued at the worker that submits it, which then does not come back before it is run: only the other can take it.
    let core = Arc::new(pool);
    let inner = core.clone();
    let (first, second) = core
        .submit(move |worker| {
            let meet = both.clone();
            let other = inner.submit(move |worker| (meet.wait(), worker.index()).1).unwrap();
            both.wait();
            (worker.index(), other.get().unwrap())
        })
        .unwrap()
        .get()
        .unwrap();
    assert_ne!(first, second);
    let stats = core.stats().unwrap();
    assert!(stats.workers[second].migrations >= 1, "{stats:?}");
    core.wait_all().unwrap();
    while Arc::strong_count(&core) != 1 {
        thread::yield_now();
    }
}

#[test]
fn an_idle_worker_sleeps_and_the_time_is_told_while_it_lasts() {
    let pool = pool(2);
    until("the workers do not go to sleep", || pool.stats().unwrap().workers.iter().all(|own| own.parks > 0));
    let before = pool.stats().unwrap();
    thread::sleep(Duration::from_millis(200));
    let during = pool.stats().unwrap().since(&before);
    for own in during.workers.iter() {
        assert_eq!((own.parks, own.wakeups), (0, 0), "{own:?}");
        assert!(own.sleeping_ns * 10 >= during.elapsed_ns * 9, "{own:?} of {}", during.elapsed_ns);
        assert!(own.sleeping_ns <= during.elapsed_ns + 2, "{own:?} of {}", during.elapsed_ns);
    }
    pool.submit(|_| ()).unwrap().get().unwrap();
    let after = pool.stats().unwrap().since(&before);
    assert!(sum(&after, |own| own.wakeups) >= 1);
}

#[test]
fn what_a_full_inbox_makes_the_submitter_run_is_counted_apart() {
    let config =
        Config { workers: 1, pinning: Pinning::Off, inbox_capacity: 2, when_full: WhenFull::Run, ..Config::default() };
    let pool = Pool::new(&config).unwrap();
    let release = Arc::new(AtomicBool::new(false));
    let (held, begun) = (release.clone(), Arc::new(AtomicBool::new(false)));
    let inside = begun.clone();
    let first = pool
        .submit(move |_| {
            inside.store(true, SeqCst);
            until("never released", || held.load(SeqCst));
        })
        .unwrap();
    until("the task does not begin", || begun.load(SeqCst));
    let ran = Arc::new(AtomicUsize::new(0));
    let mut group = pool.group().unwrap();
    for _ in 0..20 {
        let ran = ran.clone();
        group.submit(move |_| Ok(_ = ran.fetch_add(1, SeqCst))).unwrap();
    }
    let outside = pool.stats().unwrap().executed_outside;
    // Two fit the inbox.
    assert_eq!(outside, 18);
    assert_eq!(ran.load(SeqCst) as u64, outside);
    release.store(true, SeqCst);
    group.wait().unwrap();
    first.get().unwrap();
    assert_eq!(pool.stats().unwrap().executed(), 21);
    let report = pool.report().unwrap().to_string();
    assert!(report.contains(&format!("submitting threads ran {outside} tasks")), "{report}");
}

/// Keeps the calling worker busy.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn the_report_names_the_worker_that_has_all_the_work_and_one_that_has_none() {
    let pool = pool(3);
    let busy = pool.submit(|worker| (spin(Duration::from_millis(400)), worker.index()).1).unwrap().get().unwrap();
    let report = pool.report().unwrap().to_string();
    let line = report.lines().find(|line| line.starts_with("- worker")).unwrap_or_else(|| panic!("{report}"));
    assert!(line.contains(&format!("while worker {busy} was busy")), "{line}");
    assert!(!line.starts_with(&format!("- worker {busy} ")), "{line}");
    assert!(line.contains("there was nothing to take from it"), "{line}");
}

#[test]
fn the_report_names_the_worker_that_holds_tasks_and_the_one_that_may_not_help() {
    let config = Config { workers: 2, pinning: Pinning::Off, wait_policy: WaitPolicy::Block, ..Config::default() };
    let pool = Arc::new(Pool::new(&config).unwrap());
    let release = Arc::new(AtomicBool::new(false));
    let inner = pool.clone();
    // One worker spins with a long queue of its own; the other waits for it, and its wait does not help.
    let (spinner, held) = (release.clone(), Arc::new(AtomicUsize::new(usize::MAX)));
    let holder = held.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let long = pool
        .submit(move |worker| {
            let waiter: Arc<AtomicBool> = told.recv().unwrap();
            until("the waiter has not begun", || waiter.load(SeqCst));
            let mut futures = Vec::new();
            for _ in 0..412 {
                futures.push(inner.submit(|_| ()).unwrap());
            }
            holder.store(worker.index(), SeqCst);
            let start = Instant::now();
            while !spinner.load(SeqCst) {
                assert!(start.elapsed() < Duration::from_secs(60));
                std::hint::spin_loop();
            }
            futures
        })
        .unwrap();
    let begun = Arc::new(AtomicBool::new(false));
    let signal = begun.clone();
    let waiter = pool
        .submit(move |worker| {
            signal.store(true, SeqCst);
            long.wait().unwrap();
            (worker.index(), long)
        })
        .unwrap();
    tell.send(begun).unwrap();
    until("the tasks are not queued", || held.load(SeqCst) != usize::MAX);
    thread::sleep(Duration::from_millis(500));
    let report = pool.report().unwrap().to_string();
    release.store(true, SeqCst);
    let (waited, long) = waiter.get().unwrap();
    drop(long.get().unwrap());
    pool.wait_all().unwrap();
    let holder = held.load(SeqCst);
    assert_ne!(waited, holder);
    assert!(
        report.contains(&format!("- worker {waited} slept"))
            && report.contains(&format!("while worker {holder} held 412 tasks")),
        "{report}"
    );
    while Arc::strong_count(&pool) != 1 {
        thread::yield_now();
    }
}

#[test]
fn a_pool_that_does_nothing_has_nothing_to_report() {
    let pool = pool(2);
    thread::sleep(Duration::from_millis(50));
    let report = pool.report().unwrap().to_string();
    assert!(report.ends_with("- nothing stands out.\n"), "{report}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_finds_itself_elsewhere_goes_back() {
    use vgpu_pool::os::affinity;
    use vgpu_pool::os::alloc::Allocator;
    let allowed = affinity::allowed_cpus(Allocator::SYSTEM).unwrap();
    let cpus: Vec<u32> =
        (0..allowed.len() as u32 * 64).filter(|&cpu| allowed[cpu as usize / 64] >> (cpu % 64) & 1 != 0).collect();
    let pool = Pool::new(&Config { workers: 1, ..Config::default() }).unwrap();
    let Some(home) = pool.stats().unwrap().workers[0].cpu else { return };
    let Some(&away) = cpus.iter().find(|&&cpu| cpu != home) else { return };
    pool.submit(move |_| affinity::pin_to_cpu(away).unwrap()).unwrap().get().unwrap();
    // It looks around when it has slept.
    until("the worker stays away", || {
        pool.submit(|_| ()).unwrap().get().unwrap();
        thread::sleep(Duration::from_millis(5));
        pool.stats().unwrap().workers[0].pin_repairs != 0
    });
    assert!(pool.submit(move |_| affinity::is_pinned_to(home).unwrap()).unwrap().get().unwrap());
    let report = pool.report().unwrap().to_string();
    assert!(report.contains("- worker 0 was found off its CPU 1 times"), "{report}");
}
