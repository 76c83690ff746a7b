//! Task graphs as a Rust program runs them, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod graph_tools;

use graph_tools::*;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::Duration;
use vgpu_pool::error::Status;
use vgpu_pool::parallel::graph::{Builder, Vertex};
use vgpu_pool::pool::{Config, Pinning, Pool, WaitPolicy, WhenFull, Worker};

impl Log {
    /// Every vertex ran so often, and, in the last run, after those before it.
    fn check(&self, runs: u32, edges: &[(usize, usize)]) {
        for vertex in 0..self.runs.len() {
            assert_eq!(self.ran(vertex), runs, "vertex {vertex}");
        }
        self.check_order(edges);
    }
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

#[test]
fn a_graph_of_nothing_and_of_one() {
    let pool = pool(1);
    let empty = Builder::new().build().unwrap();
    empty.run(&pool).unwrap();
    let run = empty.launch(&pool).unwrap();
    run.wait().unwrap();
    pool.run(|_| empty.run(&pool)).unwrap();
    let ran = AtomicU32::new(0);
    let mut builder = Builder::new();
    builder.add(|_| counted_up(&ran)).unwrap();
    let one = builder.build().unwrap();
    one.run(&pool).unwrap();
    assert_eq!((ran.load(SeqCst), one.vertices()), (1, 1));
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
fn graphs_come_to_an_end_however_workers_wait() {
    for wait_policy in [WaitPolicy::HelpOwn, WaitPolicy::Block] {
        for workers in [1, 2] {
            let config = Config { workers, wait_policy, pinning: Pinning::Off, ..Config::default() };
            let pool = Arc::new(Pool::new(&config).unwrap());
            let ran = Arc::new(AtomicU32::new(0));
            let mut builder = Builder::new();
            let first = builder.add(nothing).unwrap();
            for _ in 0..10 {
                let (pool, ran) = (pool.clone(), ran.clone());
                let waits = move |_: &Worker| {
                    let task = pool.submit(|_| ())?;
                    // Timed, so that the wait does not begin with the task itself.
                    task.wait_for(Duration::from_secs(60))?;
                    counted_up(&ran)
                };
                let vertex = builder.add(waits).unwrap();
                builder.precede(first, vertex).unwrap();
            }
            let graph = builder.build().unwrap();
            for _ in 0..50 {
                graph.run(&pool).unwrap();
                pool.run(|_| graph.run(&pool)).unwrap();
                pool.run(|_| graph.launch(&pool)?.wait()).unwrap();
            }
            assert_eq!(ran.load(SeqCst), 50 * 3 * 10, "{wait_policy:?}, {workers} workers");
        }
    }
}

#[test]
fn a_vertex_waits_as_its_pool_does_whatever_others_have_chosen() {
    for workers in [1, 2] {
        let pool = pool(workers);
        let mut builder = Builder::new();
        for _ in 0..20 {
            let chooses = |worker: &Worker| {
                assert_eq!(worker.set_wait_policy(WaitPolicy::Block), WaitPolicy::HelpAny);
                Ok(())
            };
            builder.add(chooses).unwrap();
        }
        let graph = builder.build().unwrap();
        for _ in 0..50 {
            graph.run(&pool).unwrap();
            let kept = pool.run(|worker| {
                worker.set_wait_policy(WaitPolicy::HelpOwn);
                graph.run(&pool)?;
                Ok(worker.set_wait_policy(WaitPolicy::HelpAny))
            });
            assert_eq!(kept.unwrap(), WaitPolicy::HelpOwn);
        }
    }
}
