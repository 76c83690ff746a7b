//! A run queue that may grow when it is full: vertically, by a ring twice as large, or horizontally, by one more ring beside the others.
//!
//! # States
//! The first ring is there from the beginning; `more` has a place for each further one, filled in their order and never emptied before the
//! queue goes. *Vertically* each new ring has twice the size of the one before, producers go to the newest alone, and consumers begin
//! with the oldest: an older ring, once empty, stays so but for producers that were on their way to it. *Horizontally* all rings
//! have one size, and producers and consumers begin with whichever has the turn.
//!
//! # Who writes what
//! | word | producer | consumer |
//! |---|---|---|
//! | a place in `more` | from nothing to a ring, once, by compare-and-exchange; who comes second throws its ring away | never |
//! | a ring | as in [`queue`](super::queue) | as there |
//!
//! # What would break a naive version
//! 1. *Two grow at once.* Both find the queue full and both put a ring in the same place; what lies in the ring that is overwritten is
//!    gone. So the place is filled by an exchange that only one of them wins, and nothing is pushed into a ring before it has a place.
//! 2. *The ring that is left behind.* A consumer that goes to the newest ring, because the others were empty when it looked last, does
//!    not see the push that was on its way to an older one. So every look goes through all rings.
//! 3. *The sleeper that does not know the ring.* A worker looks at every ring after its fence; the producer fills the place before it
//!    pushes, hence before the fence of its notification. Whoever is bound to see the element is bound to see the ring. A producer that
//!    pushes into another's ring has read the place before its fence, and coherence does the same.
//!
//! # Order
//! Vertically: nearly first in, first out. If the push of `x` happens before the push of `y`, then the ring that `y`'s producer takes for
//! the newest is that of `x` or a newer one; within a ring the ring's order holds, and a look that begins after `x` is there finds it
//! in the older ring, or nothing there because it is gone. So `x` is overtaken only by looks that had passed its ring when it came: by
//! one element for each consumer that was in the middle of a look, at most. Horizontally: within a ring only.
//!
//! # Limits
//! A ring may look full for a moment although it is not (see [`queue`](super::queue)); then the queue grows once more than it must. The
//! sizes of the older rings sum to less than that of the newest, vertically. No memory to grow is the same as no room.
//!
//! Models: `verification/loom/run_queue.rs`.

use super::CacheLine;
use super::queue::Shard;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, Array, Owned};
use crate::sync::{AtomicPtr, Hint, RELAXED, Tracked, ordering_sites};
use core::iter;
use core::ptr::{self, NonNull};

ordering_sites! {
    "run_queue":
    GROW = Release: "pairs with FIND: the ring is made before another thread can find it";
    FIND = Acquire: "pairs with GROW";
}

/// The most rings of a queue that grows horizontally.
const MOST_RINGS: usize = 64;

/// How a run queue grows that is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Growth {
    /// It doubles: a ring twice as large takes what comes from now on, and the older ones are emptied first. The default.
    #[default]
    Vertical,
    /// It gets one more ring of the same size, so that several threads take from it at once; its order is lost.
    Horizontal,
}

#[derive(Debug)]
struct Ring<T> {
    shard: Shard<T>,
    /// Read by everybody who finds the ring, so that the checkers see one that is found before it was made.
    made: Tracked<usize>,
}

/// The queue.
#[derive(Debug)]
pub struct RunQueue<T> {
    first: Shard<T>,
    more: Array<AtomicPtr<Ring<T>>>,
    growth: Growth,
    allocator: Allocator,
    /// Where the next push begins, where rings have turns.
    next: CacheLine<Hint>,
}

// SAFETY: elements are pointers that change threads; what they point to is the business of whoever pushes them.
unsafe impl<T> Send for RunQueue<T> {}
// SAFETY: as above; rings are found by all and freed by the queue's owner alone.
unsafe impl<T> Sync for RunQueue<T> {}

impl<T> RunQueue<T> {
    /// An empty queue for `capacity` elements that grows up to `limit`; both are powers of two, and at least 2.
    pub fn new(allocator: Allocator, capacity: usize, limit: usize, growth: Growth) -> Result<RunQueue<T>> {
        let more = Self::rings_beyond_first(capacity, limit, growth)?;
        let first = Shard::new(allocator, capacity)?;
        let more = Array::from_fn(allocator, more, |_| Ok(AtomicPtr::new(ptr::null_mut())))?;
        Ok(RunQueue { first, more, growth, allocator, next: CacheLine(Hint::new(0)) })
    }

