//! Micropools: several small pools side by side, each for one class of work, between which a task can go.
//!
//! Where dear tasks are mixed with cheap ones, a cheap one waits for the dear ones before it, however well the workers share.
//! Micropools keep the classes apart: each has workers of its own, a task says at [`submit`](Micropools::submit) to which it
//! goes, and a task that turns out to be of another class [hands itself over](MicropoolTask::hand_over). The price is
//! that the workers of one class may be idle while another has more than it can do.
//!
//! ```
//! use vgpu_pool::pool::{Config, Micropool, Micropools};
//!
//! # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
//! let kinds = [
//!     Micropool { name: "cheap", workers: 1, ..Micropool::default() },
//!     Micropool { name: "dear", workers: 1, ..Micropool::default() },
//! ];
//! let mut set = Micropools::new(&kinds, &Config::default())?;
//! let (cheap, dear) = (set.find("cheap").unwrap_or(0), set.find("dear").unwrap_or(0));
//! for packet in 0..100u64 {
//!     set.submit(cheap, move |task| match packet % 10 {
//!         // This one is dear.
//!         0 => task.hand_over(dear, move |_| Ok(drop((0..packet * 1000).sum::<u64>()))).map_err(|(error, ..)| error),
//!         _ => Ok(()),
//!     })?;
//! }
//! set.wait_all()?;
//! # Ok::<(), vgpu_pool::error::Error>(())
//! ```
//!
//! Each micropool is a [`Pool`]: its workers steal from each other, and a task forks and joins within its own. [`joint`] says how
//! they are joined, and why two of them never wait for each other.

pub mod joint;
mod place;

pub use place::MicropoolTask;
#[cfg(feature = "capi")]
pub(crate) use place::Stage;

use super::Pool;
use super::config::{Config, MAX_INBOX_CAPACITY, WhenFull};
use super::stats::Stats;
use crate::error::{Error, Result, error};
use crate::os::alloc::{Array, List, Owned};
use crate::topology::{CpuSet, Topology};
use joint::Joint;

/// A micropool has so many places unless told otherwise.
pub const DEFAULT_PLACES: usize = 1024;

/// One micropool of a set: its name, size and CPUs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Micropool<'a> {
    /// What it is called; its workers are named with the first 8 bytes. No two are called the same.
    pub name: &'a str,
    /// How many workers; 0 means as many as it has CPUs.
    pub workers: usize,
    /// On which CPUs its workers are pinned. `None` means the machine's, of which those without CPUs of their own get one after the
    /// other.
    pub cpus: Option<&'a CpuSet>,
    /// How many tasks that came in through it may be in the set at a time; 0 means [`DEFAULT_PLACES`]. Each has 128 bytes.
    pub places: usize,
}

/// A set of micropools. Dropping it waits for its tasks and joins its threads.
///
/// All methods may be called from any thread at a time.
#[derive(Debug)]
pub struct Micropools {
    pools: Array<Pool>,
    names: Array<List<u8>>,
    joint: Owned<Joint>,
}

