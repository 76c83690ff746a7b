//! Queues of several ranks: the lanes of an inbox, one sharded queue for each priority.
//!
//! # States
//! Each lane is a [`ShardedQueue`]. The word `open` has a bit for each lane that was ever used, and from the beginning for the usual
//! one; it is never cleared. A lane that
//! is not open is not looked at, so that priorities cost those nothing who use one.
//!
//! # Who writes what
//! | word | producer | consumer |
//! |---|---|---|
//! | `open` | sets the lane's bit, unless it sees it set, before it pushes | never |
//! | the lane | pushes | pops |
//!
//! # What would break a naive version
//! 1. *The lane that nobody knows.* A producer that pushes, notifies, and opens the lane last: the worker that it woke, or that looked
//!    once more before going to sleep, finds nothing, and sleeps on the task. The bit is set before the push, hence before
//!    the notifier's fence, and looked for after the sleeper's: whoever is bound to see the task is bound to see the bit.
//! 2. *The bit that somebody else has set.* A producer that sees the bit does not set it. The sleeper sees it nevertheless: were it to
//!    read the older word after its fence, that read would come before the producer's in the order of that one word, so the
//!    sleeper's fence before the producer's fence, and then the sleeper's announcement is what the producer sees.
//!
//! Hence no ordering: the fences of [`event_count`](super::event_count) carry both. Models: `verification/loom/lanes.rs`.

use super::CacheLine;
use super::sharded::ShardedQueue;
use crate::error::Result;
use crate::os::alloc::{Allocator, Array};
use crate::sync::{AtomicUsize, RELAXED};
use core::ptr::NonNull;

/// A sharded queue for each rank.
#[derive(Debug)]
pub struct Lanes<T> {
    open: CacheLine<AtomicUsize>,
    /// The one lane that is open from the beginning.
    usual: usize,
    queues: Array<ShardedQueue<T>>,
}

/// A set of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSet(usize);

impl LaneSet {
    /// Whether none is in it.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[inline]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Those of both sets.
    #[inline]
    pub fn union(self, other: LaneSet) -> LaneSet {
        LaneSet(self.0 | other.0)
    }

    /// The lanes below this one, and the others as if they were counted from it.
    #[inline]
    pub fn split(self, lane: usize) -> (LaneSet, LaneSet) {
        (LaneSet(self.0 & ((1 << lane) - 1)), LaneSet(self.0 >> lane))
    }

    /// Those from this one on.
    #[inline]
    pub fn from(self, lane: usize) -> LaneSet {
        LaneSet(self.0 & (usize::MAX << lane))
    }

    /// The `n`th lane of the set, from the least urgent and counted around.
    pub fn nth(self, n: usize) -> Option<usize> {
        let place = n.checked_rem(self.len())?;
        self.rising().nth(place)
    }

    /// Its lanes, the least urgent first.
    pub fn rising(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let lane = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (lane != usize::BITS).then_some(lane as usize)
        })
    }

    /// Its lanes, the most urgent first.
    #[inline]
    pub fn falling(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let lane = left.checked_ilog2()?;
            left &= !(1 << lane);
            Some(lane as usize)
        })
    }
}

impl<T> Lanes<T> {
    /// So many lanes, at most as many as a word has bits, each with a queue of its own kind. One is open from the beginning.
    pub fn new(
        allocator: Allocator,
        lanes: usize,
        usual: usize,
        queue: impl FnMut(usize) -> Result<ShardedQueue<T>>,
    ) -> Result<Lanes<T>> {
        debug_assert!(lanes < usize::BITS as usize);
        Ok(Lanes {
            open: CacheLine(AtomicUsize::new(1 << usual)),
            usual,
            queues: Array::from_fn(allocator, lanes, queue)?,
        })
    }

    /// The lanes that were ever used. Together with a fence, see the module's text: who must not miss an element asks after it
    /// for [`has_work`](ShardedQueue::has_work) in each of these.
    #[inline]
    pub fn open_lanes(&self) -> LaneSet {
        LaneSet(self.open.load(RELAXED))
    }

    /// A lane to push into.
    #[inline]
    pub fn open(&self, lane: usize) -> &ShardedQueue<T> {
        if lane != self.usual && self.open.load(RELAXED) & 1 << lane == 0 {
            self.open.fetch_or(1 << lane, RELAXED);
        }
        &self.queues[lane]
    }

    /// A lane to pop from.
    #[inline]
    pub fn lane(&self, lane: usize) -> &ShardedQueue<T> {
        &self.queues[lane]
    }

    /// Takes any element.
    pub fn pop_any(&self) -> Option<NonNull<T>> {
        self.open_lanes().falling().find_map(|lane| self.queues[lane].pop(0))
    }
}
