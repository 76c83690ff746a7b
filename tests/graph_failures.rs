//! Graphs that are refused, fail, are cancelled or left alone, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod graph_tools;

use graph_tools::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::time::Duration;
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::parallel::graph::{Builder, Graph, OnFailure, Vertex};
use vgpu_pool::pool::{Config, Pinning, Pool, WaitPolicy, Worker};

fn failure(text: &str) -> Error {
    Error::new(Status::TaskFailed, format_args!("{text}"))
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
    assert!(error.message().contains("before 1 of its vertices had started"), "{error}");
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
    log.check_order(&edges);
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

/// A graph inside a vertex, so often.
fn nested(pool: &Pool, length: u32) -> Result<()> {
    if length == 0 {
        return Ok(());
    }
    let mut builder = Builder::new();
    builder.add(|_| nested(pool, length - 1))?;
    builder.build()?.run(pool)
}

#[test]
fn graphs_too_deep_in_each_other_are_an_error() {
    for wait_policy in [WaitPolicy::HelpAny, WaitPolicy::HelpOwn, WaitPolicy::Block] {
        let config =
            Config { workers: 1, stack_size: 256 << 10, wait_policy, pinning: Pinning::Off, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        pool.run(|_| nested(&pool, 10)).unwrap();
        assert_eq!(status(pool.run(|_| nested(&pool, 1_000_000))), Some(Status::StackLimit), "{wait_policy:?}");
        pool.wait_all().unwrap();
    }
}
