//! Graphs on the pool's real core: each vertex exactly once, after all its predecessors, with what they wrote.
//!
//! Every model ends by closing the pool and joining its workers, so that a vertex which is not counted off shows as a deadlock.

use crate::fork_stack::{Place, dawdle, with_pool};
use crate::model::Model;
use crate::pool::watched_memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::error::{Error, Status};
use vgpu_pool::parallel::graph::{Builder, Choice, Graph, OnFailure, Vertex};
use vgpu_pool::pool::Worker;
use vgpu_pool::pool::core::Core;
use vgpu_pool::protocol::completion::Completion;

/// What the vertices of a graph leave behind.
struct Scene {
    /// Written by each vertex, and read by those after it.
    places: Vec<Place>,
    /// Which worker ran each last. loom does not see it.
    by: Vec<AtomicU64>,
}

impl Scene {
    fn by(&self, vertex: usize) -> u64 {
        self.by[vertex].load(Relaxed)
    }
    /// How often each vertex ran.
    fn runs(&self) -> Vec<u64> {
        self.places.iter().map(Place::read).collect()
    }
}

/// A graph of vertices of which each asks that those before it have run as often as it does now. `fails` fails.
fn graph(vertices: usize, edges: &[(usize, usize)], fails: Option<usize>) -> (Arc<Scene>, Graph<'static>) {
    let scene = Arc::new(Scene {
        places: (0..vertices).map(|_| Place::new()).collect(),
        by: (0..vertices).map(|_| AtomicU64::new(0)).collect(),
    });
    let mut builder = Builder::new_in(watched_memory());
    builder.on_failure(OnFailure::SkipSuccessors);
    let made: Vec<Vertex> = (0..vertices)
        .map(|vertex| {
            let before: Vec<usize> = edges.iter().filter(|edge| edge.1 == vertex).map(|edge| edge.0).collect();
            let scene = scene.clone();
            let closure = move |worker: &Worker| {
                let runs = scene.places[vertex].read() + 1;
                before.iter().for_each(|&before| assert_eq!(scene.places[before].read(), runs));
                scene.places[vertex].write(runs);
                scene.by[vertex].store(worker.index() as u64, Relaxed);
                match fails {
                    Some(fails) if fails == vertex => Err(Error::new(Status::TaskFailed, format_args!("as asked"))),
                    _ => Ok(()),
                }
            };
            builder.add(closure).unwrap()
        })
        .collect();
    for &(before, after) in edges {
        builder.precede(made[before], made[after]).unwrap();
    }
    (scene, builder.build().unwrap())
}

const DIAMOND_EDGES: &[(usize, usize)] = &[(0, 1), (0, 2), (1, 3), (2, 3)];

/// Of a diamond's two sides: both on one worker (1), or on two (2).
fn sides(scene: &Scene, runs: u64) -> u64 {
    assert_eq!(scene.runs(), [runs; 4]);
    1 + u64::from(scene.by(1) != scene.by(2))
}

/// A diamond on two workers, run by a thread from outside.
///
/// Outcomes: the sides on one worker (1), or on two (2).
const DIAMOND: Model =
    Model { group: "graph", name: "diamond", threads: 3, operations: 4, bound: 1, outcomes: &[1, 2], run: &diamond };
fn diamond() -> u64 {
    with_pool(2, |core| {
        let (scene, graph) = graph(4, DIAMOND_EDGES, None);
        graph.run_in(core).unwrap();
        sides(&scene, 1)
    })
}

/// As above, run by a task, whose worker helps.
const INSIDE: Model = Model { name: "diamond in a task", run: &inside, ..DIAMOND };
fn inside() -> u64 {
    with_pool(2, |core| {
        let (scene, graph) = graph(4, DIAMOND_EDGES, None);
        core.run(|_| graph.run_in(core)).unwrap();
        sides(&scene, 1)
    })
}

