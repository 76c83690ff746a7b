//! Wall time and CPU time of a part of the process's life.

use vgpu_bench::kernels;
use vgpu_bench::sample::Sample;

pub struct Stopwatch {
    wall_ns: u64,
    cpu_ns: u64,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        let cpu_ns = kernels::process_cpu_ns();
        Stopwatch { wall_ns: kernels::now_ns(), cpu_ns }
    }

    pub fn stop(self, sample: &mut Sample) {
        let wall_ns = kernels::now_ns() - self.wall_ns;
        sample.seconds = wall_ns as f64 * 1e-9;
        sample.cpu_s = (kernels::process_cpu_ns() - self.cpu_ns) as f64 * 1e-9;
    }
}
