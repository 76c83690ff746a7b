//! The fork-join programs, each written once.

mod cholesky;
mod cilksort;
mod fib;
mod integrate;
mod matmul;
mod nqueens;
mod shared;
mod skynet;
mod uts;

use crate::pool::Pool;

/// A program that forks.
pub trait Program: Sized + Sync {
    /// A size that takes about a millisecond.
    const WARM_UP: u64;
    type Answer: Send;

    /// Makes what the clock does not see.
    fn prepare(size: u64) -> Self;

    /// The program. It is run once on what was prepared, or, to warm up, more often with no regard for the answer.
    fn run<P: Pool>(&self, worker: P::Worker<'_>) -> Self::Answer;

    /// The result in the catalogue's words.
    fn check(&self, answer: Self::Answer) -> String;
}

/// Something to be done with the program of a name.
pub trait ByName {
    type Output;
    fn run<G: Program>(self) -> Self::Output;
}

/// Does it, if there is such a program.
pub fn by_name<A: ByName>(name: &str, action: A) -> Option<A::Output> {
    Some(match name {
        "fib" => action.run::<fib::Fib>(),
        "skynet" => action.run::<skynet::Skynet>(),
        "nqueens" => action.run::<nqueens::Queens>(),
        "matmul" => action.run::<matmul::Product>(),
        "uts-t1" => action.run::<uts::Search<uts::T1>>(),
        "uts-t3" => action.run::<uts::Search<uts::T3>>(),
        "uts-t3l" => action.run::<uts::Search<uts::T3L>>(),
        "integrate" => action.run::<integrate::Integral>(),
        "cilksort" => action.run::<cilksort::Sort>(),
        "cholesky" => action.run::<cholesky::Factor>(),
        _ => return None,
    })
}