/// A graph of two vertices, twice in one task.
///
/// Outcomes: both vertices of the second run on one worker (1), or on two (2).
const AGAIN: Model = Model { name: "twice", operations: 6, run: &again, ..DIAMOND };
fn again() -> u64 {
    with_pool(2, |core| {
        let (scene, graph) = graph(2, &[], None);
        core.run(|_| graph.run_in(core).and_then(|()| graph.run_in(core))).unwrap();
        assert_eq!(scene.runs(), [2; 2]);
        1 + u64::from(scene.by(0) != scene.by(1))
    })
}

/// Two vertices, of which the first to start waits until the other has begun. The other is public before the first starts, and
/// the other worker gets it, whether it searches, is about to sleep, or sleeps.
///
/// One outcome: both began, on two workers.
const MEET: Model =
    Model { name: "a vertex waits for another to begin", operations: 3, outcomes: &[2], run: &meet, ..DIAMOND };
fn meet() -> u64 {
    with_pool(2, |core| {
        let (first, begun) = (AtomicU64::new(0), Completion::new());
        let by = [AtomicU64::new(9), AtomicU64::new(9)];
        let mut builder = Builder::new_in(watched_memory());
        for by in &by {
            let closure = |worker: &Worker| {
                by.store(worker.index() as u64, Relaxed);
                match first.fetch_add(1, Relaxed) {
                    0 => assert!(begun.wait(None)),
                    // SAFETY: set once.
                    _ => unsafe { begun.set(()) }.wake_blocked(),
                }
                Ok(())
            };
            builder.add(closure).unwrap();
        }
        builder.build().unwrap().run_in(core).unwrap();
        1 + u64::from(by[0].load(Relaxed) != by[1].load(Relaxed))
    })
}

/// Two vertices on two workers: the first to start waits until the other has begun, which then takes so long that the first
/// worker may fall asleep over it.
fn long_second() -> Graph<'static> {
    let shared = Arc::new((AtomicU64::new(0), Completion::new()));
    let mut builder = Builder::new_in(watched_memory());
    for _ in 0..2 {
        let shared = shared.clone();
        let closure = move |_: &Worker| {
            let (first, begun) = &*shared;
            if first.fetch_add(1, Relaxed) == 0 {
                assert!(begun.wait(None));
            } else {
                // SAFETY: set once.
                unsafe { begun.set(()) }.wake_blocked();
                dawdle();
            }
            Ok(())
        };
        builder.add(closure).unwrap();
    }
    builder.build().unwrap()
}

/// A task runs a graph whose last vertex is another worker's.
const ASLEEP: Model =
    Model { name: "a task sleeps over its graph", operations: 4, bound: 0, outcomes: &[1], run: &asleep, ..DIAMOND };
fn asleep() -> u64 {
    with_pool(2, |core| {
        let graph = long_second();
        core.run(|_| graph.run_in(core)).unwrap();
        1
    })
}

/// The pool is closed while a graph runs that was left alone.
const CLOSED: Model = Model { name: "close during a run", run: &closed, ..ASLEEP };
fn closed() -> u64 {
    let graph = long_second();
    with_pool(2, |core| {
        std::mem::forget(graph.launch_in(core).unwrap());
        1
    })
}

/// One side of the diamond fails: the other runs, and what comes after both does not. Then the graph is gone.
const FAILURE: Model = Model { name: "a side fails", outcomes: &[1], run: &failure, ..DIAMOND };
fn failure() -> u64 {
    with_pool(2, |core| {
        let (scene, graph) = graph(4, DIAMOND_EDGES, Some(1));
        assert_eq!(graph.run_in(core).unwrap_err().status(), Status::TaskFailed);
        assert_eq!(graph.skipped(), 1);
        drop(graph);
        assert_eq!(scene.runs(), [1, 1, 1, 0]);
        1
    })
}

