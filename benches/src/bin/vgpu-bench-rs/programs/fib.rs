//! The price of a fork: nothing else is in it.

use super::Program;
use crate::pool::Pool;
use std::hint::black_box;

pub struct Fib(u64);

fn fib<P: Pool>(worker: P::Worker<'_>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = P::join(worker, |worker| fib::<P>(worker, n - 1), |worker| fib::<P>(worker, n - 2));
    a + b
}

impl Program for Fib {
    const WARM_UP: u64 = 22;
    type Answer = u64;

    fn prepare(n: u64) -> Fib {
        Fib(n)
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) -> u64 {
        fib::<P>(worker, black_box(self.0))
    }

    fn check(&self, answer: u64) -> String {
        answer.to_string()
    }
}
