//! The pool: workers that steal from each other, tasks that are submitted and forks that are joined.
//!
//! [`Pool::submit`] brings a task in from anywhere and gives a [`Future`]; [`Pool::run`] calls a closure on a worker and
//! waits; [`Worker::join`] forks inside it, and a [`Scope`] forks any number. [`Group`] waits for many tasks together.
//!
//! ```
//! use vgpu_pool::pool::{Config, Pool};
//!
//! # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
//! let pool = Pool::new(&Config::default())?;
//! let answer = pool.submit(|_worker| 6 * 7)?;
//! assert_eq!(answer.get()?, 42);
//! # Ok::<(), vgpu_pool::error::Error>(())
//! ```
//!
//! Work flows in one direction: a task enters through [`Core`], lies in the inbox until a
//! [`worker`] takes it, runs with that worker as its context, and leaves its outcome in its completion.

pub mod balance;
mod blocks;
mod chosen;
pub mod config;
pub mod core;
mod counters;
pub(crate) mod detached;
#[cfg(test)]
mod far_tests;
mod fold;
pub(crate) mod fork_join;
pub mod future;
mod governor;
pub mod group;
pub mod inbox;
pub(crate) mod kept;
pub mod lend;
pub mod log;
mod maker;
pub mod micropools;
pub mod options;
mod replay;
pub mod report;
mod reserve;
pub mod scope;
mod seats;
pub(crate) mod shed;
mod shelf;
pub mod stats;
pub(crate) mod task;
mod threads;
pub mod trace;
mod wait;
pub mod worker;

pub use balance::{Balance, InboxMode, Victims};
pub use config::{Config, Hooks, OnCaller, Pinning, WaitPolicy, Wake, WhenFull};
pub use counters::Distance;
pub use future::Future;
pub use group::Group;
pub use lend::Lease;
pub use log::{Level, Log};
pub use micropools::{Micropool, MicropoolTask, Micropools};
pub use options::{Binding, Priority, TaskOptions};
pub use report::Report;
pub use scope::Scope;
pub use stats::{Stats, Steals, WorkerStats};
pub use worker::Worker;

#[doc(no_inline)]
pub use crate::protocol::run_queue::Growth;

use self::core::Core;
use self::kept::Kept;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, Owned};
use crate::os::file::{FileWriter, PathBuffer};
use crate::os::{clock, fork};
use crate::topology::Caches;
use ::core::mem::ManuallyDrop;
use ::core::time::Duration;
pub(crate) use fork_join::Job;
pub(crate) use inbox::Destination;
pub(crate) use log::say;
pub(crate) use seats::Reach;
pub(crate) use shelf::Shelf;
#[cfg(feature = "capi")]
pub(crate) use task::{Header, TaskRef};
pub(crate) use task::{Task, Work, drop_quietly, panic_error};
use threads::Threads;

/// A pool of pinned, work-stealing workers. Dropping it drains it and joins its threads.
///
/// All methods may be called from any thread at a time.
#[derive(Debug)]
pub struct Pool {
    /// Before the core: the threads end before what they use.
    threads: Threads,
    /// Given up in a forked child, and by a thread that may not end the pool.
    core: ManuallyDrop<Owned<Core>>,
    /// What products pack into.
    kept: Owned<Kept>,
    caches: Caches,
}

