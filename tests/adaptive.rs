//! Pools whose number of working workers varies, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::error::Status;
use vgpu_pool::pool::{Config, Pinning, Pool, WaitPolicy};

fn config(workers: usize, min_workers: usize, spare_workers: usize) -> Config<'static> {
    Config { workers, min_workers, spare_workers, pinning: Pinning::Off, ..Config::default() }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Occupies so many workers until the sender is dropped.
fn occupy(pool: &Pool, workers: usize) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let begun = Arc::new(AtomicUsize::new(0));
    for _ in 0..workers {
        let (held, begun) = (held.clone(), begun.clone());
        drop(pool.submit(move |_| {
            begun.fetch_add(1, SeqCst);
            assert!(held.lock().unwrap().recv().is_err());
        }));
    }
    until("not all the workers are to be had", || begun.load(SeqCst) == workers);
    release
}

#[test]
fn a_pool_grows_with_the_load_and_shrinks_when_it_is_gone() {
    let pool = Pool::new(&config(4, 1, 0)).unwrap();
    assert_eq!((pool.workers(), pool.active_workers()), (4, 1));
    let release = occupy(&pool, 4);
    assert_eq!(pool.active_workers(), 4);
    drop(release);
    pool.wait_all().unwrap();
    until("the pool does not shrink", || pool.active_workers() == 1);
    // And it grows again.
    drop(occupy(&pool, 3));
    pool.wait_all().unwrap();
    assert!(pool.active_workers() >= 1);
}

#[test]
fn forks_find_workers_that_rest() {
    let pool = Pool::new(&config(2, 1, 0)).unwrap();
    assert_eq!(pool.active_workers(), 1);
    let (tell, told) = mpsc::channel();
    let (mine, other) = pool
        .run(|worker| {
            // The first half waits for the second, which another worker must run.
            Ok(worker
                .join(move |w| (told.recv().unwrap(), w.index()).1, move |w| (tell.send(()).unwrap(), w.index()).1))
        })
        .unwrap();
    assert_ne!(mine, other);
}

#[test]
fn one_worker_does_all_the_work_while_it_can() {
    let pool = Pool::new(&config(4, 1, 0)).unwrap();
    pool.limit_workers(1);
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let mut group = pool.group().unwrap();
    for _ in 0..1000 {
        let seen = seen.clone();
        group.submit(move |worker| Ok(_ = seen.lock().unwrap().insert(worker.index()))).unwrap();
    }
    group.wait().unwrap();
    drop(group);
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([0]));
    assert_eq!(pool.active_workers(), 1);
    pool.limit_workers(0);
    drop(occupy(&pool, 4));
}

#[test]
fn a_limit_makes_busy_workers_rest_when_they_are_done() {
    let pool = Pool::new(&config(3, 1, 0)).unwrap();
    let release = occupy(&pool, 3);
    pool.limit_workers(1);
    assert_eq!(pool.active_workers(), 1);
    drop(release);
    pool.wait_all().unwrap();
    // One that was looking for work when the limit came may find some more. Then all but the first rest.
    until("workers without places go on", || {
        let before = pool.stats().unwrap();
        let mut group = pool.group().unwrap();
        for _ in 0..100 {
            group.submit(|_| Ok(())).unwrap();
        }
        group.wait().unwrap();
        pool.stats().unwrap().since(&before).workers[0].executed == 100
    });
}

#[test]
fn a_task_that_blocks_lends_its_place_to_a_spare_worker() {
    let pool = Pool::new(&config(1, 0, 1)).unwrap();
    assert_eq!((pool.workers(), pool.active_workers()), (2, 1));
    let (tell, told) = mpsc::channel();
    let (in_it, during) = mpsc::channel();
    let blocked = pool
        .submit(move |worker| {
            worker.blocking(|| {
                in_it.send(()).unwrap();
                told.recv().unwrap()
            })
        })
        .unwrap();
    during.recv().unwrap();
    assert_eq!(pool.active_workers(), 2);
    // Nobody else could run this one.
    let helper = pool.submit(move |worker| (tell.send(7).unwrap(), worker.index()).1).unwrap();
    assert_eq!(blocked.get().unwrap(), 7);
    helper.get().unwrap();
    pool.wait_all().unwrap();
    assert_eq!(pool.active_workers(), 1);
}

