//! What several of the tests call.

use vgpu_pool::pool::Worker;

/// A number of Fibonacci, by a recursion that forks at every step.
pub(crate) fn fib(worker: &Worker, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = worker.join(|w| fib(w, n - 1), |w| fib(w, n - 2));
    a + b
}
