//! Loops, reductions, scans, sorting and n-ary forks, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use quickcheck::{Arbitrary, Gen, QuickCheck, TestResult};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::parallel;
use vgpu_pool::pool::{Config, Pinning, Pool, WhenFull, Worker};

const MOST_WORKERS: usize = 4;

/// Pools of 1 to 4 workers, for the tests whose bodies wait for nobody; two others could wait for each other's worker.
static POOLS: LazyLock<Vec<Pool>> = LazyLock::new(|| (1..=MOST_WORKERS).map(pool).collect());

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

/// No pool, and each of the pools.
fn places() -> impl Iterator<Item = Option<&'static Pool>> {
    [None].into_iter().chain(POOLS.iter().map(Some))
}

fn failure(text: &str) -> Error {
    Error::new(Status::TaskFailed, format_args!("{text}"))
}

fn counters(len: usize) -> Vec<AtomicUsize> {
    (0..len).map(|_| AtomicUsize::new(0)).collect()
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, SeqCst);
}

fn counts(counters: &[AtomicUsize]) -> Vec<usize> {
    counters.iter().map(|counter| counter.load(SeqCst)).collect()
}

/// Waits for something that another thread will do.
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        thread::yield_now();
    }
}

/// A place among `places`, a length and a grain; lengths around those at which loops do something else.
#[derive(Clone, Copy, Debug)]
struct Case {
    place: usize,
    len: usize,
    grain: usize,
}

impl Case {
    fn pool(&self) -> Option<&'static Pool> {
        places().nth(self.place).unwrap()
    }
}

