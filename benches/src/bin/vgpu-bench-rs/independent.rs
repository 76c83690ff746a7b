//! How much faster several of the machine's CPUs are than one, for work that shares nothing: what a pool's speed-up is to be
//! judged against.

use crate::clock::Stopwatch;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

pub fn measure(request: &Request) -> Sample {
    let share = request.size / request.workers as u64;
    let barrier = Barrier::new(request.workers + 1);
    let mut sample = Sample { units: request.size, check: request.size.to_string(), ..Sample::default() };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..request.workers as u64)
            .map(|seed| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    black_box(kernels::mix(black_box(seed), share as u32));
                })
            })
            .collect();
        let watch = Stopwatch::start();
        barrier.wait();
        for worker in workers {
            worker.join().expect("arithmetic does not panic");
        }
        watch.stop(&mut sample);
    });
    sample
}
