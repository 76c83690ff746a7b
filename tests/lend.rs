//! Threads of the program that lend themselves to a pool.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::error::Status;
use vgpu_pool::parallel::for_range;
use vgpu_pool::pool::{Balance, Binding, Config, Lease, Pinning, Pool, TaskOptions, WaitPolicy, Worker};

fn pool(workers: usize, host_seats: usize) -> Pool {
    Pool::new(&Config { workers, host_seats, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

#[test]
fn a_lent_thread_works_while_all_others_are_busy() {
    let pool = pool(1, 1);
    assert_eq!(pool.workers(), 2);
    let lease = Lease::new();
    thread::scope(|scope| {
        // The pool's own worker stands still until the lent one has done something.
        let barrier = Arc::new(Barrier::new(2));
        let theirs = barrier.clone();
        let busy = pool.submit(move |worker| (worker.index(), theirs.wait().is_leader())).unwrap();
        let lent = scope.spawn(|| pool.lend(&lease, None));
        let helped =
            pool.submit(move |worker| (worker.index(), barrier.wait().is_leader(), thread::current().id())).unwrap();
        let ((own, _), (other, _, on)) = (busy.get().unwrap(), helped.get().unwrap());
        assert_eq!(own + other, 1, "one each");
        assert!(own == 0 || on != lent.thread().id());
        pool.end_lease(&lease);
        assert!(lent.join().unwrap().is_ok());
    });
    assert!(lease.is_ended());
    // What has ended stays so.
    pool.lend(&lease, None).unwrap();
    pool.end_lease(&lease);
}

#[test]
fn forks_and_loops_reach_lent_threads() {
    let pool = pool(1, 2);
    let lease = Lease::new();
    let seen: [AtomicUsize; 3] = Default::default();
    fn fib(worker: &Worker, n: u64, seen: &[AtomicUsize; 3]) -> u64 {
        seen[worker.index()].fetch_add(1, SeqCst);
        if n < 2 {
            return n;
        }
        let (a, b) = worker.join(|w| fib(w, n - 1, seen), |w| fib(w, n - 2, seen));
        a + b
    }
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| pool.lend(&lease, None).unwrap());
        }
        let begin = Instant::now();
        while seen.iter().any(|count| count.load(SeqCst) == 0) && begin.elapsed() < Duration::from_secs(30) {
            assert_eq!(pool.run(|worker| Ok(fib(worker, 18, &seen))).unwrap(), 2584);
            for_range(Some(&pool), 0..1000, 1, |worker, _| {
                seen[worker.unwrap().index()].fetch_add(1, SeqCst);
                Ok(())
            })
            .unwrap();
        }
        pool.end_lease(&lease);
    });
    assert!(seen.iter().all(|count| count.load(SeqCst) > 0), "{seen:?}");
}

#[test]
fn seats_are_counted_and_used_again_and_nothing_waits_for_an_empty_one() {
    let pool = pool(1, 1);
    let millisecond = Some(Duration::from_millis(1));
    for _ in 0..50 {
        // Nobody sits there; then somebody for a moment, in the middle of work or not.
        let total = Arc::new(AtomicUsize::new(0));
        let count = total.clone();
        let futures: Vec<_> = (0..20)
            .map(|_| {
                let count = count.clone();
                pool.submit(move |_| count.fetch_add(1, SeqCst)).unwrap()
            })
            .collect();
        assert_eq!(pool.lend(&Lease::new(), millisecond).unwrap_err().status(), Status::TimedOut);
        for future in futures {
            future.get().unwrap();
        }
        assert_eq!(total.load(SeqCst), 20);
    }
    let lease = Lease::new();
    thread::scope(|scope| {
        let lent = scope.spawn(|| {
            loop {
                match pool.lend(&lease, None) {
                    Err(error) if error.status() == Status::AlreadyStarted => thread::yield_now(),
                    result => return result,
                }
            }
        });
        let begin = Instant::now();
        let mut status = Status::TimedOut;
        while status == Status::TimedOut && begin.elapsed() < Duration::from_secs(30) {
            status = pool.lend(&Lease::new(), millisecond).unwrap_err().status();
        }
        assert_eq!(status, Status::AlreadyStarted);
        // A worker cannot be lent to its own pool; and one of another can.
        let inside = pool.run(|_| Ok(pool.lend(&Lease::new(), None).unwrap_err().status())).unwrap();
        assert_eq!(inside, Status::WouldDeadlock);
        pool.end_lease(&lease);
        lent.join().unwrap().unwrap();
    });
    let other = Pool::new(&Config { workers: 1, ..Config::default() }).unwrap();
    let ran = other.run(|_| Ok(pool.lend(&Lease::new(), millisecond).unwrap_err().status())).unwrap();
    assert_eq!(ran, Status::TimedOut);
    let none = Pool::new(&Config { workers: 1, ..Config::default() }).unwrap();
    assert_eq!(none.lend(&Lease::new(), None).unwrap_err().status(), Status::InvalidArgument);
}