impl Micropools {
    /// Makes the micropools and starts their workers. What is set in `config` holds for each of them, but for the number of workers, the
    /// inbox and the names. A [full](Config::when_full) micropool refuses a task or makes the submitter wait until there is a place.
    ///
    /// Errors: as [`Pool::new`]; [`InvalidArgument`](crate::error::Status::InvalidArgument) for none at all, names that are empty or
    /// the same, too many places, no CPUs, [`WhenFull::Run`], and a [topology](Config::topology), [CPUs](Config::cpus) or
    /// [nodes](Config::nodes), which are not divided.
    pub fn new(micropools: &[Micropool<'_>], config: &Config<'_>) -> Result<Micropools> {
        let places = check(micropools, config)?;
        let allocator = config.allocator;
        let names = Array::from_fn(allocator, micropools.len(), |i| {
            List::from_slice(allocator, micropools[i].name.as_bytes())
        })?;
        let mut cpus = Cpus::new(micropools, config)?;
        let pools = Array::from_fn(allocator, micropools.len(), |i| {
            let Micropool { name, workers, cpus: chosen, .. } = micropools[i];
            let chosen = match chosen {
                Some(chosen) => chosen,
                None => &cpus.next(workers)?,
            };
            let topology = Topology::read(allocator, b"/", Some(chosen))?;
            Pool::new(&Config {
                workers,
                inbox_capacity: places,
                inbox_limit: 0,
                name_prefix: name,
                topology: Some(&topology),
                when_full: WhenFull::Error,
                ..*config
            })
        })?;
        let members = pools.iter().zip(micropools).map(|(pool, micropool)| (pool.core(), micropool.places()));
        // SAFETY: the joint is on the heap, and `drop` ends the workers before either goes. The pools are seen by nobody else.
        let joint = unsafe {
            let joint = Owned::new(allocator, Joint::new(allocator, config.when_full, members)?)?;
            joint.open();
            joint
        };
        Ok(Micropools { pools, names, joint })
    }

    /// The number of the micropool of this name. They count from 0, as they were given.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| **other == *name.as_bytes())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    /// False: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// How many workers a micropool has; 0 for a number that none has.
    pub fn workers(&self, micropool: usize) -> usize {
        self.pools.get(micropool).map_or(0, Pool::workers)
    }

    /// Submits a task to a micropool: it runs once, on one of its workers, after those that were queued there before by this thread.
    /// It borrows nothing, and nobody holds it; what it has to tell it tells by what it owns.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a number that no micropool has;
    /// [`QueueFull`](crate::error::Status::QueueFull) if all places are taken and the set was not told to wait, or this is one of
    /// its workers; [`Closed`](crate::error::Status::Closed), [`OutOfMemory`](crate::error::Status::OutOfMemory),
    /// [`Forked`](crate::error::Status::Forked). On an error the task is dropped without being run.
    pub fn submit<F>(&self, micropool: usize, task: F) -> Result<()>
    where
        F: FnOnce(MicropoolTask<'_>) -> Result<()> + Send + 'static,
    {
        self.joint.submit(micropool, task)
    }

    /// Waits until no task is in the set. The set can be used again afterwards.
    ///
    /// Errors: the first failure among its tasks since the last call; [`Forked`](crate::error::Status::Forked).
    pub fn wait_all(&mut self) -> Result<()> {
        // SAFETY: `&mut` keeps those outside away.
        unsafe { self.joint.wait_all() }
    }

    /// What the workers of a micropool have done; see [`Pool::stats`].
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a number that no micropool has;
    /// [`OutOfMemory`](crate::error::Status::OutOfMemory).
    ///
    /// A task is counted as executed a moment after [`wait_all`](Self::wait_all) may have returned for it.
    pub fn stats(&self, micropool: usize) -> Result<Stats> {
        self.joint.check(micropool)?;
        self.pools[micropool].stats()
    }

    /// What joins them.
    #[cfg(feature = "capi")]
    pub(crate) fn joint(&self) -> &Joint {
        &self.joint
    }

    /// Whether the calling thread may destroy the set.
    #[cfg(feature = "capi")]
    pub(crate) fn check_destroy(&self) -> Result<()> {
        self.joint.check_process()?;
        self.joint.refuse_on_own_worker("destroying the set")
    }

    /// Where its memory comes from.
    #[cfg(feature = "capi")]
    pub(crate) fn allocator(&self) -> crate::os::alloc::Allocator {
        self.joint.allocator()
    }
}

impl Drop for Micropools {
    fn drop(&mut self) {
        self.joint.close();
        // All workers end before any pool goes: one that has handed a task over may still be about to wake the other's worker.
        for pool in self.pools.iter_mut() {
            pool.stop();
        }
    }
}

impl Micropool<'_> {
    fn places(&self) -> usize {
        if self.places == 0 { DEFAULT_PLACES } else { self.places }
    }
}

/// Says how many places there are together.
fn check(micropools: &[Micropool<'_>], config: &Config<'_>) -> Result<usize> {
    let refuse = |error: Error| Err(error);
    if micropools.is_empty() {
        return refuse(error!(InvalidArgument, "a set of no micropools was asked for; give at least one"));
    }
    if config.when_full == WhenFull::Run {
        return refuse(error!(
            InvalidArgument,
            "a full micropool was to have its tasks run by their submitter, who is none of its workers; choose an error or waiting"
        ));
    }
    if config.balance.reserved != 0 {
        return refuse(error!(
            InvalidArgument,
            "{} workers of each micropool were to be kept for urgent tasks, and its tasks are all of one priority; give the short ones a micropool",
            config.balance.reserved
        ));
    }
    if config.topology.is_some() {
        return refuse(error!(
            InvalidArgument,
            "a topology was given, which is not divided among micropools; give each its CPUs instead"
        ));
    }
    if config.cpus.is_some() || !config.nodes.is_empty() {
        return refuse(error!(
            InvalidArgument,
            "CPUs or nodes were chosen for all micropools together; give each its CPUs instead"
        ));
    }
    if config.on_caller.is_some() || config.host_seats != 0 {
        return refuse(error!(
            InvalidArgument,
            "micropools were to work on the program's own threads, and have only those they make; make a pool for the others beside them"
        ));
    }
    for (i, Micropool { name, cpus, .. }) in micropools.iter().enumerate() {
        if name.is_empty() {
            return refuse(error!(InvalidArgument, "micropool {i} has no name; each needs one of its own"));
        }
        if micropools[..i].iter().any(|other| other.name == *name) {
            return refuse(error!(InvalidArgument, "two micropools are called {name}; each needs a name of its own"));
        }
        if cpus.is_some_and(CpuSet::is_empty) {
            return refuse(error!(
                InvalidArgument,
                "micropool {name} was given a set of no CPUs; give it one at least"
            ));
        }
    }
    let places = micropools.iter().try_fold(0usize, |sum, micropool| sum.checked_add(micropool.places()));
    match places {
        Some(places @ ..=MAX_INBOX_CAPACITY) => Ok(places),
        _ => refuse(error!(
            InvalidArgument,
            "the micropools are to have more than {MAX_INBOX_CAPACITY} places together, which is the most"
        )),
    }
}

/// The CPUs of those that were given none.
struct Cpus {
    order: List<u32>,
    next: usize,
}

impl Cpus {
    fn new(micropools: &[Micropool<'_>], config: &Config<'_>) -> Result<Cpus> {
        let topology = Topology::detect(config.allocator)?;
        let workers = micropools.iter().filter(|micropool| micropool.cpus.is_none()).map(|micropool| micropool.workers);
        let order = topology.placement(workers.sum::<usize>().clamp(1, topology.cpus().len()))?.cpus;
        Ok(Cpus { order, next: 0 })
    }

    /// The next so many, or all.
    fn next(&mut self, workers: usize) -> Result<CpuSet> {
        let mut cpus = CpuSet::new(self.order.allocator());
        let count = if workers == 0 { self.order.len() } else { workers.min(self.order.len()) };
        for _ in 0..count {
            cpus.insert(self.order[self.next % self.order.len()])?;
            self.next += 1;
        }
        Ok(cpus)
    }
}
