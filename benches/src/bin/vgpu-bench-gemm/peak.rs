//! What the multiply-add units of the CPUs can do at that moment, since clocks move with the load.

use crate::matrix::Element;
use std::ffi::c_int;
use std::sync::Barrier;
use std::thread;
use vgpu_bench::cpus;

unsafe extern "C" {
    safe fn peak_gflops(threads: c_int, double_precision: c_int) -> f64;
}

/// GFLOPS of a thread on each of the CPUs, all at once. Takes less than a millisecond.
pub fn gflops<T: Element>(cpus: &[usize]) -> f64 {
    let here = || peak_gflops(1, c_int::from(T::IS_DOUBLE));
    if cpus.len() < 2 {
        return here();
    }
    let start = Barrier::new(cpus.len());
    let there = |cpu: usize| {
        // One that may not be pinned measures as well, if perhaps beside another.
        let _ = cpus::pin(&[cpu]);
        start.wait();
        here()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = cpus.iter().map(|cpu| scope.spawn(move || there(*cpu))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a burst does not panic")).sum()
    })
}
