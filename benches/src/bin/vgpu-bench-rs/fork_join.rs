//! Runs a fork-join program on a pool and keeps the time, or counts its forks.

use crate::clock::Stopwatch;
use crate::pool::{Counting, Pool};
use crate::programs::{ByName, Program, by_name};
use std::time::{Duration, Instant};
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

/// For how long a smaller run of the program repeats before the clock starts.
const WARM_UP: Duration = Duration::from_millis(30);

/// Measures the program that the request names, if there is one of that name.
pub fn measure<P: Pool>(request: &Request) -> Option<Sample> {
    struct Measure<'r, P> {
        request: &'r Request,
        pool: std::marker::PhantomData<P>,
    }
    impl<P: Pool> ByName for Measure<'_, P> {
        type Output = Sample;
        fn run<G: Program>(self) -> Sample {
            match self.request.count {
                false => time::<P, G>(self.request),
                true => count::<P, G>(self.request),
            }
        }
    }
    by_name(&request.program, Measure::<P> { request, pool: std::marker::PhantomData })
}

fn time<P: Pool, G: Program>(request: &Request) -> Sample {
    let pool = P::start(request.workers, request.stack_kib << 10);
    let small = G::prepare(G::WARM_UP.min(request.size));
    let begin = Instant::now();
    while begin.elapsed() < WARM_UP {
        pool.run(|worker| small.run::<P>(worker));
    }
    let program = G::prepare(request.size);
    let mut sample = Sample::default();
    let watch = Stopwatch::start();
    let answer = pool.run(|worker| program.run::<P>(worker));
    watch.stop(&mut sample);
    sample.check = program.check(answer);
    sample
}

fn count<P: Pool, G: Program>(request: &Request) -> Sample {
    let pool = Counting::<P>::start(request.workers, request.stack_kib << 10);
    let program = G::prepare(request.size);
    let answer = pool.run(|worker| program.run::<Counting<P>>(worker));
    Sample { units: kernels::tally_sum(), check: program.check(answer), ..Sample::default() }
}
