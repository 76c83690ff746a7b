//! rayon: forks find their worker in a thread-local; loops are parallel iterators.

use crate::loops::Loops;
use crate::pool::{Gather, Pool};
use crate::submit::Submit;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use vgpu_bench::kernels;

pub const VERSION: &str = concat!("rayon ", env!("RAYON_VERSION"));

pub struct Rayon(ThreadPool);

impl Rayon {
    fn with(builder: ThreadPoolBuilder) -> Rayon {
        Rayon(builder.build().expect("a pool"))
    }
}

impl Pool for Rayon {
    type Worker<'w> = ();

    fn start(workers: usize, stack: usize) -> Rayon {
        Rayon::with(ThreadPoolBuilder::new().num_threads(workers).stack_size(stack))
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        self.0.install(|| work(()))
    }

    #[inline(always)]
    fn join<A, B, RA, RB>((): Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(|| a(()), || b(()))
    }
}

/// rayon with a parallel iterator over the children of a node: it cuts them into few pieces as long as nobody steals.
pub struct RayonIter(Rayon);

impl Pool for RayonIter {
    type Worker<'w> = ();

    fn start(workers: usize, stack: usize) -> RayonIter {
        RayonIter(<Rayon as Pool>::start(workers, stack))
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        self.0.run(work)
    }

    #[inline(always)]
    fn join<A, B, RA, RB>((): Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        Rayon::join((), a, b)
    }

    #[inline(always)]
    fn fork_each<T, F>((): Self::Worker<'_>, count: usize, child: &F) -> T
    where
        T: Gather,
        F: for<'w> Fn(Self::Worker<'w>, usize) -> T + Sync,
    {
        let gathered = (0..count).into_par_iter().map(|i| child((), i)).reduce_with(T::gather);
        gathered.expect("a node that forks has children")
    }
}

impl Submit for Rayon {
    fn start(workers: usize) -> Rayon {
        Rayon::with(ThreadPoolBuilder::new().num_threads(workers))
    }

    fn submit_and_wait(&self, count: u64) {
        self.0.in_place_scope(|scope| {
            for _ in 0..count {
                scope.spawn(|_| kernels::tally());
            }
        });
    }

    fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.0.spawn(task);
    }
}

impl Loops for Rayon {
    type Caller<'w> = ();

    fn start(workers: usize) -> Rayon {
        Rayon::with(ThreadPoolBuilder::new().num_threads(workers))
    }

    fn inside<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Caller<'w>) -> R + Send,
        R: Send,
    {
        self.run(work)
    }

    fn two_empty(&self, (): ()) {
        rayon::join(|| kernels::tally(), || kernels::tally());
    }

    fn each(&self, (): (), count: usize, item: impl Fn(usize) + Send + Sync) {
        (0..count).into_par_iter().for_each(item);
    }
}