/// A chain of two is cancelled while it runs, and run again.
///
/// Outcomes: how many vertices had run when the cancellation came.
const CANCEL: Model = Model { name: "cancel", operations: 5, outcomes: &[0, 1, 2], run: &cancel, ..DIAMOND };
fn cancel() -> u64 {
    one_worker(|core| {
        let (scene, graph) = graph(2, &[(0, 1)], None);
        let run = graph.launch_in(core).unwrap();
        run.cancel();
        let outcome = run.wait();
        let runs = scene.runs();
        let ran = runs[0] + runs[1];
        assert!(runs[0] >= runs[1]);
        assert_eq!(ran as usize + graph.skipped(), 2);
        assert_eq!(outcome.err().map(|error| error.status()), (ran < 2).then_some(Status::Cancelled));
        ran
    })
}

/// A condition chooses two vertices, of which one is a condition that chooses both once more. Each asks that the other has run in the
/// round before.
///
/// Outcomes: in the last round both on one worker (1), or on two (2).
const ROUNDS: Model = Model { name: "rounds", operations: 6, run: &rounds, ..DIAMOND };
fn rounds() -> u64 {
    with_pool(2, |core| {
        // Of each of the two, one for each round, so that nothing is read that may be written meanwhile.
        let places = Arc::new([[Place::new(), Place::new()], [Place::new(), Place::new()]]);
        let by = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let runs = |which: usize| {
            let (places, by) = (places.clone(), by.clone());
            let mut round = 0;
            move |worker: &Worker| {
                if round > 0 {
                    assert_eq!(places[1 - which][round - 1].read(), 1);
                }
                places[which][round].write(1);
                by[which].store(worker.index() as u64, Relaxed);
                round += 1;
                round
            }
        };
        let both = Choice::one(0).and(Choice::one(1));
        let mut builder = Builder::new_in(watched_memory());
        let start = builder.condition("start", move |_| Ok(both)).unwrap();
        let (mut left, mut right) = (runs(0), runs(1));
        let other = builder
            .add(move |worker| {
                left(worker);
                Ok(())
            })
            .unwrap();
        let again =
            builder.condition("again", move |worker| Ok(if right(worker) < 2 { both } else { Choice::NONE })).unwrap();
        for chooser in [start, again] {
            builder.precede(chooser, other).unwrap();
            builder.precede(chooser, again).unwrap();
        }
        let graph = builder.build().unwrap();
        graph.run_in(core).unwrap();
        assert!(places.iter().flatten().all(|place| place.read() == 1));
        assert_eq!(graph.skipped(), 0);
        1 + u64::from(by[0].load(Relaxed) != by[1].load(Relaxed))
    })
}

fn one_worker(action: impl FnOnce(&Core) -> u64) -> u64 {
    with_pool(1, |core| action(core))
}

/// A run is left alone, and the graph dropped, which waits.
const DROPPED: Model = Model { name: "a run left alone", outcomes: &[2], run: &dropped, ..CANCEL };
fn dropped() -> u64 {
    one_worker(|core| {
        let (scene, graph) = graph(2, &[(0, 1)], None);
        std::mem::forget(graph.launch_in(core).unwrap());
        drop(graph);
        scene.runs().iter().sum()
    })
}

#[test]
fn graph_each_vertex_of_a_diamond_runs_once_after_those_before_it() {
    DIAMOND.verify();
}

#[test]
fn graph_a_worker_that_runs_a_graph_helps() {
    INSIDE.verify();
}

#[test]
fn graph_a_second_run_sees_the_first() {
    AGAIN.verify();
}

#[test]
fn graph_no_ready_vertex_waits_behind_one_that_runs() {
    MEET.verify();
}

#[test]
fn graph_a_worker_that_sleeps_over_its_graph_wakes() {
    ASLEEP.verify();
}

#[test]
fn graph_a_pool_ends_after_the_graphs_it_runs() {
    CLOSED.verify();
}

#[test]
fn graph_what_follows_a_failure_is_skipped() {
    FAILURE.verify();
}

#[test]
fn graph_what_is_chosen_runs_once_after_the_round_before() {
    ROUNDS.verify();
}

#[test]
fn graph_a_vertex_runs_or_is_cancelled() {
    CANCEL.verify();
}

#[test]
fn graph_a_dropped_graph_has_run() {
    DROPPED.verify();
}
