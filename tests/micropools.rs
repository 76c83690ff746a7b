//! Micropools on real threads: who runs what, hand-overs in both directions with all places taken, what is refused.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::{Config, Micropool, MicropoolTask, Micropools, Pinning, WhenFull};
use vgpu_pool::topology::{CpuSet, Topology};

fn config() -> Config<'static> {
    Config { pinning: Pinning::Off, ..Config::default() }
}

fn two(places: usize, when_full: WhenFull) -> Micropools {
    let kinds = ["cheap", "dear"].map(|name| Micropool { name, workers: 1, places, ..Micropool::default() });
    Micropools::new(&kinds, &Config { when_full, ..config() }).unwrap()
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

fn name_of_this_thread() -> String {
    std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim().to_owned()
}

fn handed<F>(refused: std::result::Result<(), (Error, MicropoolTask<'_>, F)>) -> Result<()> {
    refused.map_err(|(error, ..)| error)
}

#[test]
fn a_task_runs_where_it_was_sent_and_goes_on_where_it_hands_itself() {
    let mut set = two(4, WhenFull::Block);
    assert_eq!((set.find("cheap"), set.find("dear"), set.find("other")), (Some(0), Some(1), None));
    assert_eq!((set.len(), set.workers(0), set.workers(1), set.workers(2)), (2, 1, 1, 0));
    let seen = Arc::new(Mutex::new(Vec::new()));
    for first in [0, 1] {
        let seen = seen.clone();
        set.submit(first, move |task| {
            assert_eq!(task.micropool(), first);
            let start = name_of_this_thread();
            handed(task.hand_over(1 - first, move |task| {
                assert_eq!(task.micropool(), 1 - first);
                seen.lock().unwrap().push((start, name_of_this_thread()));
                Ok(())
            }))
        })
        .unwrap();
        set.wait_all().unwrap();
    }
    let seen: Vec<_> = seen.lock().unwrap().iter().map(|(a, b)| (a[..4].to_owned(), b[..4].to_owned())).collect();
    assert_eq!(seen, [("chea".into(), "dear".into()), ("dear".into(), "chea".into())]);
}

/// A task that goes back and forth so many times, and counts.
fn bounce(task: MicropoolTask<'_>, left: u32, hops: Arc<AtomicU32>) -> Result<()> {
    hops.fetch_add(1, SeqCst);
    match left {
        0 => Ok(()),
        _ => {
            let to = 1 - task.micropool();
            handed(task.hand_over(to, move |task| bounce(task, left - 1, hops)))
        }
    }
}

#[test]
fn full_micropools_hand_to_each_other_for_ever_and_come_to_an_end() {
    const HOPS: u32 = 20;
    const TASKS: u32 = 2000;
    let hops = Arc::new(AtomicU32::new(0));
    let mut set = two(2, WhenFull::Block);
    std::thread::scope(|scope| {
        for first in [0, 1] {
            let (set, hops) = (&set, &hops);
            scope.spawn(move || {
                for _ in 0..TASKS {
                    let hops = hops.clone();
                    set.submit(first, move |task| bounce(task, HOPS, hops)).unwrap();
                }
            });
        }
    });
    set.wait_all().unwrap();
    assert_eq!(hops.load(SeqCst), 2 * TASKS * (HOPS + 1));
}

#[test]
fn work_too_large_for_its_place_gets_room_of_its_own() {
    let mut set = two(1, WhenFull::Error);
    let sum = Arc::new(AtomicU32::new(0));
    let (large, counted) = ([7u32; 100], sum.clone());
    set.submit(0, move |task| {
        let total: u32 = large.iter().sum();
        handed(task.hand_over(1, move |_| {
            counted.fetch_add(total + large.iter().sum::<u32>(), SeqCst);
            Ok(())
        }))
    })
    .unwrap();
    set.wait_all().unwrap();
    assert_eq!(sum.load(SeqCst), 1400);
    assert_eq!(Arc::strong_count(&sum), 1);
}

#[test]
fn a_full_micropool_refuses_and_leaves_the_other_alone() {
    let mut set = two(2, WhenFull::Error);
    let (go_on, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let submit = |to: usize| {
        let (go_on, done) = (go_on.clone(), done.clone());
        set.submit(to, move |_| {
            await_that("the gate opens", || go_on.load(SeqCst));
            done.fetch_add(1, SeqCst);
            Ok(())
        })
    };
    submit(0).unwrap();
    submit(0).unwrap();
    let error = submit(0).unwrap_err();
    assert_eq!(error.status(), Status::QueueFull);
    assert!(error.to_string().contains("places of micropool 0"), "{error}");
    submit(1).unwrap();
    go_on.store(true, SeqCst);
    set.wait_all().unwrap();
    assert_eq!(done.load(SeqCst), 3);
    // What was refused is dropped, and its place was never taken.
    assert_eq!((Arc::strong_count(&done), Arc::strong_count(&go_on)), (1, 1));
}

#[test]
fn who_waits_for_a_place_gets_one() {
    let mut set = two(1, WhenFull::Block);
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..500 {
        let done = done.clone();
        set.submit(0, move |_| {
            done.fetch_add(1, SeqCst);
            Ok(())
        })
        .unwrap();
    }
    set.wait_all().unwrap();
    assert_eq!(done.load(SeqCst), 500);
}

#[test]
fn a_task_that_submits_is_refused_and_never_waits() {
    let mut set = two(1, WhenFull::Block);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let results = seen.clone();
    set.submit(0, move |task| {
        let counted = results.clone();
        let own = task.submit(0, |_| Ok(())).map_err(|error| error.status());
        let other = task.submit(1, move |_| {
            counted.lock().unwrap().push(Ok(()));
            Ok(())
        });
        let other = other.map_err(|error| error.status());
        results.lock().unwrap().extend([own, other]);
        Ok(())
    })
    .unwrap();
    set.wait_all().unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|result| result.is_ok());
    assert_eq!(seen, [Err(Status::QueueFull), Ok(()), Ok(())]);
}

#[test]
fn failures_are_told_and_free_their_places() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let mut set = two(1, WhenFull::Block);
    let dropped = Arc::new(AtomicUsize::new(0));
    for round in 0..20 {
        let kept = Dropped(dropped.clone());
        set.submit(0, move |task| {
            let next = move |_: MicropoolTask<'_>| {
                drop(kept);
                Ok(())
            };
            handed(task.hand_over(1, next))?;
            match round % 2 {
                0 => panic!("as asked"),
                _ => Err(Error::new(Status::TaskFailed, format_args!("as asked too"))),
            }
        })
        .unwrap();
        let error = set.wait_all().unwrap_err();
        assert_eq!(error.status(), if round % 2 == 0 { Status::Panic } else { Status::TaskFailed });
        assert!(error.to_string().contains("as asked"), "{error}");
        // What it had handed over before it failed is dropped.
        assert_eq!(dropped.load(SeqCst), round + 1);
        set.wait_all().unwrap();
    }
}

