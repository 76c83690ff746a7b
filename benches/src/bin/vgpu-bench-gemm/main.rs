//! Multiplies matrices by one of several libraries, and prints the sample as a line of JSON.
//!
//!     vgpu-bench-gemm PROGRAM IMPL WORKERS SIZE STACK_KIB time|count
//!     vgpu-bench-gemm --has IMPL        succeeds where the library is there, and otherwise says what is missing
//!
//! Libraries are opened at run time, from the folders that VGPU_BENCH_LIBRARIES names (as PATH does), or as the system finds them.

mod hog;
mod library;
mod matrix;
mod measure;
mod peak;
mod peers;
mod reference;
mod threads;

use std::process::ExitCode;
use vgpu_bench::catalogue::Product;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match &args[..] {
        [flag, cpu] if flag == hog::FLAG => hog::run(cpu),
        [flag, implementation] if flag == "--has" => peers::open::<f32>(implementation, 1, true).map(|_| ()),
        _ => Request::from_args(&args).and_then(|request| measure(&request)).map(|sample| {
            println!("{}", serde_json::to_string(&sample).expect("a sample has nothing that JSON lacks"));
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vgpu-bench-gemm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(request: &Request) -> Result<Sample, String> {
    let product = Product::parse(&request.program)
        .ok_or_else(|| format!("{} is no product: it is to look like sgemm_64x64x64", request.program))?
        .limited(request.size);
    let mut sample = if product.is_double {
        measure::measure::<f64>(request, product)?
    } else {
        measure::measure::<f32>(request, product)?
    };
    sample.program.clone_from(&request.program);
    sample.implementation.clone_from(&request.implementation);
    sample.rss_kib = kernels::peak_rss_kib();
    Ok(sample)
}
