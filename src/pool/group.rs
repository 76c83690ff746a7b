//! Tasks that are waited for together.

use super::core::Core;
use super::task::{Task, TaskRef, Work};
use super::worker::Worker;
use crate::error::{Error, Result, error};
#[cfg(feature = "capi")]
use crate::os::alloc::Allocator;
use crate::os::alloc::Owned;
use crate::os::fork;
use crate::protocol::countdown::{Countdown, Refused};
use crate::protocol::first::First;
use core::ptr;

/// The shared part of a group.
#[derive(Debug)]
pub(crate) struct GroupCore {
    pub(crate) countdown: Countdown,
    pub(crate) first_failure: First<Error>,
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
        self.submit_work(task)
    }

    pub(crate) fn submit_work<W: Work<()> + 'static>(&self, work: W) -> Result<()> {
        let task = Task::allocate(self.core, ptr::from_ref(&*self.shared), work)?;
        if let Err(Refused::Closed | Refused::Full) = self.shared.countdown.add(1, true) {
            // SAFETY: both references of a task that was not submitted are ours.
            unsafe { Core::abandon(task) };
            return Err(error!(Overflow, "a group holds too many tasks at a time; wait for it before submitting more"));
        }
        // SAFETY: a fresh task of this pool.
        match unsafe { self.core.submit(task) } {
            Ok(()) => {
                // SAFETY: the second reference is the handle's, and a group keeps no handles.
                drop(unsafe { TaskRef::adopt(task) });
                Ok(())
            }
            Err(error) => {
                let finished = self.shared.countdown.finish(1);
                finished.wake_blocked();
                // Through the C interface a task may wait for the group meanwhile.
                if let Some(address) = finished.helpers() {
                    self.core.sleep().notify_waiters(address);
                }
                Err(error)
            }
        }
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
