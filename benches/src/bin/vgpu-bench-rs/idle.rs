//! What a pool takes that has nothing to do: CPU time and memory.

use std::thread;
use std::time::Duration;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

/// Makes a pool, gives it a little work, and leaves it alone. The clock runs from the end of the work, so a pool that spins on
/// for a while pays for it.
pub fn measure<P>(request: &Request, start: impl FnOnce() -> P, work: impl FnOnce(&P)) -> Sample {
    let rss_before = kernels::rss_kib();
    let pool = start();
    work(&pool);
    let cpu_before = kernels::process_cpu_ns();
    let begin = kernels::now_ns();
    thread::sleep(Duration::from_millis(request.size));
    let mut sample = Sample {
        seconds: (kernels::now_ns() - begin) as f64 * 1e-9,
        cpu_s: (kernels::process_cpu_ns() - cpu_before) as f64 * 1e-9,
        units: request.size,
        check: "idle".to_owned(),
        ..Sample::default()
    };
    let pool_kib = kernels::rss_kib().saturating_sub(rss_before);
    sample.extra.insert("pool_rss_kib".to_owned(), pool_kib as f64);
    drop(pool);
    sample
}
