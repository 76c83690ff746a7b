//! Task graphs as a Rust program uses them, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::parallel::graph::{Builder, Graph, OnFailure, Vertex};
use vgpu_pool::pool::{Config, Pinning, Pool, WhenFull, Worker};

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

fn status<T>(result: Result<T>) -> Option<Status> {
    result.err().map(|error| error.status())
}

fn failure(text: &str) -> Error {
    Error::new(Status::TaskFailed, format_args!("{text}"))
}

/// What a vertex does that counts its runs.
fn counted_up(counter: &AtomicU32) -> Result<()> {
    counter.fetch_add(1, SeqCst);
    Ok(())
}

fn nothing(_: &Worker) -> Result<()> {
    Ok(())
}

/// Numbers without a pattern, the same in every run.
struct Random(Cell<u64>);

impl Random {
    fn new(seed: u64) -> Random {
        Random(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }
    fn below(&self, bound: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 11) as usize % bound
    }
}

/// Edges from lower numbers to higher ones, some of them twice.
fn random_edges(vertices: usize, edges: usize, random: &Random) -> Vec<(usize, usize)> {
    let edge = |_| {
        let (a, b) = (random.below(vertices), random.below(vertices));
        (a.min(b), a.max(b))
    };
    (0..edges).map(edge).filter(|(a, b)| a != b).collect()
}

/// What ran when: each vertex notes the moment at which it started and that at which it ended.
struct Log {
    clock: AtomicU32,
    started: Vec<AtomicU32>,
    ended: Vec<AtomicU32>,
    /// How often each ran.
    runs: Vec<AtomicU32>,
}

impl Log {
    fn new(vertices: usize) -> Arc<Log> {
        let zeros = || (0..vertices).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Log { clock: AtomicU32::new(1), started: zeros(), ended: zeros(), runs: zeros() })
    }
    fn note(&self, vertex: usize) -> Result<()> {
        self.started[vertex].store(self.clock.fetch_add(1, SeqCst), SeqCst);
        self.runs[vertex].fetch_add(1, SeqCst);
        self.ended[vertex].store(self.clock.fetch_add(1, SeqCst), SeqCst);
        Ok(())
    }
    fn ran(&self, vertex: usize) -> u32 {
        self.runs[vertex].load(SeqCst)
    }
    /// Every vertex ran so often, and, in the last run, after those before it.
    fn check(&self, runs: u32, edges: &[(usize, usize)]) {
        for vertex in 0..self.runs.len() {
            assert_eq!(self.ran(vertex), runs, "vertex {vertex}");
        }
        for &(before, after) in edges {
            let (end, start) = (self.ended[before].load(SeqCst), self.started[after].load(SeqCst));
            assert!(end < start, "{after} started at {start}, {before} ended at {end}");
        }
    }
}

/// A graph whose vertices note when they run.
fn logged(log: &Arc<Log>, edges: &[(usize, usize)]) -> Graph<'static> {
    let mut builder = Builder::new();
    let vertices: Vec<Vertex> = (0..log.runs.len())
        .map(|vertex| {
            let log = log.clone();
            builder.add(move |_| log.note(vertex)).unwrap()
        })
        .collect();
    for &(before, after) in edges {
        builder.precede(vertices[before], vertices[after]).unwrap();
    }
    builder.build().unwrap()
}

#[test]
fn every_vertex_runs_once_after_all_its_predecessors() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        for seed in 0..60 {
            let random = Random::new(seed);
            let vertices = 1 + random.below(120);
            let edges = random_edges(vertices, random.below(4 * vertices), &random);
            let log = Log::new(vertices);
            let graph = logged(&log, &edges);
            for run in 1..=3 {
                if seed % 2 == 0 {
                    graph.run(&pool).unwrap()
                } else {
                    graph.launch(&pool).unwrap().wait().unwrap()
                }
                log.check(run, &edges);
                assert_eq!((graph.skipped(), graph.is_running()), (0, false));
            }
        }
    }
}

#[test]
fn a_thousand_runs_of_one_graph() {
    let pool = pool(2);
    let random = Random::new(77);
    let edges = random_edges(50, 120, &random);
    let log = Log::new(50);
    let graph = logged(&log, &edges);
    for run in 1..=1000 {
        graph.run(&pool).unwrap();
        log.check(run, &edges);
    }
}

