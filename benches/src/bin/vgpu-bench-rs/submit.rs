//! Empty tasks from one thread outside the pool: how fast they come in and are done.

use crate::clock::Stopwatch;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

/// A pool that takes tasks from any thread.
pub trait Submit {
    fn start(workers: usize) -> Self;

    /// Submits tasks that only count themselves, and waits until all are done.
    fn submit_and_wait(&self, count: u64);

    /// Submits a task that nobody waits for.
    fn spawn(&self, task: impl FnOnce() + Send + 'static);
}

/// How many tasks go first, so that threads, queues and the allocator are warm.
const WARM_UP: u64 = 10_000;

pub fn measure<S: Submit>(request: &Request) -> Sample {
    let pool = S::start(request.workers);
    pool.submit_and_wait(WARM_UP.min(request.size));
    let before = kernels::tally_sum();
    let own_before = kernels::tally_own();
    let mut sample = Sample::default();
    if request.count {
        let allocations = kernels::allocations_during(|| pool.submit_and_wait(request.size));
        sample.extra.insert("allocations_per_task".to_owned(), allocations as f64 / request.size as f64);
    } else {
        let watch = Stopwatch::start();
        pool.submit_and_wait(request.size);
        watch.stop(&mut sample);
    }
    let own = kernels::tally_own() - own_before;
    sample.extra.insert("share_run_by_submitter".to_owned(), own as f64 / request.size as f64);
    sample.units = request.size;
    sample.check = (kernels::tally_sum() - before).to_string();
    sample
}
