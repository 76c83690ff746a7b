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

    /// Writes each item's value.
    fn fill(&self, caller: Self::Caller<'_>, items: &[AtomicU32], value: impl Fn(usize) -> u32 + Sync);
}

/// How the length of an item's work depends on its place.
#[derive(Clone, Copy)]
pub enum Length {
    Even,
    /// Grows evenly, so that equal pieces of the range are unequal work.
    Growing,
}

const EVEN_ROUNDS: u32 = 2;
const LONGEST_ROUNDS: u64 = 100;

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

pub fn measure_filling<L: Loops>(request: &Request, length: Length) -> Sample {
    let pool = L::start(request.workers);
    let items: Vec<AtomicU32> = (0..request.size).map(|_| AtomicU32::new(0)).collect();
    let count = items.len();
    let value = move |i: usize| {
        let rounds = match length {
            Length::Even => EVEN_ROUNDS,
            Length::Growing => 1 + (i as u64 * LONGEST_ROUNDS / count as u64) as u32,
        };
        kernels::mix(i as u64, rounds)
    };
    pool.inside(|caller| {
        pool.fill(caller, &items[..count / 10], value);
        let mut sample = Sample::default();
        let watch = Stopwatch::start();
        pool.fill(caller, &items, value);
        watch.stop(&mut sample);
        sample.units = request.size;
        sample.check = check(&items);
        sample
    })
}

fn check(items: &[AtomicU32]) -> String {
    items.iter().map(|item| u64::from(item.load(Ordering::Relaxed))).sum::<u64>().to_string()
}