#[test]
fn what_predecessors_wrote_is_seen() {
    // Plain numbers in a table of Pascal's: each is the sum of the two above, computed when both are there.
    const ROWS: usize = 30;
    struct Table(Vec<Vec<Cell<u64>>>);
    // SAFETY: a number is written by its own vertex, and read by those after it.
    unsafe impl Sync for Table {}
    let table = Table((0..ROWS).map(|row| vec![Cell::new(0); row + 1]).collect());
    let at = |row: usize, column: usize| {
        let table: &Table = &table;
        &table.0[row][column]
    };
    struct Shared<T>(T);
    // SAFETY: as for the table.
    unsafe impl<T> Send for Shared<T> {}
    impl<T: Copy> Shared<T> {
        fn get(&self) -> T {
            self.0
        }
    }
    let pool = pool(3);
    let mut builder = Builder::new();
    let mut above: Vec<Vertex> = vec![];
    for row in 0..ROWS {
        let mut this = vec![];
        for column in 0..=row {
            let inner = column > 0 && column < row;
            let parents = inner.then(|| (at(row - 1, column - 1), at(row - 1, column)));
            let shared = Shared((at(row, column), parents));
            let vertex = builder.add(move |_| {
                let (place, parents) = shared.get();
                place.set(parents.map_or(1, |(left, right)| left.get() + right.get()));
                Ok(())
            });
            let vertex = vertex.unwrap();
            for parent in above.iter().take(column + 1).skip(column.saturating_sub(1)) {
                builder.precede(*parent, vertex).unwrap();
            }
            this.push(vertex);
        }
        above = this;
    }
    let graph = builder.build().unwrap();
    for _ in 0..50 {
        (0..ROWS).for_each(|row| (0..=row).for_each(|column| at(row, column).set(0)));
        graph.run(&pool).unwrap();
        assert_eq!(at(ROWS - 1, 14).get(), 77_558_760, "29 over 14");
    }
}

#[test]
fn a_chain_of_a_million_and_a_fan_of_a_million() {
    const N: u32 = 1_000_000;
    let pool = pool(2);
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let counts = |builder: &mut Builder<'_>| builder.add(|_| counted_up(&COUNT)).unwrap();
    let mut chain = Builder::new();
    let mut last = counts(&mut chain);
    for _ in 1..N {
        let next = counts(&mut chain);
        chain.precede(last, next).unwrap();
        last = next;
    }
    let chain = chain.build().unwrap();
    chain.run(&pool).unwrap();
    assert_eq!(COUNT.swap(0, SeqCst), N);

    let mut fan = Builder::new();
    let (first, last) = (counts(&mut fan), counts(&mut fan));
    for _ in 2..N {
        let leaf = counts(&mut fan);
        fan.precede(first, leaf).unwrap();
        fan.precede(leaf, last).unwrap();
    }
    let fan = fan.build().unwrap();
    fan.run(&pool).unwrap();
    assert_eq!(COUNT.swap(0, SeqCst), N);

    // A chain with a leaf at every link: what is left aside has to go somewhere.
    let mut comb = Builder::new();
    let mut last = counts(&mut comb);
    for _ in 1..N / 2 {
        let (next, tooth) = (counts(&mut comb), counts(&mut comb));
        comb.precede(last, tooth).unwrap();
        comb.precede(last, next).unwrap();
        last = next;
    }
    let comb = comb.build().unwrap();
    comb.run(&pool).unwrap();
    pool.run(|_| comb.run(&pool)).unwrap();
    assert_eq!(COUNT.swap(0, SeqCst), 2 * (N - 1));
}

/// Counts the blocks that are asked for.
struct Counted {
    asked: AtomicUsize,
    out: AtomicUsize,
    /// So many are given, and no more.
    budget: AtomicUsize,
}