#[test]
fn waits_that_block_come_to_an_end_whoever_is_lent() {
    for policy in [WaitPolicy::Block, WaitPolicy::HelpOwn] {
        let config =
            Config { workers: 2, host_seats: 2, pinning: Pinning::Off, wait_policy: policy, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let lease = Lease::new();
        let depth = |pool: &'static Pool| {
            fn nest(pool: &'static Pool, depth: u32) -> u32 {
                if depth == 0 {
                    return 0;
                }
                // Not run by who waits: the storage is the callers' in a group.
                let mut group = pool.group().unwrap();
                static SUM: AtomicU32 = AtomicU32::new(0);
                for _ in 0..2 {
                    group
                        .submit(move |_| {
                            nest(pool, depth - 1);
                            SUM.fetch_add(1, SeqCst);
                            Ok(())
                        })
                        .unwrap();
                }
                group.wait().unwrap();
                SUM.load(SeqCst)
            }
            pool.submit(move |_| nest(pool, 5)).unwrap().get().unwrap()
        };
        // The pool outlives its tasks, which end before this does.
        let pool: &'static Pool = Box::leak(Box::new(pool));
        assert!(depth(pool) >= 62);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| pool.lend(&lease, None).unwrap());
            }
            for _ in 0..20 {
                depth(pool);
            }
            pool.end_lease(&lease);
        });
    }
}

#[test]
fn what_could_not_work_is_refused() {
    let refused = |config: Config<'_>| Pool::new(&config).unwrap_err().status();
    let shy = Balance { stealing: false, ..Balance::default() };
    assert_eq!(refused(Config { host_seats: 1, balance: shy, ..Config::default() }), Status::InvalidArgument);
    assert_eq!(refused(Config { host_seats: 5000, ..Config::default() }), Status::InvalidArgument);
    let pool = pool(2, 1);
    let bound = TaskOptions { binding: Binding::Worker(2), ..TaskOptions::default() };
    assert_eq!(pool.submit_with(&bound, |_| Ok(())).unwrap_err().status(), Status::InvalidArgument);
    // In a pool whose number of workers varies too, and with spare ones.
    let varying = Config {
        workers: 2,
        min_workers: 1,
        spare_workers: 1,
        host_seats: 1,
        pinning: Pinning::Off,
        ..Config::default()
    };
    let pool = Pool::new(&varying).unwrap();
    assert_eq!(pool.workers(), 4);
    let lease = Lease::new();
    thread::scope(|scope| {
        let lent = scope.spawn(|| pool.lend(&lease, None));
        let by_lent = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        while by_lent.load(SeqCst) == 0 && begin.elapsed() < Duration::from_secs(30) {
            let futures: Vec<_> = (0..64)
                .map(|_| {
                    let by_lent = by_lent.clone();
                    pool.submit(move |worker| {
                        by_lent.fetch_add(usize::from(worker.index() == 3), SeqCst);
                        thread::sleep(Duration::from_micros(200));
                    })
                    .unwrap()
                })
                .collect();
            futures.into_iter().for_each(|future| future.get().unwrap());
        }
        assert!(by_lent.load(SeqCst) > 0, "a lent thread works in a pool whose number of workers varies");
        pool.end_lease(&lease);
        lent.join().unwrap().unwrap();
    });
}
