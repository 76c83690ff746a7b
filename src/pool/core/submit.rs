//! How work enters a pool: through the gate, into an inbox, with a word to who may sleep.

use super::Core;
use crate::error::{Error, Result, error};
use crate::pool::blocks::Taker;
use crate::pool::config::WhenFull;
use crate::pool::counters::Counters;
use crate::pool::detached::{Batch, Detached, Entry};
use crate::pool::future::Future;
use crate::pool::group::GroupCore;
use crate::pool::inbox::Destination;
use crate::pool::options::TaskOptions;
use crate::pool::seats::Reach;
use crate::pool::task::{Header, Storage, Task, TaskRef, Work};
use crate::pool::worker::Worker;
use crate::protocol::countdown::{Finished, MAX_COUNT, Refused};
use crate::sync::{spin_loop, thread_slot};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

pub(in crate::pool) fn refusal(reason: Refused) -> Error {
    match reason {
        Refused::Closed => error!(Closed, "the pool is being destroyed and takes no new tasks from outside"),
        Refused::Full => error!(QueueFull, "the pool holds {} tasks, more than it can count", MAX_COUNT),
    }
}

#[cold]
fn inbox_is_full() -> Error {
    error!(
        QueueFull,
        "the inbox is full; wait for tasks to finish, or make the pool with a larger inbox or another choice for a full one"
    )
}

