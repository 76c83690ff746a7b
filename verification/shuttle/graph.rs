//! Graphs on the pool's real core under shuttle: more vertices, workers and runs than loom walks through.
//!
//! Every vertex asks that those before it have run in the same round; every scenario ends by closing the pool, so that a vertex
//! which is lost or counted twice shows as a deadlock.

use crate::pool::{Count, Host, failure, join};
use crate::schedules::verify;
use std::sync::Arc;
use vgpu_pool::error::Status;
use vgpu_pool::parallel::graph::{Builder, Choice, Graph, OnFailure, Vertex};
use vgpu_pool::pool::WhenFull;

/// Schedules that each scenario gets from each scheduler.
const SCHEDULES: usize = 3_000;

/// A square of three by three, each vertex after the left and the upper one.
const SIDE: usize = 3;

fn before(vertex: usize) -> impl Iterator<Item = usize> {
    let left = (!vertex.is_multiple_of(SIDE)).then(|| vertex - 1);
    left.into_iter().chain(vertex.checked_sub(SIDE))
}

/// Adds the square, whose vertices count their runs. `fails` fails.
fn square(builder: &mut Builder<'static>, runs: &Arc<Vec<Count>>, fails: Option<usize>) -> Vec<Vertex> {
    let mut vertices: Vec<Vertex> = vec![];
    for vertex in 0..SIDE * SIDE {
        let runs = runs.clone();
        let closure = move |_: &_| {
            let run = runs[vertex].add() + 1;
            before(vertex).for_each(|before| assert_eq!(runs[before].get(), run, "{before} is before {vertex}"));
            if fails == Some(vertex) { failure() } else { Ok(()) }
        };
        vertices.push(builder.add(closure).unwrap());
        before(vertex).for_each(|before| builder.precede(vertices[before], vertices[vertex]).unwrap());
    }
    vertices
}

fn counts() -> Arc<Vec<Count>> {
    Arc::new((0..SIDE * SIDE).map(|_| Count::default()).collect())
}

fn total(runs: &[Count]) -> usize {
    runs.iter().map(Count::get).sum()
}

fn graph(fails: Option<usize>) -> (Arc<Vec<Count>>, Graph<'static>) {
    let (mut builder, runs) = (Builder::new(), counts());
    builder.on_failure(OnFailure::SkipSuccessors);
    square(&mut builder, &runs, fails);
    (runs, builder.build().unwrap())
}

#[test]
fn every_vertex_runs_once_after_those_before_it() {
    verify("graph twice, from outside and inside", SCHEDULES, || {
        let host = Host::start(3, 4, WhenFull::Block);
        let callers = [false, true].map(|inside| {
            host.spawn(move |core| {
                let (runs, graph) = graph(None);
                for run in 1..=2 {
                    if inside { core.run(|_| graph.run_in(core)) } else { graph.run_in(core) }.unwrap();
                    assert_eq!(total(&runs), run * SIDE * SIDE);
                }
            })
        });
        join(callers);
        host.end();
    });
}

#[test]
fn what_follows_a_failure_is_skipped() {
    verify("graph that fails", SCHEDULES, || {
        let host = Host::start(3, 4, WhenFull::Block);
        // The middle one, and so the two after it and the last.
        let (runs, graph) = graph(Some(4));
        for run in 1..=2 {
            assert_eq!(graph.run_in(&host.core).unwrap_err().status(), Status::TaskFailed);
            assert_eq!((total(&runs), graph.skipped()), (run * 6, 3));
        }
        drop(graph);
        host.end();
    });
}

#[test]
fn a_run_is_whole_or_cancelled_and_the_next_is_whole() {
    verify("graph cancelled", SCHEDULES, || {
        let host = Host::start(2, 4, WhenFull::Block);
        let (runs, graph) = graph(None);
        let graph = Arc::new(graph);
        let inside = graph.clone();
        let canceller = host.spawn(move |_| _ = inside.cancel());
        let outcome = graph.run_in(&host.core);
        join([canceller]);
        let ran = total(&runs);
        assert_eq!(outcome.err().map(|error| error.status()), (ran < SIDE * SIDE).then_some(Status::Cancelled));
        assert_eq!(ran + graph.skipped(), SIDE * SIDE);
        // Those that had run have run once more than the others.
        let missed = runs.iter().enumerate().filter(|(_, run)| run.get() == 0).map(|(vertex, _)| vertex);
        missed.for_each(|vertex| _ = runs[vertex].add());
        graph.run_in(&host.core).unwrap();
        assert_eq!(total(&runs), 2 * SIDE * SIDE);
        host.end();
    });
}

#[test]
fn a_graph_that_is_left_alone_has_run_when_it_is_gone() {
    verify("graph launched and dropped", SCHEDULES, || {
        let host = Host::start(2, 4, WhenFull::Block);
        let (runs, graph) = graph(None);
        std::mem::forget(graph.launch_in(&host.core).unwrap());
        drop(graph);
        assert_eq!(total(&runs), SIDE * SIDE);
        host.end();
    });
}

#[test]
fn one_run_at_a_time() {
    verify("graph run by two", SCHEDULES, || {
        let host = Host::start(2, 4, WhenFull::Block);
        let (runs, graph) = graph(None);
        let graph = Arc::new(graph);
        let callers = [(), ()].map(|()| {
            let graph = graph.clone();
            host.spawn(move |core| match graph.run_in(core) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.status(), Status::AlreadyStarted),
            })
        });
        join(callers);
        assert!([1, 2].contains(&(total(&runs) / (SIDE * SIDE))));
        graph.run_in(&host.core).unwrap();
        host.end();
    });
}

/// The square in a loop of three rounds, with a vertex beside it that a second condition chooses every other time.
fn looped(runs: &Arc<Vec<Count>>, beside: &Count) -> Graph<'static> {
    let mut builder = Builder::new();
    let start = builder.condition("start", |_| Ok(Choice::one(0))).unwrap();
    let square = square(&mut builder, runs, None);
    let (last, counted) = (runs.clone(), beside.clone());
    let again = builder
        .condition("again", move |_| {
            let round = last[SIDE * SIDE - 1].get();
            let again = if round % 3 != 0 { Choice::one(0) } else { Choice::NONE };
            Ok(if round % 2 == 0 { again.and(Choice::one(1)) } else { again })
        })
        .unwrap();
    let beside = builder
        .add(move |_| {
            counted.add();
            Ok(())
        })
        .unwrap();
    builder.precede(start, square[0]).unwrap();
    builder.precede(square[SIDE * SIDE - 1], again).unwrap();
    builder.precede(again, square[0]).unwrap();
    builder.precede(again, beside).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_loop_goes_round_as_its_condition_says() {
    verify("graph with a loop", SCHEDULES, || {
        let host = Host::start(3, 4, WhenFull::Block);
        let (runs, beside) = (counts(), Count::default());
        let graph = looped(&runs, &beside);
        graph.run_in(&host.core).unwrap();
        assert_eq!((total(&runs), beside.get(), graph.skipped()), (3 * SIDE * SIDE, 1, 0));
        drop(graph);
        host.end();
    });
}
