//! What happened to each request, written by whoever did it; and the work itself.

use super::workload::Request;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::os::clock::monotonic_ns;

/// What a request takes of its worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cost {
    /// Arithmetic, of so many steps a nanosecond.
    Steps(f64),
    /// Time alone, as if the worker waited for a device. So that there can be more workers than CPUs.
    Time,
}

/// Sleeps until this moment of the machine's clock.
pub(super) fn sleep_until(ns: u64) {
    let time = libc::timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ };
    // SAFETY: the time is read during the call. A sleep that ends early is the caller's business.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &time, std::ptr::null_mut()) };
}

/// The requests of a run and their times, in nanoseconds of the machine's clock; 0 is not yet.
pub(super) struct Board {
    pub(super) requests: Vec<Request>,
    pub(super) sent: Vec<AtomicU64>,
    began: Vec<AtomicU64>,
    done: Vec<AtomicU64>,
    done_twice: AtomicU64,
    cost: Cost,
}

impl Board {
    pub(super) fn new(requests: Vec<Request>, cost: Cost) -> Board {
        let times = || requests.iter().map(|_| AtomicU64::new(0)).collect();
        let (sent, began, done) = (times(), times(), times());
        Board { requests, sent, began, done, done_twice: AtomicU64::new(0), cost }
    }

    pub(super) fn is_long(&self, request: usize, long: &[bool]) -> bool {
        long[usize::from(self.requests[request].class)]
    }

    /// Does the work of a request.
    pub(super) fn serve(&self, request: usize) {
        let (began, length) = (monotonic_ns(), self.requests[request].service_ns);
        self.began[request].store(began, Relaxed);
        match self.cost {
            Cost::Steps(per_ns) => work((f64::from(length) * per_ns) as u64),
            Cost::Time => sleep_until(began + u64::from(length)),
        }
        if self.done[request].swap(monotonic_ns(), Relaxed) != 0 {
            self.done_twice.fetch_add(1, Relaxed);
        }
    }

    /// When each began and was done. Fails unless each was done once.
    pub(super) fn times(&self) -> Result<Vec<(u64, u64)>, String> {
        let pairs = self.began.iter().zip(&self.done).map(|(began, done)| (began.load(Relaxed), done.load(Relaxed)));
        let times: Vec<(u64, u64)> = pairs.collect();
        let missing = times.iter().filter(|(_, done)| *done == 0).count();
        match (missing, self.done_twice.load(Relaxed)) {
            (0, 0) => Ok(times),
            (missing, twice) => Err(format!("{missing} requests were not served, and {twice} were served twice")),
        }
    }
}

/// Arithmetic of so many steps, each of which needs the one before: work, and not a deadline, so that a worker that the system
/// interrupts does not end early.
#[inline(never)]
fn work(steps: u64) {
    let mut x = black_box(1u64);
    for _ in 0..steps {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(x);
}

/// How many steps a nanosecond has while so many threads work: the median of several tries on each.
pub(super) fn steps_per_ns(threads: usize) -> f64 {
    const STEPS: u64 = 100_000;
    let rates = || {
        let rate = || {
            let start = monotonic_ns();
            work(STEPS);
            STEPS as f64 / (monotonic_ns() - start).max(1) as f64
        };
        (0..300).map(|_| rate()).collect::<Vec<f64>>()
    };
    let mut all: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(rates)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(1.0)
}
