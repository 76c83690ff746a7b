//! Accept, drain, closed: the life of a pool as its submitters and workers see it.
//!
//! # States
//! *Accepting*: work may come from anywhere. *Draining*: [`close`](Shutdown::close) was called; work comes only from tasks
//! that are themselves counted. *Drained*: the count is zero, and stays so. *Terminated*: the workers may leave.
//!
//! | step | who | what |
//! |---|---|---|
//! | accept | a submitter from outside | counts its visit and its task in one step, or is refused; without a visit where the pool outlives the call anyway |
//! | accept inside | a task of this pool | counts the new task |
//! | leave | the submitter | takes its visit back after its last touch of the pool |
//! | finish | the worker that ran a task | takes the task back |
//! | close, wait, terminate | the one that destroys | in this order |
//! | leave for good | a worker | sees *terminated* between its announcement and its sleep |
//!
//! # What would break a naive version
//! 1. *Lost task.* Accepted after the destroyer saw zero. Acceptance and closing change one word
//!    ([`countdown`](super::countdown)), so an accepted task is counted before the destroyer looks.
//! 2. *The submitter is still inside.* Its task is done and the pool is freed while it is about to wake a worker. So a visit
//!    from outside is counted too, until the submitter has let go.
//! 3. *The worker that left too early.* Seeing an empty queue is no reason to leave; seeing *terminated* is, because that
//!    comes after zero, when there is nothing left to find.
//! 4. *The worker that sleeps through the end.* *Terminated* is set before every worker gets a permit, and each worker looks
//!    at it before each sleep.
//!
//! # Why there is no ordering here
//! A worker that leaves needs to see nothing but *terminated* itself, and the permit it gets after that carries it. What the
//! destroyer does next it does after joining the worker.
//!
//! Models: `verification/loom/shutdown.rs`, `verification/shuttle/pool.rs`.

use super::countdown::{Countdown, Finished, Refused};
use crate::sync::{AtomicU32, RELAXED};

/// The gate of a pool.
#[derive(Debug)]
pub struct Shutdown {
    in_flight: Countdown,
    terminated: AtomicU32,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::new()
    }
}

impl Shutdown {
    /// An open gate.
    pub fn new() -> Shutdown {
        Shutdown { in_flight: Countdown::new(), terminated: AtomicU32::new(0) }
    }

    /// Counts tasks and one visit from outside; the visit ends with [`leave`](Self::leave).
    #[inline]
    pub fn accept_visit(&self, tasks: u32) -> Result<(), Refused> {
        self.in_flight.add(tasks + 1, false)
    }

    /// Counts tasks from a submitter who keeps the pool alive by other means, and so need not be counted as a visitor.
    #[inline]
    pub fn accept(&self, tasks: u32) -> Result<(), Refused> {
        self.in_flight.add(tasks, false)
    }

    /// Counts tasks submitted by a task that is counted itself.
    #[inline]
    pub fn accept_inside(&self, tasks: u32) -> Result<(), Refused> {
        self.in_flight.add(tasks, true)
    }

    /// Ends a visit. Nothing of the pool may be touched after, but what the result asks to be woken by address.
    #[inline]
    pub fn leave(&self) -> Finished {
        self.in_flight.finish(1)
    }

    /// Counts tasks off. The worker itself stays: workers are joined, not counted.
    #[inline]
    pub fn finish(&self, tasks: u32) -> Finished {
        self.in_flight.finish(tasks)
    }

    /// What is counted: tasks and visits.
    pub fn in_flight(&self) -> &Countdown {
        &self.in_flight
    }

    /// Closes the gate. False when somebody closed it before.
    pub fn close(&self) -> bool {
        self.in_flight.close()
    }

    /// Lets the workers go, after the count has reached zero behind a closed gate.
    pub fn terminate(&self) {
        debug_assert!(self.in_flight.is_closed() && self.in_flight.count() == 0);
        self.terminated.store(1, RELAXED);
    }

    /// Whether the workers may go.
    #[inline]
    pub fn is_terminated(&self) -> bool {
        self.terminated.load(RELAXED) != 0
    }
}
