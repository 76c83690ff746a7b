//! What `scripts/statistics_cost.sh` counts the instructions of: one worker, programs of nothing but forks and tasks.
//!
//!     statistics_cost fib|skynet|tasks|nothing

use std::hint::black_box;
use std::process::ExitCode;
use vgpu_pool::error::Result;
use vgpu_pool::pool::{Config, Pinning, Pool, Worker};

fn fib(worker: &Worker, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = worker.join(|w| fib(w, n - 1), |w| fib(w, n - 2));
    a + b
}

fn skynet(worker: &Worker, first: u64, leaves: u64, sum: &std::cell::Cell<u64>) {
    // One worker: nothing is shared, whatever the types must promise.
    struct Alone<'c>(&'c std::cell::Cell<u64>);
    // SAFETY: the pool has one worker.
    unsafe impl Sync for Alone<'_> {}
    if leaves == 1 {
        return sum.set(sum.get() + first);
    }
    let (part, alone) = (leaves / 10, Alone(sum));
    let alone = &alone;
    worker.fork_all(10, move |worker, child| skynet(worker, first + child as u64 * part, part, alone.0));
}

fn main() -> Result<ExitCode> {
    let pool = Pool::new(&Config { workers: 1, pinning: Pinning::Off, ..Config::default() })?;
    match std::env::args().nth(1).as_deref() {
        Some("fib") => assert_eq!(pool.run(|worker| Ok(fib(worker, black_box(31))))?, 1_346_269),
        Some("skynet") => {
            let sum = pool.run(|worker| {
                let sum = std::cell::Cell::new(0);
                skynet(worker, 0, black_box(1_000_000), &sum);
                Ok(sum.get())
            })?;
            assert_eq!(sum, 499_999_500_000);
        }
        Some("tasks") => {
            let mut group = pool.group()?;
            for _ in 0..100 {
                group.submit_batch((0..1000).map(|_| |_: &Worker| Ok(()))).map_err(|(_, error)| error)?;
                group.wait()?;
            }
        }
        Some("nothing") => {}
        _ => {
            eprintln!("statistics_cost fib|skynet|tasks|nothing");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