#[test]
fn a_refused_hand_over_gives_everything_back() {
    let mut set = two(1, WhenFull::Block);
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    set.submit(0, move |task| {
        let next = move |task: MicropoolTask<'_>| {
            counted.fetch_add(1 + task.micropool(), SeqCst);
            Ok(())
        };
        let Err((error, task, next)) = task.hand_over(2, next) else { panic!("there is no micropool 2") };
        assert_eq!(error.status(), Status::InvalidArgument);
        assert!(error.to_string().contains("micropool 2"), "{error}");
        handed(task.hand_over(1, next))
    })
    .unwrap();
    set.wait_all().unwrap();
    assert_eq!(done.load(SeqCst), 2);
    assert_eq!(set.submit(2, |_| Ok(())).unwrap_err().status(), Status::InvalidArgument);
}

#[test]
fn a_task_forks_within_its_micropool() {
    let kinds = ["a", "b"].map(|name| Micropool { name, workers: 2, places: 4, ..Micropool::default() });
    let mut set = Micropools::new(&kinds, &config()).unwrap();
    let sum = Arc::new(AtomicUsize::new(0));
    for micropool in [0, 1] {
        let sum = sum.clone();
        set.submit(micropool, move |task| {
            let (a, b) = task.worker().join(|_| 1, |_| 2);
            sum.fetch_add(a + b, SeqCst);
            Ok(())
        })
        .unwrap();
    }
    set.wait_all().unwrap();
    assert_eq!(sum.load(SeqCst), 6);
    // A task is counted as executed a moment after the set counts it off.
    let executed = || set.stats(1).unwrap().workers.iter().map(|worker| worker.executed).sum::<u64>();
    await_that("the count of what was executed", || executed() == 1);
}

#[test]
fn dropping_a_set_runs_what_is_in_it() {
    for _ in 0..50 {
        let hops = Arc::new(AtomicU32::new(0));
        let set = two(8, WhenFull::Block);
        for first in 0..16 {
            let hops = hops.clone();
            set.submit(first % 2, move |task| bounce(task, 5, hops)).unwrap();
        }
        drop(set);
        assert_eq!(hops.load(SeqCst), 16 * 6);
    }
}

#[test]
fn workers_are_pinned_to_the_cpus_of_their_micropool() {
    let topology = Topology::detect(Allocator::SYSTEM).unwrap();
    let mut last = CpuSet::new(Allocator::SYSTEM);
    let cpu = topology.cpus().last().unwrap().number;
    last.insert(cpu).unwrap();
    let kinds = [
        Micropool { name: "chosen", workers: 1, cpus: Some(&last), places: 4 },
        Micropool { name: "other", workers: 1, ..Micropool::default() },
    ];
    let mut set = Micropools::new(&kinds, &Config { pinning: Pinning::Required, ..Config::default() }).unwrap();
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let on = seen.clone();
    let look = move |_: MicropoolTask<'_>| {
        // SAFETY: no arguments.
        on.store(unsafe { libc::sched_getcpu() } as usize, SeqCst);
        Ok(())
    };
    set.submit(0, look).unwrap();
    set.wait_all().unwrap();
    assert_eq!(seen.load(SeqCst), cpu as usize);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let good = Micropool { name: "a", workers: 1, ..Micropool::default() };
    let nowhere = CpuSet::new(Allocator::SYSTEM);
    let refused = |micropools: &[Micropool<'_>], config: &Config<'_>, says: &str| {
        let error = Micropools::new(micropools, config).map(drop).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(&[], &config(), "at least one");
    refused(&[good, good], &config(), "two micropools are called a");
    refused(&[Micropool { name: "", ..good }], &config(), "no name");
    refused(&[Micropool { cpus: Some(&nowhere), ..good }], &config(), "no CPUs");
    refused(&[Micropool { places: usize::MAX, ..good }, Micropool { name: "b", ..good }], &config(), "places");
    refused(&[good], &Config { when_full: WhenFull::Run, ..config() }, "full micropool");
    let topology = Topology::detect(Allocator::SYSTEM).unwrap();
    refused(&[good], &Config { topology: Some(&topology), ..config() }, "topology");
}
