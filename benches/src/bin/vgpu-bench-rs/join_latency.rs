//! A join of two bodies of 20 us each: with the other workers awake, and after they have slept. Beside each join one body alone
//! is timed in the same way, so that the two can be compared.

use crate::clock::Stopwatch;
use crate::pool::Pool;
use std::hint::black_box;
use std::thread;
use std::time::Duration;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

const BODY_NS: u64 = 20_000;
/// How long the caller sleeps, on its worker, so that the other workers sleep too.
const REST: Duration = Duration::from_millis(30);
/// Joins before the first that counts.
const WARM_UP: usize = 50;

pub fn measure<P: Pool>(request: &Request, asleep: bool) -> Sample {
    let pool = P::start(request.workers, request.stack_kib << 10);
    let rounds = calibrate(BODY_NS);
    let body = move || {
        kernels::tally();
        black_box(kernels::mix(black_box(1), rounds));
    };
    pool.run(|worker| {
        for _ in 0..WARM_UP {
            P::join(worker, |_| body(), |_| body());
        }
        let tallied = kernels::tally_sum();
        let mut sample = Sample::default();
        let mut alone_ns = Vec::new();
        let watch = Stopwatch::start();
        for _ in 0..request.size {
            if asleep {
                thread::sleep(REST);
                alone_ns.push(timed(body));
                thread::sleep(REST);
            } else {
                alone_ns.push(timed(body));
            }
            sample.latencies_ns.push(timed(|| {
                P::join(worker, |_| body(), |_| body());
            }));
        }
        watch.stop(&mut sample);
        alone_ns.sort_unstable();
        sample.extra.insert("body_s".to_owned(), alone_ns[alone_ns.len() / 2] as f64 * 1e-9);
        sample.check = ((kernels::tally_sum() - tallied) / 3).to_string();
        sample
    })
}

fn timed(action: impl FnOnce()) -> u64 {
    let begin = kernels::now_ns();
    action();
    kernels::now_ns() - begin
}

/// How many rounds of mixing take as long as a body should.
pub fn calibrate(body_ns: u64) -> u32 {
    const ROUNDS: u32 = 10_000;
    let best = (0..50).map(|seed| timed(|| _ = black_box(kernels::mix(black_box(seed), ROUNDS)))).min();
    (body_ns * u64::from(ROUNDS) / best.unwrap_or(body_ns).max(1)) as u32
}
