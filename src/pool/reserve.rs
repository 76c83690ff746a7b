//! Workers that are kept for urgent tasks, and when they are lent to the others.
//!
//! A long task holds its worker until it is done. If all workers have one, the shortest and most urgent task waits for the
//! first of them to end, however the queues are ordered. So a pool may keep the first few of its workers for tasks of
//! [`URGENT`] and above: somebody is always about to be free for these. Everybody else takes urgent tasks first too, then the others.
//!
//! # The loan
//! A reserved worker that finds nothing urgent looks whether the others starve: whether one of the less urgent tasks has waited longer
//! than the pool's patience. If so, it takes one such task, and then none for another patience. So the price of a starving class
//! is one of its tasks in the way of the urgent ones for each patience and worker; and no task waits for ever because the workers
//! that may run it are all held up, while a reserved one idles.
//!
//! Tasks have no birthdays. What is known is how many were pushed and taken in all, from the counters of the queues. A worker
//! notes how many had been pushed, and when. As long as fewer have been taken since the beginning, one of those is waiting still, for
//! as long as the note is old. Once that many were taken, those that wait may be younger, and a new note is made. So a
//! note never says too early that a task starves; and if it is late, then tasks were taken meanwhile.
//!
//! # Sleeping
//! A reserved worker with a note sleeps until the patience is over, at most. One without is woken as everybody is, by whoever queues a task
//! while nobody searches, and then makes one. Who queues a task that is not urgent wakes one of the other workers
//! besides, whoever searches: a reserved one may search in vain for what it may not take. This is the event count's rule for
//! [work for one](crate::protocol::event_count). Models: `verification/loom/reserve.rs`.

use super::options::Priority;
use super::worker::Worker;
use crate::os::clock;
use core::cell::Cell;

/// The least priority that reserved workers are kept for.
pub(super) const URGENT: Priority = Priority::High;

/// How many tasks were taken from some queues, and pushed into them, since the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) taken: usize,
    pub(crate) pushed: usize,
}

impl Progress {
    /// With the counts of one more queue.
    pub(crate) fn and(self, (taken, pushed): (usize, usize)) -> Progress {
        Progress { taken: self.taken.wrapping_add(taken), pushed: self.pushed.wrapping_add(pushed) }
    }
}

/// What a reserved worker may do about tasks that are not urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loan {
    /// None waits.
    Nothing,
    /// They may wait until then.
    From(u64),
    /// One of them has waited too long.
    Due,
}

/// A reserved worker's note, of its own thread.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How many had been pushed, and when.
    note: Cell<Option<(usize, u64)>>,
}

impl Watch {
    /// Whether one of the tasks has waited so long, and makes a note if there is something new to wait for.
    pub(super) fn look(&self, progress: Progress, now_ns: u64, patience_ns: u64) -> Loan {
        let Progress { taken, pushed } = progress;
        if taken == pushed {
            self.note.set(None);
            return Loan::Nothing;
        }
        let is_waiting = |&(mark, _): &(usize, u64)| (taken.wrapping_sub(mark) as isize) < 0;
        let (_, since_ns) = self.note.get().filter(is_waiting).unwrap_or_else(|| {
            self.note.set(Some((pushed, now_ns)));
            (pushed, now_ns)
        });
        let until_ns = since_ns.saturating_add(patience_ns);
        if now_ns >= until_ns { Loan::Due } else { Loan::From(until_ns) }
    }

    /// The worker was lent: the patience begins anew.
    pub(super) fn restart(&self) {
        self.note.set(None);
    }
}

impl Worker {
    /// Whether it is kept for urgent tasks.
    #[inline]
    pub(super) fn is_reserved(&self) -> bool {
        self.index() < self.core().balance().reserved
    }

    /// What it may do about the others, now.
    #[cold]
    pub(super) fn loan(&self) -> Loan {
        let progress = self.core().inbox().progress(URGENT);
        self.watch().look(progress, clock::monotonic_ns(), self.core().balance().lend_after_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(taken: usize, pushed: usize) -> Progress {
        Progress { taken, pushed }
    }

    #[test]
    fn a_worker_is_lent_when_one_task_has_waited_too_long() {
        let watch = Watch::default();
        assert_eq!(watch.look(progress(0, 0), 0, 100), Loan::Nothing);
        assert_eq!(watch.look(progress(0, 2), 10, 100), Loan::From(110));
        // One of the two was taken, and others came: the other waits as long as before.
        assert_eq!(watch.look(progress(1, 9), 60, 100), Loan::From(110));
        assert_eq!(watch.look(progress(1, 9), 110, 100), Loan::Due);
        watch.restart();
        assert_eq!(watch.look(progress(2, 9), 120, 100), Loan::From(220));
        // All of those nine were taken: who waits now came later.
        assert_eq!(watch.look(progress(9, 12), 215, 100), Loan::From(315));
        assert_eq!(watch.look(progress(12, 12), 400, 100), Loan::Nothing);
        assert_eq!(watch.look(progress(12, 13), 500, 100), Loan::From(600));
    }

    #[test]
    fn patience_of_nothing_and_patience_without_end() {
        let watch = Watch::default();
        assert_eq!(watch.look(progress(3, 4), 7, 0), Loan::Due);
        assert_eq!(watch.look(progress(3, 4), u64::MAX - 1, u64::MAX), Loan::From(u64::MAX));
    }

    #[test]
    fn the_counters_may_come_round() {
        let watch = Watch::default();
        assert_eq!(watch.look(progress(usize::MAX - 1, 1), 0, 100), Loan::From(100));
        assert_eq!(watch.look(progress(0, 1), 100, 100), Loan::Due);
        assert_eq!(watch.look(progress(1, 5), 100, 100), Loan::From(200));
    }
}
