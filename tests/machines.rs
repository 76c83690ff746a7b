//! Pools and graphs as state machines: any sequence of calls, against a model that says what must come of it.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use vgpu_pool::error::Status;
use vgpu_pool::parallel::graph::Builder;
use vgpu_pool::pool::{Config, Future, OnCaller, Pinning, Pool};

/// A call on a pool, and on which of the futures.
#[derive(Clone, Debug)]
enum Call {
    Submit,
    Get(usize),
    Cancel(usize),
    Release(usize),
    Group(u8),
    WaitAll,
    Pump(u8),
}

impl Arbitrary for Call {
    fn arbitrary(g: &mut Gen) -> Call {
        match u8::arbitrary(g) % 12 {
            0..=3 => Call::Submit,
            4 | 5 => Call::Get(usize::arbitrary(g)),
            6 | 7 => Call::Cancel(usize::arbitrary(g)),
            8 => Call::Release(usize::arbitrary(g)),
            9 => Call::Group(u8::arbitrary(g) % 20),
            10 => Call::WaitAll,
            _ => Call::Pump(u8::arbitrary(g) % 4),
        }
    }
}

/// A submitted task as the model knows it.
struct Submitted {
    future: Option<Future<usize>>,
    runs: Arc<AtomicUsize>,
    is_cancelled: bool,
}

/// Plays the calls; on a maker nothing runs but when it pumps or waits, which the model knows.
fn play(pool: Pool, is_on_caller: bool, calls: Vec<Call>) -> bool {
    let mut tasks: Vec<Submitted> = Vec::new();
    for call in calls {
        let count = tasks.len().max(1);
        match call {
            Call::Submit => {
                let runs = Arc::new(AtomicUsize::new(0));
                let (number, inside) = (tasks.len(), runs.clone());
                let future = pool
                    .submit(move |_| {
                        inside.fetch_add(1, SeqCst);
                        number
                    })
                    .unwrap();
                assert!(!(is_on_caller && future.is_ready()), "nobody ran it");
                tasks.push(Submitted { future: Some(future), runs, is_cancelled: false });
            }
            Call::Get(which) => {
                let number = which % count;
                let Some(task) = tasks.get_mut(number) else { continue };
                let Some(future) = task.future.take() else { continue };
                match future.get() {
                    Ok(value) => assert!(value == number && !task.is_cancelled && task.runs.load(SeqCst) == 1),
                    Err(error) => assert!(error.status() == Status::Cancelled && task.is_cancelled),
                }
            }
            Call::Cancel(which) => {
                let Some(task) = tasks.get_mut(which % count) else { continue };
                let Some(future) = &task.future else { continue };
                let was_ready = future.is_ready();
                if future.cancel() {
                    assert!(!was_ready && !task.is_cancelled && task.runs.load(SeqCst) == 0);
                    task.is_cancelled = true;
                } else {
                    assert!(!is_on_caller || was_ready, "nobody has begun it");
                }
            }
            Call::Release(which) => {
                if let Some(task) = tasks.get_mut(which % count) {
                    task.future = None;
                }
            }
            Call::Group(size) => {
                let ran = Arc::new(AtomicUsize::new(0));
                let mut group = pool.group().unwrap();
                for _ in 0..size {
                    let ran = ran.clone();
                    group
                        .submit(move |_| {
                            ran.fetch_add(1, SeqCst);
                            Ok(())
                        })
                        .unwrap();
                }
                group.wait().unwrap();
                assert_eq!(ran.load(SeqCst), usize::from(size));
            }
            Call::WaitAll => {
                pool.wait_all().unwrap();
                assert!(tasks.iter().all(|task| task.runs.load(SeqCst) == usize::from(!task.is_cancelled)));
            }
            Call::Pump(most) => match pool.pump(most.into(), 0) {
                Ok(ran) => assert!(is_on_caller && (most == 0 || ran <= most.into())),
                Err(error) => assert!(!is_on_caller && error.status() == Status::InvalidArgument),
            },
        }
    }
    pool.destroy().unwrap();
    // What was accepted ran once, unless it was cancelled.
    tasks.iter().all(|task| task.runs.load(SeqCst) == usize::from(!task.is_cancelled))
}