#[test]
fn a_panic_in_a_blocking_region_ends_the_loan() {
    let pool = Pool::new(&config(1, 0, 1)).unwrap();
    let failed =
        pool.submit(|worker| worker.blocking(|| -> u32 { std::panic::resume_unwind(Box::new("as asked")) })).unwrap();
    assert_eq!(failed.get().map_err(|error| error.status()), Err(Status::Panic));
    pool.wait_all().unwrap();
    assert_eq!(pool.active_workers(), 1);
}

#[test]
fn waits_that_do_not_help_lend_their_places() {
    let pool = Arc::new(Pool::new(&Config { wait_policy: WaitPolicy::Block, ..config(4, 1, 0) }).unwrap());
    pool.limit_workers(1);
    let inner = pool.clone();
    // Each waits for the next, and none of them helps.
    fn chain(pool: &Arc<Pool>, left: u64) -> u64 {
        let inner = pool.clone();
        match left {
            0 => 0,
            _ => pool.submit(move |_| chain(&inner, left - 1)).unwrap().get().unwrap() + 1,
        }
    }
    assert_eq!(pool.submit(move |_| chain(&inner, 10)).unwrap().get().unwrap(), 10);
    pool.wait_all().unwrap();
    assert_eq!(pool.active_workers(), 1);
    until("the tasks keep the pool", || Arc::strong_count(&pool) == 1);
}

#[test]
fn bounds_that_contradict_each_other_are_refused() {
    for wrong in [config(2, 3, 0), config(1, 0, 4096), config(4096, 0, 1)] {
        let error = Pool::new(&wrong).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument, "{error}");
    }
}

/// Everything at once: no task is lost while the number of workers changes. `VGPU_SOAK_MS` says for how long.
#[test]
fn no_task_is_lost_while_places_come_and_go() {
    let time = std::env::var("VGPU_SOAK_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500);
    let pool = Arc::new(Pool::new(&config(4, 1, 2)).unwrap());
    let end = Instant::now() + Duration::from_millis(time);
    let over = Arc::new(AtomicBool::new(false));
    let (limited, stop) = (pool.clone(), over.clone());
    let limiter = thread::spawn(move || {
        let mut random = 7u64;
        while !stop.load(SeqCst) {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            limited.limit_workers((random >> 60) as usize % 6);
            thread::sleep(Duration::from_micros(random >> 54));
        }
    });
    let ran = Arc::new(AtomicU64::new(0));
    let submitters: Vec<_> = (0..2)
        .map(|_| {
            let (pool, ran) = (pool.clone(), ran.clone());
            thread::spawn(move || {
                let mut submitted = 0;
                while Instant::now() < end {
                    let mut group = pool.group().unwrap();
                    for kind in 0..20 {
                        let ran = ran.clone();
                        group
                            .submit(move |worker| {
                                match kind {
                                    0 => worker.blocking(|| thread::sleep(Duration::from_micros(50))),
                                    1..4 => assert_eq!(fib(worker, 8), 21),
                                    _ => {}
                                }
                                ran.fetch_add(1, SeqCst);
                                Ok(())
                            })
                            .unwrap();
                        submitted += 1;
                    }
                    group.wait().unwrap();
                    drop(group);
                    // So that the workers sleep now and then.
                    if submitted % 100 == 0 {
                        thread::sleep(Duration::from_micros(300));
                    }
                }
                submitted
            })
        })
        .collect();
    let submitted: u64 = submitters.into_iter().map(|submitter| submitter.join().unwrap()).sum();
    over.store(true, SeqCst);
    limiter.join().unwrap();
    assert_eq!(ran.load(SeqCst), submitted);
    assert_eq!(pool.stats().unwrap().executed(), submitted);
    pool.limit_workers(0);
    until("the pool does not come to rest", || pool.active_workers() == 1);
}