impl Pool {
    /// Makes a pool and starts its workers.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for settings out of range,
    /// [`OutOfMemory`](crate::error::Status::OutOfMemory), [`ThreadSpawn`](crate::error::Status::ThreadSpawn),
    /// [`Affinity`](crate::error::Status::Affinity) if pinning is required and refused. Whatever was started is stopped.
    pub fn new(config: &Config<'_>) -> Result<Pool> {
        threads::start(config)
            .inspect_err(|error| say(config.log, Level::Error, format_args!("no pool was made: {error}")))
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// How many workers the pool has, those that rest, the spare ones and the seats for lent threads included.
    pub fn workers(&self) -> usize {
        self.core.workers()
    }

    /// How many workers have places now; the others rest. Without [`min_workers`](Config::min_workers) and
    /// [`spare_workers`](Config::spare_workers) that is all of them.
    pub fn active_workers(&self) -> usize {
        self.core.sleep().roster().places().min(self.workers())
    }

    /// Lets at most so many workers have places by load from now on, but at least [`min_workers`](Config::min_workers); 0 takes the
    /// limit back. Those that lose their places finish what they have begun. In a pool whose number of workers is fixed
    /// nothing changes.
    pub fn limit_workers(&self, workers: usize) {
        self.core.limit_workers(workers);
    }

    /// How many workers run unpinned although pinning was preferred.
    pub fn unpinned_workers(&self) -> usize {
        self.threads.unpinned()
    }

    /// The caches of the machine the pool was made for.
    pub fn caches(&self) -> Caches {
        self.caches
    }

    /// What the workers have done since the pool was made. Costs a few loads a worker; the counts are those of a moment ago, and
    /// exact about everything that the caller has waited for.
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory).
    pub fn stats(&self) -> Result<Stats> {
        Stats::read(&self.core)
    }