impl Counted {
    fn new() -> &'static Counted {
        let counted = Counted { asked: 0.into(), out: 0.into(), budget: usize::MAX.into() };
        Box::leak(Box::new(counted))
    }

    fn allocator(&'static self) -> Allocator {
        unsafe extern "C-unwind" fn allocate(context: *mut c_void, size: usize, align: usize) -> *mut c_void {
            // SAFETY: the context is a `Counted` that lives for ever, and no block is empty.
            unsafe {
                let counted = &*context.cast::<Counted>();
                counted.asked.fetch_add(1, SeqCst);
                if counted.budget.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
                    return std::ptr::null_mut();
                }
                counted.out.fetch_add(1, SeqCst);
                alloc::alloc(Layout::from_size_align(size, align).unwrap()).cast()
            }
        }
        unsafe extern "C-unwind" fn free(context: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
            // SAFETY: as above; the block is from `allocate`.
            unsafe {
                (*context.cast::<Counted>()).out.fetch_sub(1, SeqCst);
                alloc::dealloc(memory.cast(), Layout::from_size_align(size, align).unwrap());
            }
        }
        // SAFETY: both may be called from any thread, and do not unwind.
        unsafe { Allocator::from_host(allocate, free, std::ptr::from_ref(self).cast_mut().cast()) }
    }
}

#[test]
fn runs_allocate_nothing_and_the_end_gives_all_back() {
    let counted = Counted::new();
    let config = Config { workers: 2, pinning: Pinning::Off, allocator: counted.allocator(), ..Config::default() };
    let pool = Pool::new(&config).unwrap();
    let random = Random::new(5);
    let mut builder = Builder::new_in(counted.allocator());
    let vertices: Vec<_> = (0..500).map(|i| builder.named(&format!("v{i}"), nothing).unwrap()).collect();
    // A chain with a leaf at every link, so that the deques would grow if they had to hold every list by itself.
    for link in (0..498).step_by(2) {
        builder.precede(vertices[link], vertices[link + 2]).unwrap();
        builder.precede(vertices[link], vertices[link + 1]).unwrap();
    }
    for (before, after) in random_edges(500, 100, &random) {
        builder.precede(vertices[before], vertices[after]).unwrap();
    }
    let graph = builder.build().unwrap();
    let before = counted.asked.load(SeqCst);
    for _ in 0..300 {
        graph.run(&pool).unwrap();
        graph.launch(&pool).unwrap().wait().unwrap();
        pool.run(|_| graph.run(&pool)).unwrap();
    }
    assert_eq!(counted.asked.load(SeqCst), before);
    drop(graph);
    drop(pool);
    assert_eq!(counted.out.load(SeqCst), 0);
}

fn hold(_: &Arc<()>) -> Result<()> {
    Ok(())
}

#[test]
fn a_builder_without_memory_says_so_and_loses_nothing() {
    let counted = Counted::new();
    let dropped = Arc::new(());
    let mut builder = Builder::new_in(counted.allocator());
    let mut vertices = vec![];
    // Each addition and edge at the first moment at which there is memory.
    for _ in 0..20 {
        for budget in 0.. {
            counted.budget.store(budget, SeqCst);
            let held = dropped.clone();
            match builder.named("a vertex with a name", move |_| hold(&held)) {
                Ok(vertex) => {
                    vertices.push(vertex);
                    break;
                }
                Err(error) => assert_eq!(error.status(), Status::OutOfMemory),
            }
            assert_eq!(builder.vertices(), vertices.len());
        }
        let at = vertices.len() - 1;
        if at > 0 {
            counted.budget.store(usize::MAX, SeqCst);
            builder.precede(vertices[at - 1], vertices[at]).unwrap();
        }
    }
    assert_eq!(Arc::strong_count(&dropped), 21);
    let mut built = None;
    for budget in 0.. {
        counted.budget.store(budget, SeqCst);
        match builder.try_build() {
            Ok(graph) => {
                built = Some(graph);
                break;
            }
            Err(error) => assert_eq!(error.status(), Status::OutOfMemory),
        }
        assert_eq!(builder.vertices(), 20);
    }
    counted.budget.store(usize::MAX, SeqCst);
    let graph = built.unwrap();
    assert_eq!((graph.vertices(), builder.vertices()), (20, 0));
    graph.run(&pool(1)).unwrap();
    drop(graph);
    drop(builder);
    assert_eq!(Arc::strong_count(&dropped), 1);
    assert_eq!(counted.out.load(SeqCst), 0);
}