    /// How many rings such a queue may come to have besides its first. Errors are those of [`new`](Self::new) that no memory has a part in.
    pub fn rings_beyond_first(capacity: usize, limit: usize, growth: Growth) -> Result<usize> {
        if !capacity.is_power_of_two() || !limit.is_power_of_two() || limit < capacity {
            return Err(error!(
                InvalidArgument,
                "a queue of {capacity} to {limit} elements was asked for; both must be powers of two, the first not above the second"
            ));
        }
        let more = match growth {
            Growth::Vertical => (limit / capacity).ilog2() as usize,
            Growth::Horizontal => limit / capacity - 1,
        };
        if growth == Growth::Horizontal && more >= MOST_RINGS {
            return Err(error!(
                InvalidArgument,
                "a queue was to grow from {capacity} to {limit} elements horizontally, by {more} rings; the most is {}. Begin with a larger one",
                MOST_RINGS - 1
            ));
        }
        Ok(more)
    }

    /// How many elements there is room for before it grows.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.first.capacity()
    }

    /// All rings, the oldest first.
    #[inline]
    fn rings(&self) -> impl Iterator<Item = &Shard<T>> {
        let more = self.more.iter().map_while(|place| {
            // SAFETY: a ring that has a place stays until the queue is dropped.
            let ring = unsafe { place.load(site::FIND).as_ref() }?;
            ring.made.get();
            Some(&ring.shard)
        });
        iter::once(&self.first).chain(more)
    }

    /// The rings, beginning with the one that has this turn.
    fn in_turn(&self, turn: usize) -> impl Iterator<Item = &Shard<T>> {
        let count = self.rings().count();
        let start = turn % count;
        self.rings().skip(start).chain(self.rings().take(start))
    }

    /// Adds an element; hands it back when there is no room, and none can be had.
    #[inline]
    pub fn push(&self, element: NonNull<T>) -> core::result::Result<(), NonNull<T>> {
        if self.more.is_empty() {
            return self.first.push(element);
        }
        if self.push_growing(&[element]) == 1 { Ok(()) } else { Err(element) }
    }

    /// Adds the first elements, as many as there is room for, and says how many.
    #[inline]
    pub fn push_many(&self, elements: &[NonNull<T>]) -> usize {
        if self.more.is_empty() {
            return self.first.push_many(elements);
        }
        self.push_growing(elements)
    }

    fn push_growing(&self, elements: &[NonNull<T>]) -> usize {
        let mut pushed = 0;
        loop {
            let rings = self.rings().count();
            match self.growth {
                Growth::Vertical => {
                    let newest = self.rings().last().unwrap_or(&self.first);
                    pushed += newest.push_many(&elements[pushed..]);
                }
                Growth::Horizontal => {
                    for ring in self.in_turn(self.next.advance() as usize) {
                        pushed += ring.push_many(&elements[pushed..]);
                    }
                }
            }
            if pushed == elements.len() || !self.grow(rings) {
                return pushed;
            }
        }
    }

    /// Sees to it that there are more than so many rings. False when there may not be more, or there is no memory.
    #[cold]
    fn grow(&self, rings: usize) -> bool {
        let Some(place) = self.more.get(rings - 1) else { return false };
        let capacity = match self.growth {
            Growth::Vertical => self.capacity() << rings,
            Growth::Horizontal => self.capacity(),
        };
        let ring = Shard::new(self.allocator, capacity)
            .and_then(|shard| Owned::new(self.allocator, Ring { shard, made: Tracked::new(capacity) }));
        let Ok(ring) = ring else { return false };
        let ring = Owned::into_raw(ring);
        if place.compare_exchange(ptr::null_mut(), ring.as_ptr(), site::GROW).is_err() {
            // SAFETY: it has no place, so nobody else knows it.
            drop(unsafe { Owned::from_raw(self.allocator, ring) });
        }
        true
    }

    /// Takes an element: the oldest, or, of a queue that has grown horizontally, the oldest of the ring whose turn it is or the next. Who comes
    /// with another turn each time passes no ring over for long.
    #[inline]
    pub fn pop(&self, turn: usize) -> Option<NonNull<T>> {
        if self.more.is_empty() {
            return self.first.pop();
        }
        match self.growth {
            Growth::Vertical => self.rings().find_map(Shard::pop),
            Growth::Horizontal => self.in_turn(turn).find_map(Shard::pop),
        }
    }

    /// Whether an element is ready to be taken. After a fence that pairs with the producer's, a finished push is not missed.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.rings().any(Shard::has_work)
    }

    /// How many elements were taken since the beginning, and how many pushed; see [`Shard::counts`].
    pub fn counts(&self) -> (usize, usize) {
        self.rings()
            .map(Shard::counts)
            .fold((0, 0), |sum, ring| (sum.0.wrapping_add(ring.0), sum.1.wrapping_add(ring.1)))
    }

    /// How many elements there seem to be.
    pub fn len(&self) -> usize {
        self.rings().map(Shard::len).sum()
    }

    /// Whether there seems to be no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for RunQueue<T> {
    fn drop(&mut self) {
        for place in self.more.iter() {
            if let Some(ring) = NonNull::new(place.load(RELAXED)) {
                // SAFETY: nobody else has the queue any more, and each ring has one place.
                drop(unsafe { Owned::from_raw(self.allocator, ring) });
            }
        }
    }
}
