//! Task graphs of three shapes, run again and again, or built anew for each run. A vertex only counts itself, or works for 1 us.

use crate::clock::Stopwatch;
use crate::join_latency::calibrate;
use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

/// So many vertices has each graph; the wavefront is a square of them.
const VERTICES: u32 = 4096;
const WAVEFRONT_SIDE: u32 = 64;
/// Runs last so long before the first that counts.
const WARM_UP_NS: u64 = 30_000_000;
const BODY_NS: u64 = 1_000;

/// A pool that runs graphs.
pub trait Graphs: Sized + Sync {
    fn start(workers: usize) -> Self;

    /// Calls `work` where graphs are made and run from.
    fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R;

    /// Makes a graph whose vertex `i` calls `body(i)` after those before it, and runs it so often.
    fn run_graph(&self, shape: Shape, body: &(impl Fn(u32) + Sync), times: u64);
}

/// Which vertices come before which: none, one or two with lower numbers.
#[derive(Clone, Copy)]
pub enum Shape {
    Chain,
    Tree,
    Wavefront,
}

impl Shape {
    fn of(program: &str) -> Option<Shape> {
        match program.split('-').next()? {
            "chain" => Some(Shape::Chain),
            "tree" => Some(Shape::Tree),
            "wavefront" => Some(Shape::Wavefront),
            _ => None,
        }
    }

    pub fn vertices(self) -> Range<u32> {
        0..VERTICES
    }

    pub fn before(self, vertex: u32) -> impl Iterator<Item = u32> {
        let both = match self {
            Shape::Chain => [vertex.checked_sub(1), None],
            Shape::Tree => [vertex.checked_sub(1).map(|above| above / 2), None],
            Shape::Wavefront => {
                let left = (!vertex.is_multiple_of(WAVEFRONT_SIDE)).then(|| vertex - 1);
                [left, vertex.checked_sub(WAVEFRONT_SIDE)]
            }
        };
        both.into_iter().flatten()
    }
}

pub fn measure<G: Graphs>(request: &Request) -> Option<Sample> {
    let shape = Shape::of(&request.program)?;
    let is_built_anew = request.program.ends_with("-built");
    Some(if request.count {
        count_ordered::<G>(request, shape, is_built_anew)
    } else {
        time::<G>(request, shape, is_built_anew)
    })
}

/// So many runs, of one graph or each of a graph of its own.
fn run<G: Graphs>(pool: &G, shape: Shape, body: &(impl Fn(u32) + Sync), is_built_anew: bool, runs: u64) {
    if is_built_anew {
        (0..runs).for_each(|_| pool.run_graph(shape, body, 1));
    } else {
        pool.run_graph(shape, body, runs);
    }
}

fn time<G: Graphs>(request: &Request, shape: Shape, is_built_anew: bool) -> Sample {
    let rounds = if request.program.ends_with("-1us") { calibrate(BODY_NS) } else { 0 };
    let body = move |vertex: u32| {
        kernels::tally();
        if rounds != 0 {
            black_box(kernels::mix(black_box(u64::from(vertex)), rounds));
        }
    };
    let pool = G::start(request.workers);
    pool.inside(|| {
        let begin = kernels::now_ns();
        while kernels::now_ns() - begin < WARM_UP_NS {
            run(&pool, shape, &body, is_built_anew, 1);
        }
        let tallied = kernels::tally_sum();
        let mut sample = Sample::default();
        let watch = Stopwatch::start();
        run(&pool, shape, &body, is_built_anew, request.size / u64::from(VERTICES));
        watch.stop(&mut sample);
        sample.units = request.size;
        sample.check = (kernels::tally_sum() - tallied).to_string();
        sample
    })
}

/// Counts the vertices that find all those before them done in the same run.
fn count_ordered<G: Graphs>(request: &Request, shape: Shape, is_built_anew: bool) -> Sample {
    // Relaxed: it is the graph that has to order them.
    let runs_of: Vec<AtomicU64> = shape.vertices().map(|_| AtomicU64::new(0)).collect();
    let of = |vertex: u32| &runs_of[vertex as usize];
    let body = |vertex: u32| {
        let this = of(vertex).load(Ordering::Relaxed) + 1;
        of(vertex).store(this, Ordering::Relaxed);
        if shape.before(vertex).all(|before| of(before).load(Ordering::Relaxed) == this) {
            kernels::tally();
        }
    };
    let pool = G::start(request.workers);
    pool.inside(|| run(&pool, shape, &body, is_built_anew, request.size / u64::from(VERTICES)));
    Sample { units: kernels::tally_sum(), check: request.size.to_string(), ..Sample::default() }
}