#[test]
fn a_cycle_is_told_by_its_vertices_in_order() {
    let mut builder = Builder::new();
    let names = ["load", "parse", "", "link", "after"];
    let v: Vec<Vertex> = names.iter().map(|name| builder.named(name, nothing).unwrap()).collect();
    for (before, after) in [(0, 1), (1, 2), (2, 3), (3, 1), (3, 4)] {
        builder.precede(v[before], v[after]).unwrap();
    }
    let error = builder.try_build().unwrap_err();
    assert_eq!(error.status(), Status::InvalidArgument);
    let text = error.message();
    assert!(text.contains("a cycle of 3 vertices"), "{text}");
    let ways = ["parse -> #2 -> link -> parse.", "#2 -> link -> parse -> #2.", "link -> parse -> #2 -> link."];
    assert!(ways.iter().any(|way| text.ends_with(way)), "{text}");

    // The builder is as it was.
    assert_eq!(builder.vertices(), 5);
    let error = builder.precede(v[4], v[4]).unwrap_err();
    assert_eq!(error.status(), Status::InvalidArgument);
    assert!(error.message().contains("vertex after to itself"), "{error}");

    // One so long that its text is cut.
    let mut builder = Builder::new();
    let v: Vec<Vertex> = (0..1000).map(|_| builder.add(nothing).unwrap()).collect();
    (0..1000).for_each(|i| builder.precede(v[i], v[(i + 1) % 1000]).unwrap());
    let error = builder.build().unwrap_err();
    assert!(error.message().contains("a cycle of 1000 vertices"), "{error}");
    assert!(error.message().ends_with("..."), "{error}");
}

#[test]
fn random_graphs_with_a_way_back_are_refused() {
    for seed in 0..200 {
        let random = Random::new(seed + 1000);
        let vertices = 2 + random.below(30);
        let edges = random_edges(vertices, random.below(60), &random);
        let mut builder = Builder::new();
        let v: Vec<Vertex> = (0..vertices).map(|_| builder.add(nothing).unwrap()).collect();
        edges.iter().for_each(|&(a, b)| builder.precede(v[a], v[b]).unwrap());
        // One edge back. It makes a cycle if there is a way there.
        let (to, from) = (random.below(vertices), random.below(vertices));
        let (to, from) = (to.min(from), to.max(from));
        if to == from {
            continue;
        }
        builder.precede(v[from], v[to]).unwrap();
        let mut reached = vec![false; vertices];
        reached[to] = true;
        let mut sorted = edges.clone();
        sorted.sort();
        sorted.iter().for_each(|&(a, b)| reached[b] |= reached[a]);
        match builder.build() {
            Ok(_) => assert!(!reached[from], "a cycle was accepted"),
            Err(error) => {
                assert!(reached[from], "{error}");
                // The text is a closed walk along edges.
                let path = error.message().rsplit(": ").next().unwrap().trim_end_matches('.');
                let path: Vec<usize> = path.split(" -> ").map(|name| name[1..].parse().unwrap()).collect();
                assert_eq!(path.first(), path.last());
                for step in path.windows(2) {
                    let step = (step[0], step[1]);
                    assert!(edges.contains(&step) || step == (from, to), "{error}");
                }
            }
        }
    }
}

#[test]
fn vertices_of_other_graphs_are_refused() {
    let (mut one, mut two) = (Builder::new(), Builder::new());
    let (a, b) = (one.add(nothing).unwrap(), two.add(nothing).unwrap());
    assert_eq!(status(one.precede(a, b)), Some(Status::InvalidArgument));
    assert_eq!(status(one.precede(b, a)), Some(Status::InvalidArgument));
    assert_eq!(status(one.precede(a, Vertex::from_bits(0))), Some(Status::InvalidArgument));
    assert_eq!(status(one.precede(Vertex::from_bits(a.bits() + 1), a)), Some(Status::InvalidArgument));
    let _graph = one.try_build().unwrap();
    assert_eq!(status(one.precede(a, a)), Some(Status::InvalidArgument), "the vertices went into the graph");
    one.add(nothing).unwrap();
}

