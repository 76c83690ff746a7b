//! What the programs ask of a pool. Each program is written once against this, and compiled once for each pool: the calls
//! are the pool's own, inlined.

use vgpu_bench::kernels;

/// A pool that forks and joins.
pub trait Pool: Sized + Sync {
    /// The running worker as the pool hands it to what it runs; nothing where the pool finds it by itself.
    type Worker<'w>: Copy;

    /// A pool of `workers` workers with `stack` bytes each.
    fn start(workers: usize, stack: usize) -> Self;

    /// Calls `work` on a worker.
    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send;

    /// Calls both, perhaps at the same time.
    fn join<A, B, RA, RB>(worker: Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send;

    /// Calls `child` with every number below `count`, of which there is at least one, perhaps at the same time. A pool that
    /// has nothing of its own for this forks halves, and the last child of a half runs inline.
    #[inline(always)]
    fn fork_each<T, F>(worker: Self::Worker<'_>, count: usize, child: &F) -> T
    where
        T: Gather,
        F: for<'w> Fn(Self::Worker<'w>, usize) -> T + Sync,
    {
        fork_halves::<Self, T, F>(worker, 0, count, child)
    }
}

/// What the children of a node return together.
pub trait Gather: Send {
    fn gather(self, other: Self) -> Self;
}

impl Gather for () {
    #[inline(always)]
    fn gather(self, (): ()) {}
}

impl Gather for u64 {
    #[inline(always)]
    fn gather(self, other: u64) -> u64 {
        self + other
    }
}

/// As [`Pool::fork_each`], for pools that only join.
fn fork_halves<P, T, F>(worker: P::Worker<'_>, from: usize, to: usize, child: &F) -> T
where
    P: Pool,
    T: Gather,
    F: for<'w> Fn(P::Worker<'w>, usize) -> T + Sync,
{
    if to - from == 1 {
        return child(worker, from);
    }
    let middle = from + (to - from) / 2;
    let (left, right) = P::join(
        worker,
        |worker| fork_halves::<P, T, F>(worker, from, middle, child),
        |worker| fork_halves::<P, T, F>(worker, middle, to, child),
    );
    left.gather(right)
}

/// Another pool, whose forks are counted.
pub struct Counting<P>(P);

impl<P: Pool> Pool for Counting<P> {
    type Worker<'w> = P::Worker<'w>;

    fn start(workers: usize, stack: usize) -> Self {
        Counting(P::start(workers, stack))
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        self.0.run(work)
    }

    #[inline(always)]
    fn join<A, B, RA, RB>(worker: Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        kernels::tally();
        P::join(worker, a, b)
    }
    #[inline(always)]
    fn fork_each<T, F>(worker: Self::Worker<'_>, count: usize, child: &F) -> T
    where
        T: Gather,
        F: for<'w> Fn(Self::Worker<'w>, usize) -> T + Sync,
    {
        for _ in 1..count {
            kernels::tally();
        }
        P::fork_each(worker, count, child)
    }
}
