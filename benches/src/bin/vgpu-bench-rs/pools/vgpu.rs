//! Ours: a fork names the running worker, and a task is submitted from any thread.

use crate::graph::{Graphs, Shape};
use crate::loops::Loops;
use crate::pool::{Gather, Pool};
use crate::submit::Submit;
use std::ops::Range;
use vgpu_bench::kernels;
use vgpu_pool::error::Result;
use vgpu_pool::parallel;
use vgpu_pool::parallel::graph::Builder;
use vgpu_pool::pool::{Config, Pool as VgpuPool, WhenFull, Worker};

pub const VERSION: &str = concat!("vgpu-pool ", env!("VGPU_POOL_VERSION"));

pub struct Vgpu(VgpuPool);

impl Vgpu {
    fn with(config: &Config<'_>) -> Vgpu {
        Vgpu(VgpuPool::new(config).expect("a pool"))
    }
}

impl Pool for Vgpu {
    type Worker<'w> = &'w Worker;

    fn start(workers: usize, stack: usize) -> Vgpu {
        Vgpu::with(&Config { workers, stack_size: stack, ..Config::default() })
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        self.0.run(|worker| Ok(work(worker))).expect("the pool runs it")
    }

    #[inline(always)]
    fn join<A, B, RA, RB>(worker: Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        worker.join(a, b)
    }

    #[inline(always)]
    fn fork_each<T, F>(worker: Self::Worker<'_>, count: usize, child: &F) -> T
    where
        T: Gather,
        F: for<'w> Fn(Self::Worker<'w>, usize) -> T + Sync,
    {
        worker.fold(0..count, child, T::gather).expect("a node that forks has children")
    }
}

impl Submit for Vgpu {
    /// With an inbox of the usual size; a submitter that finds it full lends a hand.
    fn start(workers: usize) -> Vgpu {
        Vgpu::with(&Config { workers, when_full: WhenFull::Block, ..Config::default() })
    }

    fn submit_and_wait(&self, count: u64) {
        let mut group = self.0.group().expect("a group");
        for _ in 0..count {
            group
                .submit(|_| {
                    kernels::tally();
                    Ok(())
                })
                .expect("the pool takes it");
        }
        group.wait().expect("no task fails");
    }

    fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        drop(self.0.submit(|_| task()).expect("the pool takes it"));
    }
}

/// Ours, with tasks submitted a batch at a time.
pub struct VgpuBatch(Vgpu);

impl Submit for VgpuBatch {
    fn start(workers: usize) -> VgpuBatch {
        VgpuBatch(<Vgpu as Submit>::start(workers))
    }

    fn submit_and_wait(&self, count: u64) {
        let mut group = self.0.0.group().expect("a group");
        let task = |_: &Worker| {
            kernels::tally();
            Ok(())
        };
        group.submit_batch((0..count).map(|_| task)).expect("the pool takes them");
        group.wait().expect("no task fails");
    }

    fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.0.spawn(task);
    }
}

/// The caller of a loop is a worker, as it is with OpenMP and oneTBB.
impl Loops for Vgpu {
    type Caller<'w> = &'w Worker;

    fn start(workers: usize) -> Vgpu {
        Vgpu::with(&Config { workers, ..Config::default() })
    }

    fn inside<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Caller<'w>) -> R + Send,
        R: Send,
    {
        self.run(work)
    }

    fn two_empty(&self, caller: &Worker) {
        parallel::for_range_on(caller, 0..2, 1, |_, piece| empty_pieces(piece)).expect("no piece fails");
    }

    fn each(&self, caller: &Worker, count: usize, item: impl Fn(usize) + Send + Sync) {
        parallel::for_range_on(caller, 0..count, 0, |_, piece| {
            piece.for_each(&item);
            Ok(())
        })
        .expect("no piece fails");
    }
}

/// The caller is a worker, as it is with OpenMP and oneTBB.
impl Graphs for Vgpu {
    fn start(workers: usize) -> Vgpu {
        Vgpu::with(&Config { workers, ..Config::default() })
    }

    fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        Pool::run(self, |_| work())
    }

    fn run_graph(&self, shape: Shape, body: &(impl Fn(u32) + Sync), times: u64) {
        let mut builder = Builder::new();
        let mut vertices = Vec::new();
        for vertex in shape.vertices() {
            let added = builder.add(move |_| {
                body(vertex);
                Ok(())
            });
            let added = added.expect("there is memory");
            for before in shape.before(vertex) {
                builder.precede(vertices[before as usize], added).expect("there is memory");
            }
            vertices.push(added);
        }
        let graph = builder.build().expect("no vertex comes before itself");
        (0..times).for_each(|_| graph.run(&self.0).expect("no vertex fails"));
    }
}

/// Ours, when the caller of a loop is not a worker.
pub struct VgpuOutside(Vgpu);

impl Loops for VgpuOutside {
    type Caller<'w> = ();

    fn start(workers: usize) -> VgpuOutside {
        VgpuOutside(<Vgpu as Loops>::start(workers))
    }

    fn inside<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Caller<'w>) -> R + Send,
        R: Send,
    {
        work(())
    }

    fn two_empty(&self, (): ()) {
        parallel::for_range(Some(&self.0.0), 0..2, 1, |_, piece| empty_pieces(piece)).expect("no piece fails");
    }

    fn each(&self, (): (), count: usize, item: impl Fn(usize) + Send + Sync) {
        parallel::for_range(Some(&self.0.0), 0..count, 0, |_, piece| {
            piece.for_each(&item);
            Ok(())
        })
        .expect("no piece fails");
    }
}

fn empty_pieces(piece: Range<usize>) -> Result<()> {
    piece.for_each(|_| kernels::tally());
    Ok(())
}
