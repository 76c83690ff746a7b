//! Loops over a range: empty ones for the price of starting a loop, and two with work of even and of uneven length.

use crate::clock::Stopwatch;
use std::sync::atomic::{AtomicU32, Ordering};
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

/// A pool with loops.
pub trait Loops: Sized + Sync {
    /// What the caller of a loop knows.
    type Caller<'w>: Copy;

    fn start(workers: usize) -> Self;

    /// Calls `work` where loops are called from.
    fn inside<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Caller<'w>) -> R + Send,
        R: Send;

    /// A loop of two pieces, each of which only counts itself.
    fn two_empty(&self, caller: Self::Caller<'_>);

    /// Calls `item` with each number below `count`.
    fn each(&self, caller: Self::Caller<'_>, count: usize, item: impl Fn(usize) + Send + Sync);
}

pub fn measure_empty<L: Loops>(request: &Request) -> Sample {
    let pool = L::start(request.workers);
    pool.inside(|caller| {
        for _ in 0..request.size / 10 {
            pool.two_empty(caller);
        }
        let tallied = kernels::tally_sum();
        let mut sample = Sample::default();
        let watch = Stopwatch::start();
        for _ in 0..request.size {
            pool.two_empty(caller);
        }
        watch.stop(&mut sample);
        sample.units = request.size;
        sample.check = (kernels::tally_sum() - tallied).to_string();
        sample
    })
}

/// Items of two rounds each, or of up to `longest`, so that equal pieces of the range are unequal work.
pub fn measure_filling<L: Loops>(request: &Request, longest: u32) -> Sample {
    let pool = L::start(request.workers);
    let items: Vec<AtomicU32> = (0..request.size).map(|_| AtomicU32::new(0)).collect();
    let item = |i| kernels::fill_item(&items, i, longest);
    pool.inside(|caller| {
        pool.each(caller, items.len() / 10, item);
        let mut sample = Sample::default();
        let watch = Stopwatch::start();
        pool.each(caller, items.len(), item);
        watch.stop(&mut sample);
        sample.units = request.size;
        sample.check = check(&items);
        sample
    })
}

fn check(items: &[AtomicU32]) -> String {
    items.iter().map(|item| u64::from(item.load(Ordering::Relaxed))).sum::<u64>().to_string()
}
