//! No pool: both sides of a fork in turn. The compiler sees a plain recursion.

use crate::pool::Pool;

pub struct Plain;

impl Pool for Plain {
    type Worker<'w> = ();

    fn start(_workers: usize, _stack: usize) -> Plain {
        Plain
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        work(())
    }

    #[inline(always)]
    fn join<A, B, RA, RB>((): Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        (a(()), b(()))
    }
}
