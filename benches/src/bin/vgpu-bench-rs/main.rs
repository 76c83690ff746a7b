//! Runs one program on one of the pools written in Rust, and prints the sample as a line of JSON.
//!
//!     vgpu-bench-rs PROGRAM IMPL WORKERS SIZE STACK_KIB time|count

mod clock;
mod fork_join;
mod graph;
mod idle;
mod independent;
mod join_latency;
mod loops;
mod pool;
mod pools;
mod programs;
mod submit;
mod wake;

use loops::Loops;
use pool::Pool;
use pools::chili::{Chili, ChiliEach};
use pools::plain::Plain;
use pools::rayon::{Rayon, RayonIter};
use pools::tokio::Tokio;
use pools::vgpu::{Vgpu, VgpuBatch, VgpuOutside};
use pools::{chili, rayon, tokio, vgpu};
use std::process::ExitCode;
use std::thread;
use submit::Submit;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};
use wake::Threads;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let measured = Request::from_args(&args).and_then(|request| {
        // Where the calling thread is one of the workers it needs the same stack as they.
        let stack = request.stack_kib << 10;
        let measuring = thread::Builder::new().stack_size(stack).spawn(move || measure(&request));
        measuring.map_err(|error| error.to_string())?.join().map_err(|_| "a panic".to_owned())?
    });
    match measured {
        Ok(sample) => {
            println!("{}", serde_json::to_string(&sample).expect("a sample has nothing that JSON lacks"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("vgpu-bench-rs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(request: &Request) -> Result<Sample, String> {
    let (sample, version) = match request.implementation.as_str() {
        "vgpu" => (
            forks::<Vgpu>(request)
                .or_else(|| submits::<Vgpu>(request))
                .or_else(|| loops::<Vgpu>(request))
                .or_else(|| graph::measure::<Vgpu>(request))
                .or_else(|| idles_with_forks::<Vgpu>(request)),
            vgpu::VERSION,
        ),
        "vgpu-batch" => (submits::<VgpuBatch>(request), vgpu::VERSION),
        "vgpu-outside" => (loops::<VgpuOutside>(request), vgpu::VERSION),
        "rayon" => (
            forks::<Rayon>(request)
                .or_else(|| submits::<Rayon>(request))
                .or_else(|| loops::<Rayon>(request))
                .or_else(|| idles_with_forks::<Rayon>(request)),
            rayon::VERSION,
        ),
        "rayon-iter" => (forks::<RayonIter>(request), rayon::VERSION),
        "chili" => (forks::<Chili>(request).or_else(|| idles_with_forks::<Chili>(request)), chili::VERSION),
        "chili-each" => (forks::<ChiliEach>(request), chili::VERSION),
        "tokio" => (submits::<Tokio>(request).or_else(|| idles_with_tasks::<Tokio>(request)), tokio::VERSION),
        "plain-rust" => (fork_join::measure::<Plain>(request), "rustc"),
        "threads" => ((request.program == "independent").then(|| independent::measure(request)), "std::thread"),
        "futex" => (futex(request, Threads::Anywhere), "Linux"),
        "futex-pinned" => (futex(request, Threads::Pinned), "Linux"),
        _ => (None, ""),
    };
    let mut sample = sample.ok_or_else(|| format!("{} does not run {}", request.implementation, request.program))?;
    sample.program.clone_from(&request.program);
    sample.implementation.clone_from(&request.implementation);
    sample.version = version.to_owned();
    sample.rss_kib = kernels::peak_rss_kib();
    Ok(sample)
}

fn futex(request: &Request, threads: Threads) -> Option<Sample> {
    (request.program == "wake").then(|| wake::measure_futex(request, threads))
}

fn forks<P: Pool>(request: &Request) -> Option<Sample> {
    match request.program.as_str() {
        "join-awake" => Some(join_latency::measure::<P>(request, false)),
        "join-asleep" => Some(join_latency::measure::<P>(request, true)),
        _ => fork_join::measure::<P>(request),
    }
}

fn submits<S: Submit>(request: &Request) -> Option<Sample> {
    match request.program.as_str() {
        "submit" => Some(submit::measure::<S>(request)),
        "wake" => Some(wake::measure::<S>(request)),
        _ => None,
    }
}

fn loops<L: Loops>(request: &Request) -> Option<Sample> {
    match request.program.as_str() {
        "for-empty" => Some(loops::measure_empty::<L>(request)),
        "for-cheap" => Some(loops::measure_filling::<L>(request, 0)),
        "for-skewed" => Some(loops::measure_filling::<L>(request, 100)),
        _ => None,
    }
}

fn idles_with_forks<P: Pool>(request: &Request) -> Option<Sample> {
    (request.program == "idle").then(|| {
        idle::measure(
            request,
            || P::start(request.workers, request.stack_kib << 10),
            |pool| {
                for _ in 0..100 {
                    pool.run(|worker| P::join(worker, |_| kernels::mix(1, 1000), |_| kernels::mix(2, 1000)));
                }
            },
        )
    })
}

fn idles_with_tasks<S: Submit>(request: &Request) -> Option<Sample> {
    (request.program == "idle")
        .then(|| idle::measure(request, || S::start(request.workers), |pool| pool.submit_and_wait(100)))
}
