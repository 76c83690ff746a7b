//! A loop over a range whose indices go to the same workers each time: what one loop left in a worker's caches, and on its node, the next
//! finds there.
//!
//! The range is cut into as many chunks as the pool has workers of its own, in order, and each chunk is a task bound to its worker. So the
//! same range comes to the same workers whoever calls, as long as they are there: nothing is stolen.
//!
//! # The worker that does not come
//! A worker may be in the middle of something long, or wait for what the loop's caller is to do. The caller does its own chunk,
//! and then waits for the others, but not for a chunk that nobody has begun: after [`LATE_NS`] it takes it back and runs it itself. A
//! task is begun or taken back, by one ([`task_state`](crate::protocol::task_state)). So the caller waits only for what is being
//! run, and two such loops that are called from within each other cannot wait for each other's workers for ever.

use super::failure::Failure;
use super::order::{Order, Parts};
use super::range::{for_range_on, in_order};
use crate::error::Result;
use crate::os::alloc::List;
use crate::os::clock;
use crate::pool::{Destination, Future, Pool, Reach, Worker};
use crate::sync::IS_CHECKED;
use core::ops::Range;

/// How long a worker has for coming to its chunk when the caller is done with its own: a few times as long as it takes to wake. Under the
/// checkers time does not pass, and the caller takes back whatever was not begun.
const LATE_NS: u64 = if IS_CHECKED { 0 } else { 400_000 };

/// As [`for_range`](super::for_range), with the indices going to the same workers each time: of `n` indices on `w` workers, worker `i` gets those
/// from `n * i / w` up to `n * (i + 1) / w`, in order, in pieces of at most `grain`, or in one if that is 0. For loops over the same
/// data again and again, where it should stay in a worker's caches or lies on its node, and indices that take about equally long: no
/// worker helps another with its chunk. Only one that does not come to it, since it is in the middle of something else, loses it to
/// the caller.
///
/// Spare workers, and seats for lent threads, get none. In a task that may not run everywhere this is `for_range`.
///
/// Errors: as of `for_range`; and [`OutOfMemory`](crate::error::Status::OutOfMemory), with nothing begun.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let values: Vec<AtomicU64> = (0..1000).map(AtomicU64::new).collect();
/// for _ in 0..10 {
///     // Whatever worker had an index before has it again.
///     parallel::for_range_static(Some(&pool), 0..1000, 0, |_worker, piece| {
///         values[piece].iter().for_each(|value| _ = value.fetch_add(1, Ordering::Relaxed));
///         Ok(())
///     })?;
/// }
/// assert_eq!(values[999].load(Ordering::Relaxed), 1009);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn for_range_static<B>(pool: Option<&Pool>, range: Range<usize>, grain: usize, body: B) -> Result<()>
where
    B: Fn(Option<&Worker>, Range<usize>) -> Result<()> + Sync,
{
    let body = &body;
    match pool {
        _ if range.is_empty() => Ok(()),
        Some(pool) => {
            pool.run(move |worker| for_range_static_on(worker, range, grain, |worker, piece| body(Some(worker), piece)))
        }
        None => in_order(range, grain, |piece| body(None, piece)),
    }
}

/// As [`for_range_static`], on the workers of the pool that `worker` belongs to.
pub fn for_range_static_on<B>(worker: &Worker, range: Range<usize>, grain: usize, body: B) -> Result<()>
where
    B: Fn(&Worker, Range<usize>) -> Result<()> + Sync,
{
    let homes = worker.core().regular_workers();
    if homes == 1 || worker.is_guest() || worker.replays() {
        return in_order(range, grain, |piece| body(worker, piece));
    }
    if worker.reach() != Reach::Everyone {
        return for_range_on(worker, range, grain, body);
    }
    worker.check_stack()?;
    let chunks = Chunks { range, homes, grain, body, failure: Failure::new() };
    let mut sent = Sent { worker, chunks: List::with_capacity(worker.core().allocator(), homes)? };
    for home in (0..homes).filter(|&home| home != worker.index() && !chunks.of(home).is_empty()) {
        // SAFETY: `sent` keeps this frame until the task is done or was taken back.
        let order = unsafe { Order::new(&chunks, home) };
        let to = Destination { priority: worker.task_priority(), reach: Reach::Worker(home) };
        // One that cannot be sent is run here.
        let task = worker.core().submit_work(to, move |worker: &Worker| order.run(worker)).ok();
        sent.chunks.push((home, task))?;
    }
    if worker.index() < homes {
        chunks.run_part(worker, worker.index());
    }
    sent.finish(&chunks);
    chunks.failure.into_result(Some(()))
}

/// A loop that is running.
struct Chunks<B> {
    range: Range<usize>,
    homes: usize,
    grain: usize,
    body: B,
    failure: Failure,
}

impl<B: Fn(&Worker, Range<usize>) -> Result<()> + Sync> Chunks<B> {
    /// The indices that go to worker `home`.
    fn of(&self, home: usize) -> Range<usize> {
        let cut =
            |home: usize| self.range.start + (self.range.len() as u128 * home as u128 / self.homes as u128) as usize;
        cut(home)..cut(home + 1)
    }
}

impl<B: Fn(&Worker, Range<usize>) -> Result<()> + Sync> Parts for Chunks<B> {
    fn run_part(&self, worker: &Worker, home: usize) {
        let piece = |piece| if self.failure.is_known() { Ok(()) } else { (self.body)(worker, piece) };
        self.failure.watch(|| in_order(self.of(home), self.grain, piece));
    }
}

/// The chunks that were sent to other workers. Dropped, it takes back what was not begun, and waits for the rest.
struct Sent<'a> {
    worker: &'a Worker,
    chunks: List<(usize, Option<Future<()>>)>,
}

impl Sent<'_> {
    /// Waits until all are done, and runs here what nobody has come for. A panic comes out after that.
    fn finish<B: Fn(&Worker, Range<usize>) -> Result<()> + Sync>(mut self, chunks: &Chunks<B>) {
        let deadline_ns = clock::deadline_after(LATE_NS);
        while let Some((home, task)) = self.chunks.pop() {
            match &task {
                Some(task) if !self.is_taken_back(task, deadline_ns) => {}
                _ => chunks.run_part(self.worker, home),
            }
            // The chunk's failure is known to the loop.
            _ = task.filter(Future::is_ready).map(Future::get_or_resume);
        }
    }

    /// False when the task is done. Until the deadline it may be begun.
    fn is_taken_back(&self, task: &Future<()>, deadline_ns: Option<u64>) -> bool {
        let completion = &task.task().header().completion;
        if self.worker.wait_until(completion, deadline_ns) {
            return false;
        }
        task.cancel() || !self.worker.wait_until(completion, None)
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        while let Some((_, task)) = self.chunks.pop() {
            if let Some(task) = &task {
                self.is_taken_back(task, Some(0));
            }
        }
    }
}
