//! Shedding: a worker with too much to do moves some of it to a queue for all, while somebody is idle.
//!
//! In a pool that sheds, a worker that has just taken a task from its own shard, and is about to be busy, looks at what is left there. If
//! somebody is idle, and the backlog is longer than a bound, or has waited longer than another, half of it goes to the queue for all
//! ([`shedding`](crate::protocol::shedding)). Idle workers begin there. To other workers' shards they go only when a whole
//! search, of 60 us, has found nothing: that is the rescue of those whose worker is held up by one long task and cannot shed.
//!
//! How long a task has waited is known as it is for [reserved workers](super::reserve), by a note of how many had come, and when.
//!
//! # Both bounds adapt
//! They begin at a length of 4 tasks and an age of 100 us. Each worker has its own, and asks of what it has shed what became of it:
//! - at its next look the queue for all is empty: others wanted it, so it may shed sooner. Both bounds fall by half, to 1 task and 10 us at the
//!   least.
//! - it comes to take from the queue for all itself, since its own shard ran empty: nobody wanted it in time. Both bounds double, to 1024 tasks and
//!   10 ms at the most.

use super::inbox::Destination;
use super::options::Priority;
use super::reserve::{Loan, Progress, Watch};
use super::worker::Worker;
use crate::os::clock;
use crate::sync::IS_CHECKED;
use core::cell::Cell;
use core::ops::RangeInclusive;

const LENGTHS: RangeInclusive<usize> = 1..=1024;
const AGES_NS: RangeInclusive<u64> = 10_000..=10_000_000;

/// A worker's bounds, and what it knows about its backlog.
#[derive(Debug)]
pub(super) struct Bounds {
    length: Cell<usize>,
    age_ns: Cell<u64>,
    watch: Watch,
    /// Whether it has shed and has not heard what became of it.
    asks: Cell<bool>,
}

impl Bounds {
    pub(super) fn new() -> Bounds {
        let length = if IS_CHECKED { 0 } else { 4 };
        Bounds {
            length: Cell::new(length),
            age_ns: Cell::new(100_000),
            watch: Watch::default(),
            asks: Cell::new(false),
        }
    }

    /// What was shed last was wanted by others, if there was something.
    fn fall(&self) {
        if self.asks.take() {
            self.set(self.length.get() / 2, self.age_ns.get() / 2);
        }
    }

    /// Nobody else wanted it.
    fn rise(&self) {
        if self.asks.take() {
            self.set(self.length.get() * 2, self.age_ns.get() * 2);
        }
    }

    fn set(&self, length: usize, age_ns: u64) {
        self.length.set(length.clamp(*LENGTHS.start(), *LENGTHS.end()));
        self.age_ns.set(age_ns.clamp(*AGES_NS.start(), *AGES_NS.end()));
    }

    /// How many tasks to shed.
    fn excess(&self, progress: Progress, now_ns: u64) -> usize {
        let length = progress.pushed.wrapping_sub(progress.taken);
        let is_old = self.watch.look(progress, now_ns, self.age_ns.get()) == Loan::Due;
        if is_old || length > self.length.get() { length.div_ceil(2) } else { 0 }
    }
}

impl Worker {
    /// Looks at what is left in its shard, and sheds some of it if that is too much and somebody is idle.
    #[cold]
    pub(super) fn shed(&self) {
        let (core, bounds) = (self.core(), self.bounds());
        if !core.inbox().has_shed() {
            bounds.fall();
        }
        let progress = core.inbox().progress_of(self.index(), Priority::Normal);
        if progress.pushed == progress.taken {
            return;
        }
        let excess = bounds.excess(progress, clock::monotonic_ns());
        if excess == 0 || core.sleep().idle() == 0 {
            return;
        }
        let moved = core.inbox().shed(self.index(), excess);
        if moved != 0 {
            bounds.asks.set(true);
            core.announce(Destination::USUAL, self.index(), || self.index() + 1, moved);
        }
    }

    /// It has taken a task from the queue for all.
    pub(super) fn took_shed(&self) {
        self.bounds().rise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(length: usize) -> Progress {
        Progress { taken: 100, pushed: 100 + length }
    }

    #[test]
    fn half_of_what_is_too_long_or_too_old_is_shed() {
        if IS_CHECKED {
            return;
        }
        let bounds = Bounds::new();
        assert_eq!((bounds.excess(backlog(4), 0), bounds.excess(backlog(5), 1)), (0, 3));
        // The note is of the first look.
        assert_eq!((bounds.excess(backlog(1), 99_999), bounds.excess(backlog(1), 100_000)), (0, 1));
        // Those are gone; the next have just come.
        let later = Progress { taken: 105, pushed: 107 };
        assert_eq!((bounds.excess(later, 100_001), bounds.excess(later, 200_001)), (0, 1));
    }

    #[test]
    fn the_bounds_follow_what_became_of_what_was_shed() {
        if IS_CHECKED {
            return;
        }
        let bounds = Bounds::new();
        let shed = |heard: fn(&Bounds), times: usize| {
            for _ in 0..times {
                bounds.asks.set(true);
                heard(&bounds);
            }
            (bounds.length.get(), bounds.age_ns.get())
        };
        assert_eq!(shed(Bounds::fall, 1), (2, 50_000));
        assert_eq!(shed(Bounds::fall, 9), (1, 10_000));
        assert_eq!(shed(Bounds::rise, 3), (8, 80_000));
        assert_eq!(shed(Bounds::rise, 20), (1024, 10_000_000));
        // Once for each time.
        bounds.fall();
        assert_eq!(bounds.length.get(), 1024);
    }
}
