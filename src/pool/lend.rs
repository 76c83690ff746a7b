//! Threads of the program that lend themselves to a pool as workers, for a while or until it ends.
//!
//! A pool made with [`host_seats`](super::Config::host_seats) has that many workers more than threads. Their numbers are the
//! last; whoever lends itself takes one of them, and gives it back when it leaves. Nothing depends on somebody sitting there:
//! tasks from outside are not dealt to these workers, none can be bound to them, and when all others wait without helping
//! one of those helps ([`last_helper`](crate::protocol::last_helper)). A seat holds nothing when it is left: at the bottom of a worker's
//! stack no job is its own.
//!
//! # From one thread to the next
//! What belongs to a worker alone, the owner's end of a deque, its counts and its log, goes on to the next thread in the seat. A seat
//! is taken and left through a [`RunGate`](crate::protocol::run_gate::RunGate), whose end is a release that the next beginning acquires.
//!
//! # The end of the pool
//! Whoever is lent is behind the pool's [`door`](crate::protocol::door), which is closed when the pool has drained: who comes later is
//! refused. The one that ends the pool then lets the workers go, and waits until nobody is behind the door. The C API's leases
//! have keys to it: they may be used while the pool ends, and after.

use super::core::Core;
use super::wait::Awaited;
use super::worker::Worker;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, Owned};
use crate::os::{clock, thread};
use crate::protocol::completion::Completion;
use crate::protocol::door::Door;
use crate::protocol::lazy_start::LazyStart;
use crate::protocol::shutdown::Shutdown;
use core::ptr::NonNull;

/// How long threads are lent: until [`Pool::end_lease`](super::Pool::end_lease). Once ended, it stays so. Several threads may be lent
/// on one lease.
#[derive(Debug, Default)]
pub struct Lease {
    /// Claimed by the one that ends it.
    ending: LazyStart,
    ended: Completion<()>,
}

impl Lease {
    /// A lease that has not ended.
    pub fn new() -> Lease {
        Lease::default()
    }

    /// Whether it was ended.
    pub fn is_ended(&self) -> bool {
        self.ended.is_done()
    }

    /// Ends it where no thread is lent on it any more, or will be given back in any case. Says where workers wait for it in the pool's event
    /// count, if any do.
    pub(crate) fn end(&self) -> Option<usize> {
        if !self.ending.claim() {
            return None;
        }
        // SAFETY: claimed by this thread, once.
        let wakeups = unsafe { self.ended.set(()) };
        wakeups.wake_blocked();
        wakeups.helpers()
    }
}

/// A key to a pool's door. It keeps the door, and not the pool.
#[derive(Debug)]
pub(crate) struct Key {
    door: NonNull<Door>,
    allocator: Allocator,
}

// SAFETY: the door is made for many threads, and is there as long as there are keys.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Key {
    /// The first key to a new door.
    pub(super) fn new(allocator: Allocator) -> Result<Key> {
        Ok(Key { door: Owned::into_raw(Owned::new(allocator, Door::new())?), allocator })
    }

    /// One more key to the same door.
    #[cfg(feature = "capi")]
    pub(crate) fn another(&self) -> Key {
        self.door().cut_key();
        Key { ..*self }
    }

    pub(super) fn door(&self) -> &Door {
        // SAFETY: there is a key, this one.
        unsafe { self.door.as_ref() }
    }

    /// Enters; the pool stays until the visit is dropped. Fails if the pool is being destroyed, or gone.
    pub(crate) fn enter(&self) -> Result<Visit<'_>> {
        if !self.door().enter() {
            return Err(error!(Closed, "the pool is being destroyed or is gone, and takes no threads any more"));
        }
        Ok(Visit(self.door()))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.door().give_back() {
            // SAFETY: it came from there, and this was the last key.
            drop(unsafe { Owned::from_raw(self.allocator, self.door) });
        }
    }
}

/// A stay behind a pool's door.
#[derive(Debug)]
pub(crate) struct Visit<'a>(&'a Door);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // By address, since the pool may be gone as soon as nobody is counted, and its own key with it.
        self.0.leave().wake_blocked();
    }
}

/// What a lent thread works until.
struct Stay<'a> {
    lease: &'a Completion<()>,
    pool: &'a Shutdown,
}

impl Awaited for Stay<'_> {
    fn is_done(&self) -> bool {
        self.lease.is_done() || self.pool.is_terminated()
    }
    fn register_helper(&self) -> bool {
        // The end of the pool gives every worker a permit.
        self.lease.register_helper()
    }
    fn address(&self) -> usize {
        self.lease.address()
    }
    fn block(&self, deadline_ns: Option<u64>) -> bool {
        self.lease.wait(deadline_ns)
    }
}

impl Core {
    /// See [`Pool::lend`](super::Pool::lend). `at_ends` is called on arrival with the worker's number and `true`, and before the seat is
    /// left with `false`.
    pub fn lend(&self, lease: &Lease, deadline_ns: Option<u64>, at_ends: impl Fn(usize, bool)) -> Result<()> {
        self.check_process()?;
        if self.current_worker().is_some() {
            return Err(error!(
                WouldDeadlock,
                "a worker of the pool was to be lent to it, in the middle of a task; lend a thread that is none"
            ));
        }
        let visit = self.key()?.enter()?;
        let result = self.sit(lease, deadline_ns, at_ends);
        // The last touch of the pool.
        drop(visit);
        result
    }

    /// The stay itself, during which the pool is there.
    fn sit(&self, lease: &Lease, deadline_ns: Option<u64>, at_ends: impl Fn(usize, bool)) -> Result<()> {
        let seats = self.host_seats();
        let Some(seat) = seats.iter().position(|seat| seat.begin(self.generation())) else {
            return Err(error!(
                AlreadyStarted,
                "the pool has {} seats for threads that are lent to it, and all are taken; make it with more host_seats",
                seats.len()
            ));
        };
        let index = self.own_workers() + seat;
        // As a worker of another pool the thread may have forked what others of this one wait for.
        let outer = Worker::current();
        outer.inspect(|outer| outer.begin_blocking());
        let cancellation = thread::refuse_cancellation();
        at_ends(index, true);
        let sleeping = &self.statistics().of(index).sleeping;
        sleeping.stop(clock::monotonic_ns());
        let stay = Stay { lease: &lease.ended, pool: self.shutdown() };
        let worker = Worker::new(self, index, thread::stack_bottom());
        worker.run_as_current(|worker| worker.work_until(&stay, deadline_ns));
        debug_assert!(worker.deque().is_empty(), "no job is left at the bottom of the stack");
        sleeping.start(clock::monotonic_ns());
        at_ends(index, false);
        thread::restore_cancellation(cancellation);
        outer.inspect(|outer| outer.end_blocking());
        let result = match (lease.is_ended(), self.shutdown().is_terminated()) {
            (true, _) => Ok(()),
            (false, true) => Err(error!(Closed, "the pool was destroyed, and gave the thread back")),
            (false, false) => Err(error!(TimedOut, "the time for which the thread was lent is over")),
        };
        seats[seat].end();
        result
    }

    /// See [`Pool::end_lease`](super::Pool::end_lease).
    pub fn end_lease(&self, lease: &Lease) {
        if let Some(address) = lease.end() {
            self.sleep().notify_waiters(address);
        }
    }
}