impl Arbitrary for Case {
    fn arbitrary(g: &mut Gen) -> Case {
        let most = *g.choose(&[3, 20, 300, 5000]).unwrap();
        let len = usize::arbitrary(g) % most;
        let grain = *g.choose(&[0, 0, 1, 2, 7, len / 3, len, usize::MAX]).unwrap();
        Case { place: usize::arbitrary(g) % (MOST_WORKERS + 1), len, grain }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Case>> {
        let case = *self;
        Box::new(case.len.shrink().map(move |len| Case { len, ..case }))
    }
}

fn check<A: quickcheck::Testable>(property: A) {
    QuickCheck::new().tests(200).quickcheck(property);
}

// ---- loops ----

#[test]
fn a_loop_runs_each_index_once() {
    fn property(case: Case, start: usize) -> bool {
        let start = start % 1000;
        let ran = counters(case.len);
        parallel::for_range(case.pool(), start..start + case.len, case.grain, |_, piece| {
            assert!(!piece.is_empty() && (case.grain == 0 || piece.len() <= case.grain));
            piece.for_each(|i| count(&ran[i - start]));
            Ok(())
        })
        .unwrap();
        counts(&ran).iter().all(|count| *count == 1)
    }
    check(property as fn(Case, usize) -> bool);
}

/// Without a pool, and on a worker that nobody can steal from.
#[test]
fn a_loop_that_nobody_shares_runs_in_order() {
    for pool in [None, Some(&POOLS[0])] {
        for (grain, expected) in [(0, &[(3, 13)][..]), (4, &[(3, 7), (7, 11), (11, 13)]), (usize::MAX, &[(3, 13)])] {
            let pieces = Mutex::new(vec![]);
            parallel::for_range(pool, 3..13, grain, |_, piece| {
                pieces.lock().unwrap().push((piece.start, piece.end));
                Ok(())
            })
            .unwrap();
            assert_eq!(pieces.into_inner().unwrap(), expected);
        }
    }
}

#[test]
fn an_adaptive_loop_over_uneven_work_runs_each_index_once() {
    let len = 3000;
    let busy = [|i: usize| i % 100 == 7, |i: usize| i < 50, |i: usize| i > 2950, |i: usize| (1000..1050).contains(&i)];
    for pool in &*POOLS {
        for is_busy in busy {
            let ran = counters(len);
            parallel::for_range(Some(pool), 0..len, 0, |_, piece| {
                for i in piece {
                    if is_busy(i) {
                        thread::sleep(Duration::from_micros(50));
                    }
                    ran[i].fetch_add(1, SeqCst);
                }
                Ok(())
            })
            .unwrap();
            assert_eq!(counts(&ran), vec![1; len]);
        }
    }
}

/// Every worker waits in its first piece for all others to have one.
#[test]
fn an_adaptive_loop_reaches_every_worker() {
    for workers in 1..=MOST_WORKERS {
        let pool = &pool(workers);
        let arrived = Mutex::new(HashSet::new());
        parallel::for_range(Some(pool), 0..64, 0, |worker, _| {
            arrived.lock().unwrap().insert(worker.unwrap().index());
            await_that("that every worker has a piece", || arrived.lock().unwrap().len() == workers);
            Ok(())
        })
        .unwrap();
    }
}

/// While a worker is in a piece, the half that it has offered is stolen. At its next look it must offer more.
#[test]
fn an_adaptive_loop_offers_more_after_each_theft() {
    let owner = AtomicUsize::new(usize::MAX);
    let owners_pieces = AtomicUsize::new(0);
    // Thefts, and where the last piece of the thief ended: the pieces of one stolen range follow each other.
    let thief = Mutex::new((0, 0));
    parallel::for_range(Some(&pool(2)), 0..1 << 12, 0, |worker, piece| {
        let index = worker.unwrap().index();
        if piece.start == 0 {
            owner.store(index, SeqCst);
        }
        if owner.load(SeqCst) == index {
            let number = owners_pieces.fetch_add(1, SeqCst);
            if number < 5 {
                await_that("a theft", || thief.lock().unwrap().0 > number);
                thread::sleep(Duration::from_millis(1));
            }
        } else {
            let (thefts, end) = &mut *thief.lock().unwrap();
            *thefts += usize::from(piece.start != *end);
            *end = piece.end;
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn adaptive_pieces_are_long_where_indices_are_cheap_and_short_where_they_are_heavy() {
    for pool in &POOLS[1..] {
        let (pieces, len) = (AtomicUsize::new(0), 1 << 20);
        parallel::for_range(Some(pool), 0..len, 0, |_, piece| {
            pieces.fetch_add(1, SeqCst);
            std::hint::black_box(piece);
            Ok(())
        })
        .unwrap();
        assert!(pieces.into_inner() < len / 16);

        parallel::for_range(Some(pool), 0..40, 0, |_, piece| {
            assert_eq!(piece.len(), 1);
            thread::sleep(Duration::from_millis(1));
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_loop_over_all_numbers_ends() {
    for pool in places() {
        for grain in [0, usize::MAX, usize::MAX / 3] {
            let covered = AtomicUsize::new(0);
            parallel::for_range(pool, 0..usize::MAX, grain, |_, piece| {
                covered.fetch_add(piece.len(), SeqCst);
                Ok(())
            })
            .unwrap();
            assert_eq!(covered.into_inner(), usize::MAX);
        }
    }
}

#[test]
fn a_failing_index_ends_the_loop_and_none_is_run_twice() {
    fn property(case: Case, at: usize) -> TestResult {
        if case.len == 0 {
            return TestResult::discard();
        }
        let at = at % case.len;
        let ran = counters(case.len);
        let error = parallel::for_range(case.pool(), 0..case.len, case.grain, |_, piece| {
            for i in piece {
                ran[i].fetch_add(1, SeqCst);
                if i == at {
                    return Err(failure("this one"));
                }
            }
            Ok(())
        })
        .unwrap_err();
        let ran = counts(&ran);
        assert_eq!((error.message(), ran[at]), ("this one", 1));
        if case.pool().is_none() {
            assert_eq!(ran.iter().sum::<usize>(), at + 1, "in order, and nothing after");
        }
        TestResult::from_bool(ran.iter().all(|count| *count <= 1))
    }
    check(property as fn(Case, usize) -> TestResult);
}

#[test]
fn a_failure_and_a_panic_keep_the_other_workers_from_going_on() {
    let pool = &pool(2);
    for (grain, panics) in [(0, false), (0, true), (1, false), (1, true)] {
        let (others, len) = (AtomicUsize::new(0), 2000);
        let error = parallel::for_range(Some(pool), 0..len, grain, |_, piece| {
            if piece.start == 0 {
                await_that("that the other worker takes part", || others.load(SeqCst) > 0);
                assert!(!panics, "index zero");
                return Err(failure("index zero"));
            }
            others.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_millis(1));
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.status(), if panics { Status::Panic } else { Status::TaskFailed });
        assert!(error.message().contains("index zero"), "{error}");
        assert!(others.into_inner() < len / 4);
    }
}

#[test]
fn a_panic_on_a_worker_comes_out_of_its_loop_as_it_is() {
    for pool in &*POOLS {
        for grain in [0, 3] {
            let payload = pool
                .run(|worker| {
                    let body = |_: &Worker, piece: Range<usize>| {
                        assert!(!piece.contains(&77), "seventy-seven");
                        Ok(())
                    };
                    Ok(catch_unwind(AssertUnwindSafe(|| parallel::for_range_on(worker, 0..100, grain, body))))
                })
                .unwrap()
                .unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"seventy-seven"));
        }
    }
}

// ---- reductions ----

/// The documented tree, written down again.
fn tree(range: Range<usize>, grain: usize) -> String {
    if range.len() <= grain {
        return format!("{}-{}", range.start, range.end);
    }
    let middle = range.start + range.len().div_ceil(grain) / 2 * grain;
    format!("({} {})", tree(range.start..middle, grain), tree(middle..range.end, grain))
}

fn shape(pool: Option<&Pool>, range: Range<usize>, grain: usize) -> String {
    parallel::reduce(
        pool,
        range,
        grain,
        "nothing".to_string(),
        |_, piece| Ok(format!("{}-{}", piece.start, piece.end)),
        |left, right| Ok(format!("({left} {right})")),
    )
    .unwrap()
}

#[test]
fn a_reduction_is_the_tree_that_range_and_grain_decide() {
    fn property(case: Case, start: usize) -> bool {
        let start = start % 1000;
        let range = start..start + case.len;
        let found = shape(case.pool(), range.clone(), case.grain);
        match case.grain {
            _ if range.is_empty() => found == "nothing",
            0 => found == shape(None, range, 0),
            grain => found == tree(range, grain),
        }
    }
    check(property as fn(Case, usize) -> bool);
}

#[test]
fn a_reduction_by_itself_has_enough_pieces_and_not_too_many() {
    let pieces = |len| parallel::reduce(None, 0..len, 0, 0, |_, _| Ok(1), |a, b| Ok(a + b)).unwrap();
    for len in [1, 2, 3, 10, 16] {
        assert_eq!(pieces(len), len);
    }
    for len in [100, 1000, 12345, 1 << 20, 123_456_789, usize::MAX] {
        assert!((50.min(len)..=1024).contains(&pieces(len)), "{len}: {}", pieces(len));
    }
}

#[test]
fn a_sum_of_floats_has_the_same_bits_everywhere() {
    for len in [1, 1000, 100_000] {
        let numbers: Vec<f64> = (0..len).map(|i| 1.0 / (i as f64 + 0.1) - 0.3 * (i % 7) as f64).collect();
        let part = |piece: Range<usize>| numbers[piece].iter().sum::<f64>();
        for grain in [0, 1, 37] {
            let sum = |pool| parallel::reduce(pool, 0..len, grain, 0.0, |_, piece| Ok(part(piece)), |a, b| Ok(a + b));
            let expected = sum(None).unwrap();
            assert!((expected - part(0..len)).abs() < 1e-6 * expected.abs().max(1.0));
            for pool in &*POOLS {
                for _ in 0..20 {
                    assert_eq!(sum(Some(pool)).unwrap().to_bits(), expected.to_bits());
                }
                let on_worker = pool.run(|worker| {
                    parallel::reduce_on(worker, 0..len, grain, 0.0, |_, piece| Ok(part(piece)), |a, b| Ok(a + b))
                });
                assert_eq!(on_worker.unwrap().to_bits(), expected.to_bits());
            }
        }
    }
}

#[test]
fn failures_and_panics_of_a_reduction_come_out() {
    for pool in &*POOLS {
        for what in ["map", "combine"] {
            for panics in [false, true] {
                let fail = |here: &str, is_it: bool| {
                    let fails = here == what && is_it;
                    assert!(!(fails && panics), "{what} panicked");
                    if fails { Err(failure(&format!("{what} failed"))) } else { Ok(()) }
                };
                let result = parallel::reduce(
                    Some(pool),
                    0..500,
                    3,
                    0,
                    |_, piece| fail("map", piece.contains(&300)).map(|()| piece.len()),
                    |a, b| fail("combine", a + b > 100).map(|()| a + b),
                );
                let error = result.unwrap_err();
                assert_eq!(error.status(), if panics { Status::Panic } else { Status::TaskFailed });
                assert!(error.message().contains(what), "{error}");
            }
        }
    }
}

#[test]
fn a_failed_reduction_drops_each_value_once() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    for pool in &*POOLS {
        for failing in [usize::MAX, 200] {
            let (made, dropped) = (AtomicUsize::new(1), AtomicUsize::new(0));
            let value = || {
                made.fetch_add(1, SeqCst);
                Counted(&dropped)
            };
            let map = |_: Option<&Worker>, piece: Range<usize>| match piece.start {
                start if start == failing => Err(failure("no value")),
                _ => Ok(value()),
            };
            let result = parallel::reduce(Some(pool), 0..500, 1, Counted(&dropped), map, |a, _| Ok(a));
            assert_eq!(result.is_err(), failing == 200);
            drop(result);
            assert_eq!(dropped.into_inner(), made.into_inner());
        }
    }
}

// ---- scans ----

#[test]
fn scans_in_place_are_those_of_a_loop() {
    fn property(case: Case, seed: u64) -> bool {
        // Composition of x -> a x + b: associative, and the order matters.
        type Affine = (u64, u64);
        let compose = |f: &Affine, g: &Affine| (f.0.wrapping_mul(g.0), f.1.wrapping_mul(g.0).wrapping_add(g.1));
        let items: Vec<Affine> = (0..case.len as u64).map(|i| (seed.wrapping_mul(i) | 1, seed ^ i)).collect();
        let first = (3, seed);

        let mut inclusive = items.clone();
        parallel::inclusive_scan(case.pool(), &mut inclusive, case.grain, compose).unwrap();
        let mut exclusive = items.clone();
        parallel::exclusive_scan(case.pool(), &mut exclusive, case.grain, first, compose).unwrap();

        let running = |start: Option<Affine>| {
            items.iter().scan(start, move |sum, item| {
                *sum = Some(sum.map_or(*item, |sum| compose(&sum, item)));
                *sum
            })
        };
        let before = [first].into_iter().chain(running(Some(first))).take(items.len());
        inclusive == running(None).collect::<Vec<_>>() && exclusive == before.collect::<Vec<_>>()
    }
    check(property as fn(Case, u64) -> bool);
}

#[test]
fn a_scan_of_floats_has_the_same_bits_everywhere() {
    let items: Vec<f64> = (0..30_000).map(|i| 1.0 / (i as f64 + 0.1)).collect();
    for grain in [0, 1, 1000, 7777] {
        let scanned = |pool| {
            let mut items = items.clone();
            parallel::inclusive_scan(pool, &mut items, grain, |a, b| a + b).unwrap();
            items.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        let expected = scanned(None);
        for pool in &*POOLS {
            assert!(scanned(Some(pool)) == expected);
        }
    }
}

#[test]
fn a_scan_sums_before_it_writes_and_writes_each_piece_once() {
    fn property(case: Case) -> bool {
        // What is before grows with each piece, so a few hundred of them will do.
        let (len, writing) = (case.len % 500, AtomicBool::new(false));
        let written = counters(len);
        parallel::scan(
            case.pool(),
            0..len,
            case.grain,
            String::new(),
            |_, piece| {
                assert!(!writing.load(SeqCst));
                Ok(format!("{}-{} ", piece.start, piece.end))
            },
            |before, sum| Ok(before + &sum),
            |_, piece, before| {
                writing.store(true, SeqCst);
                // Everything before, in pieces without a gap.
                let ends = before.split_whitespace().fold("0".to_string(), |end, part| {
                    let (start, next) = part.split_once('-').unwrap();
                    assert_eq!(start, end);
                    next.to_string()
                });
                assert_eq!(ends, piece.start.to_string());
                piece.for_each(|i| count(&written[i]));
                Ok(())
            },
        )
        .unwrap();
        counts(&written).iter().all(|count| *count == 1)
    }
    check(property as fn(Case) -> bool);
}

#[test]
fn failures_and_panics_of_a_scan_come_out() {
    for pool in &*POOLS {
        for what in ["sum", "combine", "write"] {
            for panics in [false, true] {
                let fail = |here: &str, is_it: bool| {
                    let fails = here == what && is_it;
                    assert!(!(fails && panics), "{what} panicked");
                    if fails { Err(failure(&format!("{what} failed"))) } else { Ok(()) }
                };
                let result = parallel::scan(
                    Some(pool),
                    0..500,
                    3,
                    0,
                    |_, piece| fail("sum", piece.contains(&300)).map(|()| piece.len()),
                    |a, b| fail("combine", a + b > 100).map(|()| a + b),
                    |_, piece, before| {
                        assert_eq!(before, piece.start);
                        fail("write", piece.contains(&300))
                    },
                );
                let error = result.unwrap_err();
                assert_eq!(error.status(), if panics { Status::Panic } else { Status::TaskFailed });
                assert!(error.message().contains(what), "{error}");
            }
        }
    }
}

#[test]
fn a_scan_on_a_worker_is_that_of_its_pool() {
    let ends = Mutex::new(vec![]);
    POOLS[2]
        .run(|worker| {
            let sum = |_: &Worker, piece: Range<usize>| Ok(piece.sum::<usize>());
            parallel::scan_on(
                worker,
                10..20,
                4,
                100,
                sum,
                |a, b| Ok(a + b),
                |_, piece, before| {
                    ends.lock().unwrap().push((piece.start, before));
                    Ok(())
                },
            )
        })
        .unwrap();
    let mut ends = ends.into_inner().unwrap();
    ends.sort();
    assert_eq!(ends, [(10, 100), (14, 100 + 10 + 11 + 12 + 13), (18, 100 + 46 + 14 + 15 + 16 + 17)]);
}

// ---- sorting ----

/// Numbers in many patterns; long enough that the pool takes part.
fn patterns(len: usize) -> Vec<(&'static str, Vec<u64>)> {
    let n = len as u64;
    let random =
        |i: u64| (i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let make = |value: &dyn Fn(u64) -> u64| (0..n).map(value).collect::<Vec<u64>>();
    vec![
        ("ascending", make(&|i| i)),
        ("descending", make(&|i| n - i)),
        ("random", make(&random)),
        ("all equal", make(&|_| 5)),
        ("two values", make(&|i| random(i) >> 63)),
        ("few values", make(&|i| random(i) % 10)),
        ("half equal", make(&|i| if i % 2 == 0 { 1 << 63 } else { random(i) })),
        ("saw", make(&|i| i % 100)),
        ("organ pipe", make(&|i| i.min(n - i))),
        ("one late", make(&|i| if i == n - 1 { 0 } else { i })),
        ("runs", make(&|i| random(i / 1000) + i % 1000)),
    ]
}

#[test]
fn sorting_is_that_of_the_standard_library() {
    fn property(mut items: Vec<i16>, repeat: u8, place: usize) -> bool {
        items = items.repeat(1 + usize::from(repeat));
        let mut expected = items.clone();
        expected.sort();
        parallel::sort(places().nth(place % (MOST_WORKERS + 1)).unwrap(), &mut items).unwrap();
        items == expected
    }
    check(property as fn(Vec<i16>, u8, usize) -> bool);
}

#[test]
fn patterns_are_sorted_with_a_bounded_number_of_comparisons() {
    for len in [4096, 4097, 20_000, 50_000] {
        for (name, items) in patterns(len) {
            let mut expected = items.clone();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            for pool in [None, Some(&POOLS[1])] {
                let mut items = items.clone();
                let comparisons = AtomicUsize::new(0);
                let compare = |a: &u64, b: &u64| {
                    comparisons.fetch_add(1, SeqCst);
                    b.cmp(a)
                };
                parallel::sort_by(pool, &mut items, compare).unwrap();
                assert!(items == expected, "{name}");
                let most = 3 * len * len.ilog2() as usize;
                assert!(comparisons.into_inner() < most, "{name}, {len}");
            }
        }
    }
}

#[test]
fn equal_items_end_up_in_the_same_order_everywhere() {
    let items: Vec<(u64, usize)> = patterns(60_000)[5].1.iter().copied().zip(0..).collect();
    let sorted = |pool| {
        let mut items = items.clone();
        parallel::sort_by(pool, &mut items, |a, b| a.0.cmp(&b.0)).unwrap();
        items
    };
    let expected = sorted(None);
    assert!(expected.is_sorted_by_key(|item| item.0));
    for pool in &*POOLS {
        for _ in 0..5 {
            assert!(sorted(Some(pool)) == expected);
        }
        let mut on_worker = items.clone();
        pool.run(|worker| {
            parallel::sort_by_on(worker, &mut on_worker, |a, b| a.0.cmp(&b.0));
            Ok(())
        })
        .unwrap();
        assert!(on_worker == expected);
    }
}

/// M. D. McIlroy, *A killer adversary for quicksort* (1999): answers so that every pivot is as bad as can be.
#[test]
fn an_adversary_cannot_make_sorting_quadratic() {
    struct Adversary {
        values: Vec<Option<usize>>,
        solid: usize,
        candidate: usize,
        comparisons: usize,
    }
    let len = 30_000;
    let state = Mutex::new(Adversary { values: vec![None; len], solid: 0, candidate: 0, comparisons: 0 });
    let mut items: Vec<usize> = (0..len).collect();
    parallel::sort_by(None, &mut items, |&a, &b| {
        let mut state = state.lock().unwrap();
        state.comparisons += 1;
        if state.values[a].is_none() && state.values[b].is_none() {
            let frozen = if a == state.candidate { a } else { b };
            state.values[frozen] = Some(state.solid);
            state.solid += 1;
        }
        if state.values[a].is_none() {
            state.candidate = a;
        } else if state.values[b].is_none() {
            state.candidate = b;
        }
        let value = |i: usize| state.values[i].unwrap_or(usize::MAX);
        value(a).cmp(&value(b))
    })
    .unwrap();
    let state = state.into_inner().unwrap();
    assert!(items.is_sorted_by_key(|&i| state.values[i].unwrap_or(usize::MAX)));
    assert!(state.comparisons < 5 * len * len.ilog2() as usize, "{}", state.comparisons);
}

#[test]
fn no_item_is_lost_when_comparing_panics_or_makes_no_sense() {
    let len = 20_000;
    for pool in &*POOLS {
        for panics_at in [1, 5_000, 50_000, 200_000, usize::MAX] {
            let mut items: Vec<Box<usize>> = (0..len).map(|i| Box::new(i * 7919 % len)).collect();
            let comparisons = AtomicUsize::new(0);
            let result = parallel::sort_by(Some(pool), &mut items, |a, b| {
                let number = comparisons.fetch_add(1, SeqCst);
                assert!(number < panics_at, "enough");
                match panics_at {
                    // No order at all.
                    usize::MAX => [Ordering::Less, Ordering::Equal, Ordering::Greater][number % 7 % 3],
                    _ => a.cmp(b),
                }
            });
            // The standard library may notice, and panic, that there is no order.
            assert!(result.is_err_and(|error| error.status() == Status::Panic) || panics_at == usize::MAX);
            items.sort();
            assert!(items.iter().zip(0..).all(|(item, i)| **item == i));
        }
    }
}

#[test]
fn items_without_bytes_and_items_with_destructors_are_sorted() {
    for pool in places() {
        parallel::sort(pool, &mut [(); 10_000]).unwrap();
        let mut strings: Vec<String> = patterns(10_000)[2].1.iter().map(u64::to_string).collect();
        let mut expected = strings.clone();
        expected.sort();
        parallel::sort(pool, &mut strings).unwrap();
        assert!(strings == expected);
    }
}

// ---- n-ary forks ----

#[test]
fn a_fork_of_many_calls_each_index_once() {
    for pool in places() {
        for len in [0, 1, 2, 3, 10, 1000] {
            let called = counters(len);
            parallel::fork_all(pool, len, |_, i| {
                called[i].fetch_add(1, SeqCst);
                Ok(())
            })
            .unwrap();
            assert_eq!(counts(&called), vec![1; len]);
        }
    }
}

#[test]
fn a_fork_of_many_on_a_worker_calls_each_index_once() {
    for pool in &*POOLS {
        for len in (0..20).chain([1000]) {
            let called = counters(len);
            pool.run(|worker| {
                worker.fork_all(len, |_, i| count(&called[i]));
                Ok(())
            })
            .unwrap();
            assert_eq!(counts(&called), vec![1; len]);
        }
    }
}

/// More than two may come one after the other: what a worker forks while the others are busy stays with it.
#[test]
fn two_calls_of_a_fork_run_at_the_same_time() {
    for workers in 2..=MOST_WORKERS {
        let pool = pool(workers);
        let arrived = AtomicUsize::new(0);
        pool.run(|worker| {
            worker.fork_all(2, |_, _| {
                count(&arrived);
                await_that("that both calls have begun", || arrived.load(SeqCst) == 2);
            });
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn all_calls_are_made_and_the_lowest_failure_comes_out() {
    for pool in places() {
        let called = counters(300);
        let error = parallel::fork_all(pool, 300, |_, i| {
            called[i].fetch_add(1, SeqCst);
            if i % 100 == 33 { Err(failure(&i.to_string())) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!(error.message(), "33");
        assert_eq!(counts(&called), vec![1; 300]);
    }
}

#[test]
fn a_panic_in_a_call_of_a_fork_comes_out() {
    for pool in &*POOLS {
        let calls = counters(100);
        let error = pool
            .run(|worker| {
                worker.fork_all(100, |_, i| {
                    calls[i].fetch_add(1, SeqCst);
                    assert!(i != 50, "fifty");
                });
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.status(), Status::Panic);
        assert!(error.message().contains("fifty"), "{error}");
        assert!(counts(&calls).iter().all(|count| *count <= 1));
    }
}

// ---- everything within everything ----

/// Two pieces panic at the same time, and all others would. One panic comes out, and the pool goes on.
#[test]
fn panics_of_several_pieces_at_once_are_one() {
    let pool = pool(2);
    for what in 0..6 {
        let met = AtomicUsize::new(0);
        let meet_and_panic = || {
            count(&met);
            await_that("the meeting", || met.load(SeqCst) >= 2);
            resume_unwind(Box::new("one of several"))
        };
        let piece = |_: Option<&Worker>, _: Range<usize>| -> Result<()> { meet_and_panic() };
        let pool = Some(&pool);
        let result = match what {
            0 => parallel::for_range(pool, 0..100, 0, piece),
            1 => parallel::for_range(pool, 0..100, 1, piece),
            2 => parallel::reduce(pool, 0..100, 1, (), piece, |_, _| Ok(())),
            3 => parallel::scan(pool, 0..100, 1, (), piece, |_, _| Ok(()), |_, _, _| Ok(())),
            4 => parallel::scan(pool, 0..100, 1, (), |_, _| Ok(()), |_, _| Ok(()), |_, _, _| meet_and_panic()),
            _ => parallel::fork_all(pool, 100, |_, _| meet_and_panic()),
        };
        let error = result.unwrap_err();
        assert!(error.status() == Status::Panic && error.message().contains("one of several"), "{what}: {error}");
        assert_eq!(nest(pool).unwrap(), 30);
    }
}

/// As few pieces as one likes of as many indices as there are, and as many pieces as no memory holds.
#[test]
fn reductions_and_scans_of_all_numbers_end() {
    let all = 0..usize::MAX;
    for pool in places() {
        for grain in [0, usize::MAX / 3, usize::MAX] {
            let len = parallel::reduce(pool, all.clone(), grain, 0, |_, piece| Ok(piece.len()), |a, b| Ok(a + b));
            assert_eq!(len.unwrap(), usize::MAX);
            let write = |_: Option<&Worker>, piece: Range<usize>, before| {
                assert_eq!(piece.start, before);
                Ok(())
            };
            parallel::scan(pool, all.clone(), grain, 0, |_, piece| Ok(piece.len()), |a, b| Ok(a + b), write).unwrap();
        }
        let nothing =
            |_: Option<&Worker>, _: Range<usize>| -> Result<()> { panic!("refused before anything is called") };
        let error = parallel::scan(pool, all.clone(), 1, (), nothing, |_, _| Ok(()), |_, _, _| Ok(())).unwrap_err();
        assert!([Status::OutOfMemory, Status::Overflow].contains(&error.status()), "{error}");
    }
}

/// Each of the loops within a call of a fork, which is within a piece of a loop. Gives the number of leaves.
fn nest(pool: Option<&Pool>) -> Result<usize> {
    let leaves = AtomicUsize::new(0);
    parallel::for_range(pool, 0..6, 0, |_, piece| {
        for outer in piece {
            parallel::fork_all(pool, 5, |_, inner| {
                let seed = outer * 10 + inner;
                let mut items: Vec<usize> = (0..6000).map(|i| i * (2 * seed + 7919) % 6000).collect();
                parallel::sort(pool, &mut items)?;
                parallel::inclusive_scan(pool, &mut items, 0, |a, b| a + b)?;
                let sum =
                    parallel::reduce(pool, 0..6000, 0, 0, |_, p| Ok(items[p].iter().sum::<usize>()), |a, b| Ok(a + b))?;
                leaves.fetch_add(usize::from(sum > 0 && items.is_sorted()), SeqCst);
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(leaves.into_inner())
}

#[test]
fn all_of_them_nest() {
    for pool in places() {
        assert_eq!(nest(pool).unwrap(), 30);
    }
    for pool in &*POOLS {
        assert_eq!(pool.run(|_| nest(Some(pool))).unwrap(), 30, "from inside");
    }
}

#[test]
fn several_threads_may_loop_at_a_time() {
    thread::scope(|scope| {
        let threads = [(); 3].map(|()| scope.spawn(|| nest(Some(&POOLS[1]))));
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap(), 30));
    });
}

/// A submitter that finds the inbox full runs its task itself, as a guest of the pool.
#[test]
fn a_guest_loops_too() {
    let config =
        Config { workers: 2, inbox_capacity: 2, when_full: WhenFull::Run, pinning: Pinning::Off, ..Config::default() };
    let pool = Arc::new(Pool::new(&config).unwrap());
    let (blocked, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for _ in 0..2 {
        let inner = (blocked.clone(), release.clone());
        drop(pool.submit(move |_| {
            inner.0.fetch_add(1, SeqCst);
            await_that("the release", || inner.1.load(SeqCst));
        }));
    }
    await_that("that both workers are busy", || blocked.load(SeqCst) == 2);
    let here = thread::current().id();
    let futures: Vec<_> = (0..10)
        .map(|_| {
            let inner = pool.clone();
            pool.try_submit(move |worker| {
                let as_guest = worker.index() == usize::MAX;
                assert_eq!(as_guest, thread::current().id() == here);
                nest(Some(&inner)).map(|leaves| (leaves, as_guest))
            })
            .unwrap()
        })
        .collect();
    release.store(true, SeqCst);
    let found: Vec<_> = futures.into_iter().map(|future| future.get().unwrap()).collect();
    assert!(found.iter().all(|(leaves, _)| *leaves == 30));
    assert!(found.iter().any(|(_, as_guest)| *as_guest));
    pool.wait_all().unwrap();
}

/// What cannot enter the pool is refused before anything is touched; nothing to do needs no pool.
#[test]
fn a_full_inbox_refuses_a_loop_from_outside() {
    let config = Config {
        workers: 1,
        inbox_capacity: 2,
        when_full: WhenFull::Error,
        pinning: Pinning::Off,
        ..Config::default()
    };
    let pool = Pool::new(&config).unwrap();
    let (started, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let inner = (started.clone(), release.clone());
    drop(pool.submit(move |_| {
        inner.0.store(true, SeqCst);
        await_that("the release", || inner.1.load(SeqCst));
    }));
    await_that("the start", || started.load(SeqCst));
    while let Ok(future) = pool.submit(|_| ()) {
        drop(future);
    }
    let full = Some(&pool);
    let mut items = vec![3, 1, 2];
    let add = |a: &i32, b: &i32| a + b;
    let refused = [
        parallel::for_range(full, 0..10, 0, |_, _| Ok(())),
        parallel::fork_all(full, 10, |_, _| Ok(())),
        parallel::reduce(full, 0..10, 0, (), |_, _| Ok(()), |_, _| Ok(())),
        parallel::scan(full, 0..10, 0, (), |_, _| Ok(()), |_, _| Ok(()), |_, _, _| Ok(())),
        parallel::inclusive_scan(full, &mut items, 0, add),
        parallel::sort(full, &mut items),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().status(), Status::QueueFull);
    }
    assert_eq!(items, [3, 1, 2]);
    parallel::for_range(full, 5..5, 0, |_, _| Ok(())).unwrap();
    parallel::reduce(full, 5..5, 0, (), |_, _| Ok(()), |_, _| Ok(())).unwrap();
    parallel::inclusive_scan(full, &mut [], 0, add).unwrap();
    parallel::sort(full, &mut [1]).unwrap();
    release.store(true, SeqCst);
}
