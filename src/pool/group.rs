//! Tasks that are waited for together.

use super::core::Core;
use super::inbox::Destination;
use super::options::TaskOptions;
use super::task::Work;
use super::worker::Worker;
use crate::error::{Error, Result};
#[cfg(feature = "capi")]
use crate::os::alloc::Allocator;
use crate::os::alloc::Owned;
use crate::os::fork;
use crate::protocol::countdown::Countdown;
use crate::protocol::first::First;
use core::iter;

/// So many tasks are counted, queued and announced together.
const BATCH: usize = 64;

/// The shared part of a group.
#[derive(Debug)]
pub(crate) struct GroupCore {
    pub(crate) countdown: Countdown,
    pub(crate) first_failure: First<Error>,
}

impl GroupCore {
    /// Counts tasks off. The last touch of the group.
    pub(crate) fn finish(&self, core: &Core, tasks: u32) {
        let finished = self.countdown.finish(tasks);
        finished.wake_blocked();
        if let Some(address) = finished.helpers() {
            core.sleep().notify_waiters(address);
        }
    }
}

/// A number of tasks of one pool that are waited for together. Dropping it waits.
///
/// Tasks of a group may submit more tasks to it. Any thread may submit; one at a time may wait.
///
/// ```
/// use vgpu_pool::pool::{Config, Pool};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let sum = Arc::new(AtomicU32::new(0));
/// let mut group = pool.group()?;
/// for i in 0..10 {
///     let sum = sum.clone();
///     group.submit(move |_| Ok(drop(sum.fetch_add(i, Ordering::Relaxed))))?;
/// }
/// group.wait()?;
/// assert_eq!(sum.load(Ordering::Relaxed), 45);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Group<'p> {
    shared: Owned<GroupCore>,
    core: &'p Core,
}

impl<'p> Group<'p> {
    /// A new, empty group of tasks of the pool that `core` belongs to.
    pub fn new(core: &'p Core) -> Result<Group<'p>> {
        core.check_process()?;
        let shared = GroupCore { countdown: Countdown::new(), first_failure: First::new() };
        Ok(Group { shared: Owned::new(core.allocator(), shared)?, core })
    }

    /// Submits a task to the pool as one of this group.
    ///
    /// Errors: as [`Pool::submit`](super::Pool::submit).
    pub fn submit<F>(&self, task: F) -> Result<()>
    where
        F: FnOnce(&Worker) -> Result<()> + Send + 'static,
    {
        self.submit_work(Destination::USUAL, task)
    }

    /// As [`submit`](Self::submit), for a task of which something is asked: a priority, a place.
    ///
    /// Errors: also [`InvalidArgument`](crate::error::Status::InvalidArgument) for a place where the pool has no worker.
    pub fn submit_with<F>(&self, options: &TaskOptions<'_>, task: F) -> Result<()>
    where
        F: FnOnce(&Worker) -> Result<()> + Send + 'static,
    {
        self.submit_work(self.core.destination(options)?, task)
    }

    pub(crate) fn submit_work<W: Work<()> + 'static>(&self, to: Destination, work: W) -> Result<()> {
        // SAFETY: the group waits for its tasks before it goes.
        unsafe { self.core.submit_detached::<W, 1>(Some(&self.shared), to, iter::once(work)) }
            .map_err(|(_, error)| error)
    }

    /// Submits many tasks as [`submit`](Self::submit) does each, for less: they are counted, queued and announced together.
    ///
    /// Errors: as [`Pool::submit`](super::Pool::submit), with the number of tasks that were submitted before. The one
    /// that failed and those that come after it are dropped.
    pub fn submit_batch<F>(&self, tasks: impl IntoIterator<Item = F>) -> core::result::Result<(), (usize, Error)>
    where
        F: FnOnce(&Worker) -> Result<()> + Send + 'static,
    {
        self.submit_works(Destination::USUAL, tasks.into_iter())
    }

    /// As [`submit_batch`](Self::submit_batch), with the same asked for each task.
    pub fn submit_batch_with<F>(
        &self,
        options: &TaskOptions<'_>,
        tasks: impl IntoIterator<Item = F>,
    ) -> core::result::Result<(), (usize, Error)>
    where
        F: FnOnce(&Worker) -> Result<()> + Send + 'static,
    {
        let to = self.core.destination(options).map_err(|error| (0, error))?;
        self.submit_works(to, tasks.into_iter())
    }

    pub(crate) fn submit_works<W: Work<()> + 'static>(
        &self,
        to: Destination,
        works: impl Iterator<Item = W>,
    ) -> core::result::Result<(), (usize, Error)> {
        // SAFETY: the group waits for its tasks before it goes.
        unsafe { self.core.submit_detached::<W, BATCH>(Some(&self.shared), to, works) }
    }

    /// Waits until every task of the group is done; helps meanwhile if the caller is a worker of the pool. The group can be
    /// used again afterwards.
    ///
    /// Errors: the first failure among the group's tasks.
    pub fn wait(&mut self) -> Result<()> {
        // SAFETY: `&mut` keeps other waiters away.
        unsafe { self.wait_unshared() }
    }

    /// As [`wait`](Self::wait).
    ///
    /// # Safety
    /// No other thread waits for the group.
    pub(crate) unsafe fn wait_unshared(&self) -> Result<()> {
        self.check_process()?;
        if let Some(worker) = self.core.current_worker().filter(|_| !self.shared.countdown.is_zero()) {
            worker.check_stack()?;
        }
        self.core.wait(&self.shared.countdown, None);
        // SAFETY: the count was seen at zero, so whoever offered is done, and by contract no other waiter takes.
        match unsafe { self.shared.first_failure.take() } {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Group<'_> {
    pub(crate) fn check_process(&self) -> Result<()> {
        self.core.check_process()
    }

    #[cfg(feature = "capi")]
    pub(crate) fn destination(&self, options: &TaskOptions<'_>) -> Result<Destination> {
        self.core.destination(options)
    }

    #[cfg(feature = "capi")]
    pub(crate) fn allocator(&self) -> Allocator {
        self.core.allocator()
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if self.core.generation() == fork::generation() {
            self.core.wait(&self.shared.countdown, None);
        }
    }
}