#[test]
fn a_graph_of_nothing_and_of_one() {
    let pool = pool(1);
    let empty = Builder::new().build().unwrap();
    empty.run(&pool).unwrap();
    let run = empty.launch(&pool).unwrap();
    assert!(run.is_done());
    run.wait().unwrap();
    pool.run(|_| empty.run(&pool)).unwrap();
    let ran = AtomicU32::new(0);
    let mut builder = Builder::new();
    builder.add(|_| counted_up(&ran)).unwrap();
    let one = builder.build().unwrap();
    one.run(&pool).unwrap();
    assert_eq!((ran.load(SeqCst), one.vertices()), (1, 1));
}

/// A graph 0 -> 1 -> 2, 3 -> 4, and 5 after 2 and 4; vertex 1 ends as told.
fn failing(log: &Arc<Log>, choice: OnFailure, fails: impl Fn() -> Result<()> + Send + 'static) -> Graph<'static> {
    let mut builder = Builder::new();
    builder.on_failure(choice);
    let mut fails = Some(fails);
    let v: Vec<Vertex> = (0..6)
        .map(|vertex| {
            let log = log.clone();
            let fails = if vertex == 1 { fails.take() } else { None };
            let closure = move |_: &Worker| {
                log.note(vertex)?;
                fails.as_ref().map_or(Ok(()), |fails| fails())
            };
            builder.add(closure).unwrap()
        })
        .collect();
    for (before, after) in [(0, 1), (1, 2), (3, 4), (2, 5), (4, 5)] {
        builder.precede(v[before], v[after]).unwrap();
    }
    builder.build().unwrap()
}

#[test]
fn a_failure_comes_out_and_what_follows_is_skipped() {
    let pool = pool(2);
    for choice in [OnFailure::SkipRest, OnFailure::SkipSuccessors] {
        for panics in [false, true] {
            let log = Log::new(6);
            let fail = Arc::new(AtomicBool::new(true));
            let told = fail.clone();
            let graph = failing(&log, choice, move || match (told.load(SeqCst), panics) {
                (false, _) => Ok(()),
                (true, false) => Err(failure("vertex one gave up")),
                (true, true) => std::panic::resume_unwind(Box::new("vertex one fell")),
            });
            for _ in 0..200 {
                let before: Vec<u32> = (0..6).map(|vertex| log.ran(vertex)).collect();
                let error = graph.run(&pool).unwrap_err();
                match panics {
                    false => assert_eq!(error.message(), "vertex one gave up"),
                    true => {
                        assert_eq!(error.status(), Status::Panic);
                        assert!(error.message().contains("vertex one fell"), "{error}");
                    }
                }
                let ran: Vec<u32> = (0..6).map(|vertex| log.ran(vertex) - before[vertex]).collect();
                assert_eq!((ran[0], ran[1], ran[2], ran[5]), (1, 1, 0, 0));
                assert_eq!(graph.skipped() as u32, 6 - ran.iter().sum::<u32>());
                if choice == OnFailure::SkipSuccessors {
                    assert_eq!((ran[3], ran[4]), (1, 1));
                }
            }
            // Nothing of a failure stays behind.
            fail.store(false, SeqCst);
            let before: Vec<u32> = (0..6).map(|vertex| log.ran(vertex)).collect();
            graph.run(&pool).unwrap();
            assert!((0..6).all(|vertex| log.ran(vertex) == before[vertex] + 1));
            assert_eq!(graph.skipped(), 0);
        }
    }
}

#[test]
fn after_a_failure_nothing_starts() {
    // One worker: the order is its own, and of a hundred vertices that wait only the failed one has run.
    let pool = pool(1);
    let ran = AtomicU32::new(0);
    let mut builder = Builder::new();
    let first = builder.add(|_| Err(failure("first"))).unwrap();
    for _ in 0..100 {
        builder.add(|_| counted_up(&ran)).unwrap();
    }
    let last = builder.add(|_| counted_up(&ran)).unwrap();
    builder.precede(first, last).unwrap();
    let graph = builder.build().unwrap();
    assert_eq!(status(graph.run(&pool)), Some(Status::TaskFailed));
    assert_eq!(graph.skipped() as u32 + ran.load(SeqCst), 101);
    assert_eq!(ran.load(SeqCst), 0);
}

/// A gate that a vertex waits at.
struct Gate {
    reached: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    fn new() -> Arc<Gate> {
        Arc::new(Gate { reached: false.into(), open: false.into() })
    }
    fn pass(&self) -> Result<()> {
        self.reached.store(true, SeqCst);
        wait_for(|| self.open.load(SeqCst));
        Ok(())
    }
    fn await_vertex(&self) {
        wait_for(|| self.reached.load(SeqCst));
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited for a minute");
        std::thread::yield_now();
    }
}

/// A vertex at a gate, and another after it that counts.
fn gated(gate: &Arc<Gate>, ran: &Arc<AtomicU32>) -> Graph<'static> {
    let mut builder = Builder::new();
    let (gate, ran) = (gate.clone(), ran.clone());
    let first = builder.add(move |_| gate.pass()).unwrap();
    let second = builder.add(move |_| counted_up(&ran)).unwrap();
    builder.precede(first, second).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_cancelled_run_skips_what_has_not_started() {
    let pool = pool(2);
    let (gate, ran) = (Gate::new(), Arc::new(AtomicU32::new(0)));
    let graph = gated(&gate, &ran);
    assert!(!graph.cancel(), "there is no run to cancel");
    let run = graph.launch(&pool).unwrap();
    gate.await_vertex();
    assert!(!run.is_done());
    assert!(graph.cancel());
    run.cancel();
    gate.open.store(true, SeqCst);
    let error = run.wait().unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
    assert!(error.message().contains("1 of its 2 vertices"), "{error}");
    assert_eq!((ran.load(SeqCst), graph.skipped()), (0, 1));
    assert!(!graph.cancel());
    // The next run is not cancelled.
    graph.run(&pool).unwrap();
    assert_eq!((ran.load(SeqCst), graph.skipped()), (1, 0));
}

#[test]
fn cancelling_at_any_moment_leaves_a_whole_graph() {
    let pool = pool(2);
    let random = Random::new(9);
    let edges = random_edges(60, 100, &random);
    let log = Log::new(60);
    let graph = logged(&log, &edges);
    let mut cancelled = 0;
    for round in 0..400 {
        let before: u32 = (0..60).map(|vertex| log.ran(vertex)).sum();
        let run = graph.launch(&pool).unwrap();
        (0..random.below(400)).for_each(|_| std::hint::spin_loop());
        run.cancel();
        let outcome = run.wait();
        let ran = (0..60).map(|vertex| log.ran(vertex)).sum::<u32>() - before;
        assert_eq!(ran as usize + graph.skipped(), 60, "round {round}");
        assert_eq!(outcome.is_err(), graph.skipped() > 0);
        cancelled += usize::from(outcome.is_err());
    }
    assert!(cancelled > 0);
    graph.run(&pool).unwrap();
    assert_eq!(graph.skipped(), 0);
}

#[test]
fn a_graph_that_runs_refuses_a_second_run() {
    let pool = pool(2);
    let (gate, ran) = (Gate::new(), Arc::new(AtomicU32::new(0)));
    let graph = gated(&gate, &ran);
    let run = graph.launch(&pool).unwrap();
    gate.await_vertex();
    assert!(graph.is_running());
    assert_eq!(status(graph.run(&pool)), Some(Status::AlreadyStarted));
    assert_eq!(status(graph.launch(&pool)), Some(Status::AlreadyStarted));
    assert_eq!(status(pool.run(|_| graph.run(&pool))), Some(Status::AlreadyStarted));
    gate.open.store(true, SeqCst);
    run.wait().unwrap();
    assert_eq!(ran.load(SeqCst), 1);
    graph.run(&pool).unwrap();
}

#[test]
fn a_run_that_is_dropped_or_forgotten_is_waited_for() {
    let pool = pool(2);
    let ran = Arc::new(AtomicU32::new(0));
    for forgets in [false, true] {
        let gate = Gate::new();
        let graph = gated(&gate, &ran);
        let run = graph.launch(&pool).unwrap();
        let opener = std::thread::spawn({
            let gate = gate.clone();
            move || {
                gate.await_vertex();
                std::thread::sleep(Duration::from_millis(20));
                gate.open.store(true, SeqCst);
            }
        });
        let before = ran.load(SeqCst);
        if forgets {
            std::mem::forget(run)
        } else {
            drop(run)
        }
        drop(graph);
        assert_eq!(ran.load(SeqCst), before + 1);
        opener.join().unwrap();
    }
    // And by the end of the pool.
    let other = self::pool(1);
    let (gate, before) = (Gate::new(), ran.load(SeqCst));
    gate.open.store(true, SeqCst);
    let graph = gated(&gate, &ran);
    std::mem::forget(graph.launch(&other).unwrap());
    drop(other);
    assert_eq!(ran.load(SeqCst), before + 1);
    drop(graph);
}

#[test]
fn a_graph_inside_a_task_and_inside_a_vertex() {
    let pool = pool(2);
    let total = AtomicU32::new(0);
    let build = || {
        let mut builder = Builder::new();
        let first = builder.add(|_| counted_up(&total)).unwrap();
        for _ in 0..20 {
            let leaf = builder
                .add(|worker| {
                    worker.join(|_| total.fetch_add(1, SeqCst), |_| total.fetch_add(1, SeqCst));
                    Ok(())
                })
                .unwrap();
            builder.precede(first, leaf).unwrap();
        }
        builder.build().unwrap()
    };
    let inner = build();
    for _ in 0..100 {
        pool.run(|_| inner.run(&pool)).unwrap();
        // With a fork of its own below, which must not get lost among the vertices.
        pool.run(|worker| {
            let (left, _) = worker.join(|_| inner.run(&pool), |_| total.fetch_add(41, SeqCst));
            left
        })
        .unwrap();
    }
    assert_eq!(total.swap(0, SeqCst), 100 * (41 + 41 + 41));
    let inners: Vec<_> = (0..8).map(|_| build()).collect();
    let mut outer = Builder::new();
    for inner in &inners {
        let pool = &pool;
        outer.add(move |_| inner.run(pool)).unwrap();
    }
    let outer = outer.build().unwrap();
    for _ in 0..100 {
        outer.run(&pool).unwrap();
    }
    assert_eq!(total.load(SeqCst), 100 * 8 * 41);
}

#[test]
fn no_ready_vertex_waits_behind_one_that_runs() {
    // Of two vertices that are ready, the first to start waits until the other has.
    let pool = pool(2);
    for round in 0..200 {
        let started = AtomicU32::new(0);
        let meets = |_: &Worker| {
            started.fetch_add(1, SeqCst);
            wait_for(|| started.load(SeqCst) >= 2);
            Ok(())
        };
        let mut builder = Builder::new();
        let meeting = [builder.add(meets).unwrap(), builder.add(meets).unwrap()];
        if round % 3 == 0 {
            let root = builder.add(nothing).unwrap();
            meeting.iter().for_each(|&vertex| builder.precede(root, vertex).unwrap());
        }
        let graph = builder.build().unwrap();
        match round % 2 {
            0 => graph.run(&pool).unwrap(),
            // With forks below it, of which the second is still private.
            _ => {
                pool.run(|worker| worker.join(|worker| worker.join(|_| graph.run(&pool), |_| ()).0, |_| ()).0).unwrap()
            }
        }
    }
}

#[test]
fn a_vertex_that_waits_may_run_what_lies_below_its_graph() {
    // One worker. Below the graph lie forks; a vertex waits in the library, which runs all that there is, the forks too.
    // Vertices that become ready after that lie deeper than those before.
    let pool = pool(1);
    let random = Random::new(3);
    for _ in 0..100 {
        let (forks, vertices) = (AtomicU32::new(0), AtomicU32::new(0));
        let waits = |_: &Worker| {
            let task = pool.submit(|_| ())?;
            // Timed, so that the wait does not begin with the task itself.
            task.wait_for(Duration::from_secs(60))?;
            counted_up(&vertices)
        };
        let mut builder = Builder::new();
        let v: Vec<Vertex> = (0..30)
            .map(|i| if i % 5 == 0 { builder.add(waits) } else { builder.add(|_| counted_up(&vertices)) }.unwrap())
            .collect();
        for (before, after) in random_edges(30, 40, &random) {
            builder.precede(v[before], v[after]).unwrap();
        }
        let graph = builder.build().unwrap();
        pool.run(|worker| {
            let forked = |_: &Worker| forks.fetch_add(1, SeqCst);
            let inner = |worker: &Worker| worker.join(|_| graph.run(&pool), forked).0;
            let outer = |worker: &Worker| worker.join(inner, forked).0;
            let result = worker.join(outer, forked).0;
            assert_eq!((forks.load(SeqCst), vertices.load(SeqCst)), (3, 30));
            result
        })
        .unwrap();
    }
}

#[test]
fn two_graphs_at_a_time_and_two_pools() {
    let (one, two) = (pool(2), pool(1));
    let random = Random::new(31);
    let graphs: Vec<_> = (0..2)
        .map(|_| {
            let edges = random_edges(80, 150, &random);
            let log = Log::new(80);
            (logged(&log, &edges), log, edges)
        })
        .collect();
    for round in 0..100 {
        let pools = if round % 2 == 0 { [&one, &two] } else { [&one, &one] };
        std::thread::scope(|scope| {
            for ((graph, log, edges), pool) in graphs.iter().zip(pools) {
                scope.spawn(move || {
                    graph.run(pool).unwrap();
                    log.check(round + 1, edges);
                });
            }
        });
    }
    // From a worker of one pool on the other.
    one.run(|_| graphs[0].0.run(&two)).unwrap();
    two.run(|_| graphs[1].0.run(&one)).unwrap();
}

#[test]
fn a_full_inbox_is_as_the_pool_says() {
    for choice in [WhenFull::Error, WhenFull::Run] {
        let config =
            Config { workers: 1, pinning: Pinning::Off, inbox_capacity: 2, when_full: choice, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let (gate, ran) = (Gate::new(), Arc::new(AtomicU32::new(0)));
        let blocker = gate.clone();
        let blocked = pool.try_submit(move |_| blocker.pass()).unwrap();
        gate.await_vertex();
        let filling: Vec<_> = (0..2).map(|_| pool.submit(|_| ()).unwrap()).collect();
        let open = Gate::new();
        open.open.store(true, SeqCst);
        let graph = gated(&open, &ran);
        match choice {
            WhenFull::Error => {
                assert_eq!(status(graph.run(&pool)), Some(Status::QueueFull));
                assert!(!graph.is_running());
            }
            _ => graph.run(&pool).unwrap(),
        }
        gate.open.store(true, SeqCst);
        blocked.get().unwrap();
        filling.into_iter().for_each(|task| task.get().unwrap());
        graph.run(&pool).unwrap();
        assert_eq!(ran.load(SeqCst), if choice == WhenFull::Run { 2 } else { 1 });
        pool.wait_all().unwrap();
    }
}

#[test]
fn wait_all_waits_for_a_launched_graph() {
    let pool = pool(2);
    let (gate, ran) = (Gate::new(), Arc::new(AtomicU32::new(0)));
    let graph = gated(&gate, &ran);
    let run = graph.launch(&pool).unwrap();
    let opener = std::thread::spawn(move || {
        gate.await_vertex();
        std::thread::sleep(Duration::from_millis(20));
        gate.open.store(true, SeqCst);
    });
    pool.wait_all().unwrap();
    assert!(run.is_done());
    assert_eq!(ran.load(SeqCst), 1);
    run.wait().unwrap();
    opener.join().unwrap();
}

#[test]
fn closures_are_dropped_once_whether_the_graph_ran_or_not() {
    let held = Arc::new(());
    let pool = pool(1);
    for round in 0..4 {
        let mut builder = Builder::new();
        let mine = held.clone();
        builder.add(move |_| hold(&mine)).unwrap();
        assert_eq!(Arc::strong_count(&held), 2);
        match round {
            0 => drop(builder),
            1 => drop(builder.build().unwrap()),
            2 => builder.build().unwrap().run(&pool).unwrap(),
            _ => {
                let v = builder.add(nothing).unwrap();
                let w = builder.add(nothing).unwrap();
                builder.precede(v, w).unwrap();
                builder.precede(w, v).unwrap();
                builder.build().unwrap_err();
            }
        }
        assert_eq!(Arc::strong_count(&held), 1, "round {round}");
    }
}
