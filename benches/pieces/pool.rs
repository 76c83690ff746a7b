//! The pool's own calls: a join of two closures that do nothing, a task that is submitted and waited for, a call on a worker.

use criterion::Criterion;
use std::hint::black_box;
use std::time::{Duration, Instant};
use vgpu_pool::pool::{Config, Pool};

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, ..Config::default() }).expect("a pool")
}

fn join(c: &mut Criterion) {
    for workers in [1, 2] {
        let pool = pool(workers);
        c.bench_function(&format!("pool/join of two empty closures, {workers} workers"), |b| {
            b.iter_custom(|times| {
                let timed = |worker: &vgpu_pool::pool::Worker| {
                    let begin = Instant::now();
                    for _ in 0..times {
                        black_box(worker.join(|_| black_box(1), |_| black_box(2)));
                    }
                    Ok(begin.elapsed())
                };
                pool.run(timed).unwrap_or(Duration::MAX)
            });
        });
    }
}

fn submit(c: &mut Criterion) {
    for workers in [1, 2] {
        let pool = pool(workers);
        c.bench_function(&format!("pool/submit and get, {workers} workers"), |b| {
            b.iter(|| pool.submit(|_| black_box(1)).and_then(|future| future.get()).expect("the task runs"));
        });
        c.bench_function(&format!("pool/run, {workers} workers"), |b| {
            b.iter(|| pool.run(|_| Ok(black_box(1))).expect("the call runs"));
        });
    }
}

pub(crate) fn all(c: &mut Criterion) {
    join(c);
    submit(c);
}