#[test]
fn any_calls_of_a_pool_with_threads() {
    fn holds(workers: u8, calls: Vec<Call>) -> bool {
        let workers = usize::from(workers % 3) + 1;
        let config = Config { workers, pinning: Pinning::Off, ..Config::default() };
        play(Pool::new(&config).unwrap(), false, calls)
    }
    QuickCheck::new().tests(300).quickcheck(holds as fn(u8, Vec<Call>) -> bool);
}

#[test]
fn any_calls_of_a_pool_on_its_maker() {
    fn holds(seed: Option<u64>, calls: Vec<Call>) -> bool {
        let config = Config { on_caller: Some(OnCaller { wake: None, seed }), ..Config::default() };
        play(Pool::new(&config).unwrap(), true, calls)
    }
    QuickCheck::new().tests(500).quickcheck(holds as fn(Option<u64>, Vec<Call>) -> bool);
}

/// Whether all vertices can be put in an order that all edges keep to.
fn has_order(vertices: usize, edges: &[(usize, usize)]) -> bool {
    let mut left: Vec<usize> = (0..vertices).collect();
    loop {
        let free = |vertex: usize| !edges.iter().any(|&(a, b)| b == vertex && left.contains(&a));
        let rest: Vec<usize> = left.iter().copied().filter(|&vertex| !free(vertex)).collect();
        match rest.len() {
            0 => return true,
            same if same == left.len() => return false,
            _ => left = rest,
        }
    }
}

#[test]
fn any_edges_of_a_graph() {
    fn holds(vertices: u8, wild: bool, edges: Vec<(usize, usize)>, seed: Option<u64>, fails: Option<usize>) -> bool {
        let n = usize::from(vertices % 12) + 1;
        // Half of the graphs have forward edges alone, and so no cycle.
        let edges: Vec<_> = edges
            .iter()
            .map(|&(a, b)| (a % n, b % n))
            .map(|(a, b)| if wild || a < b { (a, b) } else { (b, a) })
            .collect();
        let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a != b).collect();
        let fails = fails.map(|vertex| vertex % n);
        let clock = Arc::new(AtomicUsize::new(1));
        let times: Arc<Vec<AtomicUsize>> = Arc::new((0..n).map(|_| AtomicUsize::new(0)).collect());
        let mut builder = Builder::new();
        let handles: Vec<_> = (0..n)
            .map(|vertex| {
                let (clock, times) = (clock.clone(), times.clone());
                let run = move |_: &_| {
                    let before = times[vertex].swap(clock.fetch_add(1, SeqCst), SeqCst);
                    assert_eq!(before, 0, "a vertex ran twice");
                    match fails == Some(vertex) {
                        true => std::panic::resume_unwind(Box::new("as asked")),
                        false => Ok(()),
                    }
                };
                builder.add(run).unwrap()
            })
            .collect();
        for &(a, b) in &edges {
            builder.precede(handles[a], handles[b]).unwrap();
        }
        let graph = match builder.build() {
            Ok(graph) => graph,
            Err(error) => return error.status() == Status::InvalidArgument && !has_order(n, &edges),
        };
        assert!(has_order(n, &edges), "a cycle was not found");
        let threads = Config { workers: 2, pinning: Pinning::Off, ..Config::default() };
        let maker = Config { on_caller: Some(OnCaller { wake: None, seed }), ..Config::default() };
        let pool = Pool::new(if seed.is_some() { &maker } else { &threads }).unwrap();
        for _ in 0..2 {
            times.iter().for_each(|time| time.store(0, SeqCst));
            let status = graph.run(&pool).map_or_else(|error| error.status(), |()| Status::Ok);
            assert_eq!(status, if fails.is_some() { Status::Panic } else { Status::Ok });
            let at = |vertex: usize| times[vertex].load(SeqCst);
            assert!(fails.is_some() || (0..n).all(|vertex| at(vertex) != 0), "a vertex was left out");
            // Nothing ran before what comes before it, and nothing after a vertex that failed.
            assert!(edges.iter().all(|&(a, b)| at(b) == 0 || (at(a) != 0 && at(a) < at(b) && fails != Some(a))));
        }
        true
    }
    QuickCheck::new()
        .tests(300)
        .quickcheck(holds as fn(u8, bool, Vec<(usize, usize)>, Option<u64>, Option<usize>) -> bool);
}