impl Core {
    /// See [`Pool::try_submit`](crate::pool::Pool::try_submit).
    pub fn try_submit<F, R>(&self, task: F) -> Result<Future<R>>
    where
        F: FnOnce(&Worker) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        self.submit_work(Destination::USUAL, task)
    }

    /// See [`Pool::submit_with`](crate::pool::Pool::submit_with).
    pub fn submit_with<F, R>(&self, options: &TaskOptions<'_>, task: F) -> Result<Future<R>>
    where
        F: FnOnce(&Worker) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        self.submit_work(self.destination(options)?, task)
    }

    pub(crate) fn submit_work<W, R>(&self, to: Destination, work: W) -> Result<Future<R>>
    where
        W: Work<R> + 'static,
        R: Send + 'static,
    {
        let task = Task::allocate(self, to, work)?;
        // SAFETY: a fresh task of this pool.
        unsafe { self.submit(task)? };
        // SAFETY: the second reference is the handle's.
        Ok(Future::new(unsafe { TaskRef::adopt(task) }))
    }

    /// Submits a task that lies in `place`. Nothing is allocated.
    ///
    /// # Safety
    /// `place` is good for the task, and neither it nor what the task borrows goes away before the task is done and
    /// [`wait_until_sole`](TaskRef::wait_until_sole) has returned, or the call has failed.
    pub(crate) unsafe fn submit_in<W: Work<R>, R: Send>(
        &self,
        place: *mut MaybeUninit<Task<W, R>>,
        to: Destination,
        work: W,
    ) -> Result<Future<R>> {
        let task = Task::new(self, Storage::Caller, to, work);
        // SAFETY: by contract the place is good.
        let header = unsafe { NonNull::from((*place).write(task)).cast() };
        // SAFETY: a fresh task of this pool.
        unsafe { self.submit(header)? };
        // SAFETY: the second reference is the handle's.
        Ok(Future::new(unsafe { TaskRef::adopt(header) }))
    }

    /// See [`Pool::run`](crate::pool::Pool::run).
    pub fn run<F, R>(&self, work: F) -> Result<R>
    where
        F: FnOnce(&Worker) -> Result<R> + Send,
        R: Send,
    {
        if let Some(worker) = self.current_worker() {
            return work(worker);
        }
        if self.is_made_here() {
            self.check_process()?;
            return self.stay(work);
        }
        // From here on the task is the pool's; its place is this frame, which waits for it.
        let mut place = MaybeUninit::uninit();
        // SAFETY: the frame outlives the task, and so does whatever the task borrows: this call waits.
        let future = unsafe { self.submit_in(&raw mut place, Destination::USUAL, work)? };
        future.wait()?;
        future.task().wait_until_sole();
        future.get()
    }

    /// Brings a fresh task in. On failure the task, with both its references, is gone.
    ///
    /// # Safety
    /// `task` was made for this pool, was never submitted, and nobody else knows it.
    pub(crate) unsafe fn submit(&self, task: NonNull<Header>) -> Result<()> {
        let refused = self.check_process().err();
        let worker = self.current_worker();
        let accepted = match (&refused, worker) {
            (Some(_), _) => Err(Refused::Closed),
            (None, Some(_)) => self.shutdown.accept_inside(1),
            (None, None) => self.shutdown.accept_visit(1),
        };
        if let Err(reason) = accepted {
            // SAFETY: by contract both references are ours.
            unsafe { Core::abandon(task) };
            return Err(refused.unwrap_or_else(|| refusal(reason)));
        }
        let result = self.enqueue(task, worker);
        if result.is_err() {
            // SAFETY: the task is in no queue, so both references are still ours.
            unsafe { Core::abandon(task) };
            self.shutdown.finish(1).wake_blocked();
        }
        if worker.is_none() {
            self.call_maker();
            // The last touch of the pool from outside.
            self.shutdown.leave().wake_blocked();
        }
        result
    }

    /// Counts a run of a graph among what the pool has to do, as the task that begins it counts. To be ended by
    /// [`finish_run`](Self::finish_run).
    pub(crate) fn count_run(&self, worker: &Worker) {
        while self.shutdown.accept_inside(1).is_err() {
            // As many as can be counted are queued or running: there is room when some of them are done. What is run here may
            // wait for what a private job does.
            worker.promote_all();
            if !worker.run_queued_task() {
                spin_loop();
            }
        }
    }

    /// Wakes who waits for the run, which was counted down just now, and counts it off.
    pub(crate) fn finish_run(&self, finished: Finished) {
        finished.wake_blocked();
        if let Some(address) = finished.helpers() {
            self.sleep.notify_waiters(address);
        }
        // The last touch of the pool, which may go from here on unless this is one of its workers.
        self.shutdown.finish(1).wake_blocked();
    }

    /// Frees a task that was never submitted.
    ///
    /// # Safety
    /// Both references are the caller's.
    pub(crate) unsafe fn abandon(task: NonNull<Header>) {
        // SAFETY: by contract.
        unsafe {
            drop(TaskRef::adopt(task));
            drop(TaskRef::adopt(task));
        }
    }

    /// Submits a task of which nobody will hear.
    #[cfg(feature = "capi")]
    pub(crate) fn submit_unheld<W: Work<()> + 'static>(&self, to: Destination, work: W) -> Result<()> {
        // SAFETY: there is no group.
        unsafe { self.submit_detached::<W, 1>(None, to, core::iter::once(work)) }.map_err(|(_, error)| error)
    }

    /// Submits tasks that nobody will hold, all those that there are, and says how many came in before one failed; that one
    /// and those after it are dropped. With a group, the caller keeps the pool alive.
    ///
    /// # Safety
    /// The group, if there is one, lives until the tasks are counted off.
    pub(crate) unsafe fn submit_detached<W: Work<()> + 'static, const N: usize>(
        &self,
        group: Option<&GroupCore>,
        to: Destination,
        mut works: impl Iterator<Item = W>,
    ) -> core::result::Result<(), (usize, Error)> {
        let worker = self.current_worker();
        let key = worker.map_or_else(thread_slot::key, Worker::index);
        let taker = match worker {
            Some(worker) if !worker.is_guest() => Taker::Worker(worker.index()),
            _ => Taker::Outside(key),
        };
        self.check_process().map_err(|error| (0, error))?;
        let mut done = 0;
        loop {
            let mut batch = Batch::<N>::new(self, to);
            let mut failed = None;
            let mut source = self.blocks.open(taker, Detached::<W>::SHAPE);
            let mut ended = false;
            while !batch.is_full() {
                let Some(work) = works.next() else {
                    ended = true;
                    break;
                };
                match source.take() {
                    // SAFETY: a fresh block of this shape; a fresh task of this pool.
                    Ok(place) => unsafe {
                        batch.add(Detached::write(place, group.map_or(ptr::null(), ptr::from_ref), work))
                    },
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            drop(source);
            if let Err(error) = self.admit(group, &mut batch, worker, &mut done) {
                return Err((done, error));
            }
            match failed {
                Some(error) => return Err((done, error)),
                None if ended || N == 1 => return Ok(()),
                None => {}
            }
        }
    }

    /// Counts the tasks of a batch and puts them into the inbox. `done` counts those that came in.
    #[inline]
    fn admit<const N: usize>(
        &self,
        group: Option<&GroupCore>,
        batch: &mut Batch<'_, N>,
        worker: Option<&Worker>,
        done: &mut usize,
    ) -> Result<()> {
        let all = batch.left().len();
        if all == 0 {
            return Ok(());
        }
        let count = all as u32;
        if let Some(group) = group
            && group.countdown.add(count, true).is_err()
        {
            return Err(error!(Overflow, "a group holds too many tasks at a time; wait for it before submitting more"));
        }
        let accepted = match (worker, group) {
            (Some(_), _) => self.shutdown.accept_inside(count),
            // Who has a group keeps the pool.
            (None, Some(_)) => self.shutdown.accept(count),
            (None, None) => self.shutdown.accept_visit(count),
        };
        let result = match accepted {
            Ok(()) => {
                let result = self.enqueue_batch(batch, worker);
                if worker.is_none() {
                    self.call_maker();
                }
                let left = batch.left().len() as u32;
                if left != 0 {
                    self.shutdown.finish(left).wake_blocked();
                }
                result
            }
            Err(reason) => Err(refusal(reason)),
        };
        let left = batch.left().len();
        *done += all - left;
        if left != 0 {
            // Before they are counted off: their blocks are of the pool.
            while let Some(task) = batch.next() {
                // SAFETY: the pool is alive: the caller has a group, is inside a task, or is counted as a visitor.
                unsafe { task.discard(self) };
            }
            if let Some(group) = group {
                group.finish(self, left as u32);
            }
        }
        if accepted.is_ok() && worker.is_none() && group.is_none() {
            // The last touch of the pool from outside.
            self.shutdown.leave().wake_blocked();
        }
        result
    }

    #[inline]
    fn enqueue_batch<const N: usize>(&self, batch: &mut Batch<'_, N>, worker: Option<&Worker>) -> Result<()> {
        let home = self.inbox.home(worker.map(Worker::index));
        let to = batch.to();
        loop {
            let pushed = self.inbox.push(to, home, self.balance.holds_back(), batch.left());
            batch.pushed(pushed);
            if pushed != 0 {
                self.announce(to, home, || self.near(worker, home), pushed);
            }
            if batch.left().is_empty() {
                return Ok(());
            }
            match self.when_full {
                WhenFull::Error => return Err(inbox_is_full()),
                WhenFull::Run if self.may_run(to.reach, worker) => self.as_helper(worker, |helper| {
                    if let Some(task) = batch.next() {
                        helper.run_at_once(task);
                    }
                }),
                WhenFull::Block | WhenFull::Run => self.as_helper(worker, Worker::make_room),
            }
        }
    }

    fn enqueue(&self, task: NonNull<Header>, worker: Option<&Worker>) -> Result<()> {
        let home = self.inbox.home(worker.map(Worker::index));
        // SAFETY: the task is not queued yet, so it is there.
        let to = unsafe { task.as_ref() }.destination;
        while self.inbox.push(to, home, self.balance.holds_back(), &[task.cast()]) == 0 {
            match self.when_full {
                WhenFull::Error => return Err(inbox_is_full()),
                WhenFull::Run if self.may_run(to.reach, worker) => {
                    self.as_helper(worker, |helper| {
                        // SAFETY: the queue's reference; the pool is alive, since the task and the visit are counted.
                        unsafe { TaskRef::adopt(task).run(helper) };
                    });
                    return Ok(());
                }
                WhenFull::Block | WhenFull::Run => self.as_helper(worker, Worker::make_room),
            }
        }
        let looks = 1 + usize::from(worker.is_none() && self.hides_searcher());
        self.announce(to, home, || self.near(worker, home), looks);
        Ok(())
    }

    /// Queues a task that was made elsewhere, behind those that are queued. False if there is no room.
    ///
    /// # Safety
    /// The entry is in no queue, and is given to this one; its table is its own. The pool lives until the task has run and this
    /// call has returned.
    pub(crate) unsafe fn receive(&self, entry: NonNull<Entry>) -> bool {
        // Whoever hands it over vouches for the pool, closed or not.
        if self.shutdown.accept_inside(1).is_err() {
            return false;
        }
        let worker = self.current_worker();
        let home = self.inbox.home(worker.map(Worker::index));
        if self.inbox.push(Destination::USUAL, home, self.balance.holds_back(), &[entry]) == 0 {
            self.shutdown.finish(1).wake_blocked();
            return false;
        }
        self.announce(Destination::USUAL, home, || self.near(worker, home), 1);
        true
    }

    /// Queues a task once more, in a more urgent lane. If there is no room it stays where it is.
    ///
    /// # Safety
    /// The reference for the entry is given to it; the pool is alive.
    pub(crate) unsafe fn enqueue_again(&self, task: NonNull<Header>, to: Destination) {
        let worker = self.current_worker();
        let home = self.inbox.home(worker.map(Worker::index));
        if self.inbox.push(to, home, self.balance.holds_back(), &[task.cast()]) == 0 {
            // SAFETY: the entry's reference, for which there is no entry.
            return drop(unsafe { TaskRef::adopt(task) });
        }
        self.announce(to, home, || self.near(worker, home), 1);
    }

    /// Beside whom to look for a sleeper for what the calling thread has queued.
    fn near(&self, worker: Option<&Worker>, home: usize) -> usize {
        if worker.is_some() { home } else { self.seats.beside_caller().unwrap_or(home) }
    }

    /// Whether the calling thread has the CPU of a worker that searches: that one finds nothing until the caller gives way, which may
    /// be long after it has submitted, and while it counts as a searcher nobody would be woken.
    fn hides_searcher(&self) -> bool {
        self.seats.under_caller().is_some_and(|worker| self.statistics.of(worker).searching.is_running())
    }

    /// Whether the calling thread, as a worker or as a guest, may run what is for those in `reach`.
    pub(crate) fn may_run(&self, reach: Reach, worker: Option<&Worker>) -> bool {
        reach == Reach::Everyone || worker.is_some_and(|worker| self.seats.includes(reach, worker.index()))
    }

    /// Calls `action` with the calling thread as a worker: itself, or a guest without a deque.
    fn as_helper(&self, worker: Option<&Worker>, action: impl FnOnce(&Worker)) {
        match worker {
            Some(worker) => {
                // What is run here may wait for what a private job does.
                worker.promote_all();
                action(worker);
            }
            None => {
                let counters = Counters::default();
                Worker::guest(self, &counters).run_as_current(action);
                self.statistics.add_outside(&counters);
            }
        }
    }
}