    /// What held the pool up since it was made, in words; to be printed. For a part of that time, take [`stats`](Self::stats) at
    /// its two ends and print [`Stats::since`]'s [`report`](Stats::report).
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory).
    pub fn report(&self) -> Result<Report> {
        Ok(self.stats()?.report())
    }

    /// Begins to record what the workers do, each in a log of `events_per_worker` events of 64 bytes, which the first trace
    /// makes room for and which stays; 0 means [`DEFAULT_TRACE_EVENTS`](trace::DEFAULT_TRACE_EVENTS). What comes when a log is
    /// full is counted and dropped. The trace before is forgotten.
    ///
    /// Errors: [`AlreadyStarted`](crate::error::Status::AlreadyStarted) while a trace is recorded or written;
    /// [`InvalidArgument`](crate::error::Status::InvalidArgument) for more events than there is room for;
    /// [`OutOfMemory`](crate::error::Status::OutOfMemory).
    pub fn trace_start(&self, events_per_worker: usize) -> Result<()> {
        self.core.trace().start(self.core.allocator(), events_per_worker)
    }

    /// Ends the recording. False when there is none. What is under way is not in the trace.
    pub fn trace_stop(&self) -> bool {
        self.core.trace().stop()
    }

    /// Writes the last trace to a file, as JSON in Chrome's trace-event format: open it in <https://ui.perfetto.dev>.
    ///
    /// Errors: [`AlreadyStarted`](crate::error::Status::AlreadyStarted) while a trace is recorded or written;
    /// [`InvalidArgument`](crate::error::Status::InvalidArgument) if there is none, or for a path too long;
    /// [`Io`](crate::error::Status::Io) with the path and the system's words.
    pub fn trace_write(&self, path: impl AsRef<[u8]>) -> Result<()> {
        let trace = self.core.trace().read()?;
        let mut path_buffer = PathBuffer::new();
        path_buffer.push_bytes(path.as_ref())?;
        let mut file = FileWriter::create(path_buffer)?;
        // What goes wrong is told by the file.
        let _ = trace.write(&mut file);
        file.finish()
    }

    /// Where the pool's memory comes from.
    pub fn allocator(&self) -> Allocator {
        self.core.allocator()
    }

    /// Submits a task: it runs once, on some worker, and its value can be had from the future. Tasks of one thread are
    /// started in the order in which it submitted them, as far as one shard of the inbox holds them.
    ///
    /// Errors: [`QueueFull`](crate::error::Status::QueueFull) if the pool was told to say so,
    /// [`Closed`](crate::error::Status::Closed), [`OutOfMemory`](crate::error::Status::OutOfMemory),
    /// [`Forked`](crate::error::Status::Forked). On an error the task is dropped without being run.
    pub fn submit<F, R>(&self, task: F) -> Result<Future<R>>
    where
        F: FnOnce(&Worker) -> R + Send + 'static,
        R: Send + 'static,
    {
        self.try_submit(move |worker| Ok(task(worker)))
    }

    /// As [`submit`](Self::submit), for a task that can fail; its error comes out of the future.
    pub fn try_submit<F, R>(&self, task: F) -> Result<Future<R>>
    where
        F: FnOnce(&Worker) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        self.core.try_submit(task)
    }

    /// As [`try_submit`](Self::try_submit), for a task of which something is asked: a priority, a place.
    ///
    /// Errors: also [`InvalidArgument`](crate::error::Status::InvalidArgument) for a place where the pool has no worker.
    pub fn submit_with<F, R>(&self, options: &TaskOptions<'_>, task: F) -> Result<Future<R>>
    where
        F: FnOnce(&Worker) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        self.core.submit_with(options, task)
    }

    /// Makes a task of this pool more urgent that has not started. It is done by itself for a task that another task waits for which is
    /// more urgent.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a task of another pool;
    /// [`Forked`](crate::error::Status::Forked).
    pub fn raise_priority<R: Send>(&self, task: &Future<R>, priority: Priority) -> Result<()> {
        self.core.check_process()?;
        if !task.belongs_to(&self.core) {
            return Err(error!(InvalidArgument, "the task is of another pool; raise its priority there"));
        }
        // SAFETY: the pool is borrowed, so it is not being destroyed.
        unsafe { task.raise_priority(priority) };
        Ok(())
    }

    /// Says to whom workers go first from here on when they look for work.
    pub fn set_victims(&self, victims: Victims) {
        self.core.set_victims(victims);
    }

    /// Says where tasks from outside go from here on.
    pub fn set_inbox_mode(&self, mode: InboxMode) {
        self.core.set_inbox_mode(mode);
    }

    /// Calls `work` on a worker and waits for it. On a worker of this pool that is the caller itself. Nothing is allocated.
    ///
    /// Errors: what `work` fails with; [`Panic`](crate::error::Status::Panic) if it panics on another thread; and those of
    /// [`submit`](Self::submit).
    pub fn run<F, R>(&self, work: F) -> Result<R>
    where
        F: FnOnce(&Worker) -> Result<R> + Send,
        R: Send,
    {
        self.core.run(work)
    }

    /// Runs queued tasks on the calling thread, in a pool [without threads](Config::on_caller) on the thread that made it: at most so many,
    /// 0 for any number, and none more when `budget_ns` have passed, 0 for any time. Returns when there are none left, or the
    /// budget is spent; does not wait for more. Inside one of the pool's tasks it runs others meanwhile. Says how many it has
    /// run.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a pool with threads, and on another thread;
    /// [`StackLimit`](crate::error::Status::StackLimit) too deep in pumps in tasks; [`Forked`](crate::error::Status::Forked).
    pub fn pump(&self, most: usize, budget_ns: u64) -> Result<usize> {
        self.core.pump(most, budget_ns)
    }

    /// Lends the calling thread to the pool, which was made with [`host_seats`](Config::host_seats): it is a worker until the lease is
    /// [ended](Self::end_lease) or the time is up. The thread's CPU mask, name and signals stay as they are; the hooks for a worker's start
    /// and stop are called on it. What it has begun it finishes.
    ///
    /// Errors: [`TimedOut`](crate::error::Status::TimedOut); [`Closed`](crate::error::Status::Closed) if the pool is being destroyed, or has been
    /// meanwhile; [`AlreadyStarted`](crate::error::Status::AlreadyStarted) if all seats are taken;
    /// [`InvalidArgument`](crate::error::Status::InvalidArgument) if there are none; [`WouldDeadlock`](crate::error::Status::WouldDeadlock) on a worker of the pool; [`Forked`](crate::error::Status::Forked).
    pub fn lend(&self, lease: &Lease, timeout: Option<Duration>) -> Result<()> {
        let timeout_ns = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let deadline_ns = timeout_ns.and_then(clock::deadline_after);
        self.core.lend(lease, deadline_ns, |index, arrives| self.threads.at_end_of_stay(index, arrives))
    }

    /// Ends a lease: the threads lent on it, or later, return from [`lend`](Self::lend). From any thread; a second time does nothing.
    pub fn end_lease(&self, lease: &Lease) {
        self.core.end_lease(lease);
    }

    /// The pool's own key to the door that lent threads come by.
    #[cfg(feature = "capi")]
    pub(crate) fn key(&self) -> Result<&lend::Key> {
        self.core.key()
    }

    /// A new, empty group.
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory), [`Forked`](crate::error::Status::Forked).
    pub fn group(&self) -> Result<Group<'_>> {
        Group::new(&self.core)
    }

    /// Waits until no task of the pool is queued or running: those submitted before the call, and those submitted
    /// meanwhile.
    ///
    /// Errors: [`WouldDeadlock`](crate::error::Status::WouldDeadlock) on a worker of this pool, whose own task would have to
    /// end first; [`Forked`](crate::error::Status::Forked).
    pub fn wait_all(&self) -> Result<()> {
        self.core.wait_all()
    }

    /// Drains the pool and joins its threads: what was accepted is run, what comes from outside meanwhile is refused.
    ///
    /// Errors, with the pool handed back untouched: [`WouldDeadlock`](crate::error::Status::WouldDeadlock) on a worker of
    /// this pool; [`InvalidArgument`](crate::error::Status::InvalidArgument) for a pool without threads on another thread than the one that
    /// made it. In a forked child: [`Forked`](crate::error::Status::Forked), and the pool's memory is left alone.
    pub fn destroy(self) -> ::core::result::Result<(), (crate::error::Error, Option<Pool>)> {
        if let Err(error) = self.check_destroy() {
            return Err((error, Some(self)));
        }
        if let Err(error) = self.core.check_process() {
            ::core::mem::forget(self);
            return Err((error, None));
        }
        drop(self);
        Ok(())
    }

    /// The worker of this pool that the calling thread is, if it is one.
    #[cfg(feature = "capi")]
    pub(crate) fn current_worker(&self) -> Option<&Worker> {
        self.core.current_worker()
    }

    /// Fails in a forked child.
    #[cfg(feature = "capi")]
    pub(crate) fn check_process(&self) -> Result<()> {
        self.core.check_process()
    }

    /// Drains the pool and joins its threads, and leaves its memory.
    fn stop(&mut self) {
        // In a forked child there is nobody to join.
        if self.core.generation() == fork::generation() {
            self.core.close();
            self.threads.join();
            if self.core.maker().is_some() {
                self.threads.leave_maker();
            }
        }
    }

    /// Whether the calling thread may destroy the pool.
    pub(crate) fn check_destroy(&self) -> Result<()> {
        self.core.refuse_on_own_worker("destroying the pool")?;
        match self.core.check_process() {
            Ok(()) => self.core.refuse_elsewhere("destroying the pool"),
            // There is nothing to destroy.
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let is_here = self.core.refuse_elsewhere("ending a pool").is_ok();
        if !is_here && self.core.generation() == fork::generation() {
            // Its maker knows it, and goes on looking at it.
            let sentence = "a pool was dropped on another thread than the one that made it; it is left alone with all that it holds";
            return say(self.core.log(), Level::Error, format_args!("{sentence}"));
        }
        self.stop();
        if is_here {
            self.core.leave_maker();
        }
        // SAFETY: the pool ends here.
        unsafe { ManuallyDrop::drop(&mut self.core) };
    }
}
