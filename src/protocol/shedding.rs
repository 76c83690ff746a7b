//! A queue for all, into which a loaded worker sheds what it has too much of while somebody is idle.
//!
//! # States
//! The queue is a [`Dealt`] one: whoever is idle takes from it, the oldest first within the bound stated there. `held` counts
//! the places that are taken: each was reserved before its element was moved, and is given back after the element has left.
//!
//! # The steps
//! | a worker that sheds | a worker that is idle |
//! |---|---|
//! | 1. reserve a place; none left? done | 1. pop an element |
//! | 2. take the oldest element of its own queue; none there? give the place back, done | 2. give the place back |
//! | 3. push it here | |
//! | 4. again, as often as it likes; then tell the sleepers | |
//!
//! # What would break a naive version
//! 1. *The element that fits nowhere.* A worker takes an element out and finds this queue full, and its own too, since others have pushed
//!    there meanwhile. It may neither drop it nor wait: if all workers stand there with an element each, nobody empties a queue. So the
//!    place is reserved first. A place that is reserved is there: shards may look full for a moment, as long as a taker that has
//!    claimed a slot has not emptied it, and that one waits for nobody.
//! 2. *The element between two queues.* In the middle of the move it is in neither. A worker that looks at both just then may go to sleep. So the
//!    sleepers are told after the push, which is a publication like any other ([`event_count`](super::event_count)).
//!
//! # What is promised
//! Each element moved is taken once, here. No call waits for another thread but for one in the middle of a step. `held` orders nothing: an
//! element's contents pass through the turns of the two queues' slots. So there is no ordering here.
//!
//! Models: `verification/loom/shedding.rs`.

use super::CacheLine;
use super::run_queue::RunQueue;
use super::sharded::Dealt;
use crate::error::Result;
use crate::os::alloc::Allocator;
use crate::sync::{AtomicUsize, RELAXED, spin_loop};
use core::ptr::NonNull;

/// The queue for all.
#[derive(Debug)]
pub struct ShedQueue<T> {
    queue: Dealt<T>,
    held: CacheLine<AtomicUsize>,
    places: usize,
}

impl<T> ShedQueue<T> {
    /// An empty one, of so many shards, at least one, with so many places each, a power of two and at least 2.
    pub fn new(allocator: Allocator, shards: usize, places: usize) -> Result<ShedQueue<T>> {
        Ok(ShedQueue {
            queue: Dealt::new(allocator, shards, places)?,
            held: CacheLine(AtomicUsize::new(0)),
            places: shards.max(1) * places,
        })
    }

    /// Moves up to so many elements here, the oldest first, and says how many. The caller tells the sleepers.
    pub fn shed(&self, from: &RunQueue<T>, turn: usize, most: usize) -> usize {
        let mut moved = 0;
        while moved < most && self.reserve() {
            let Some(element) = from.pop(turn) else {
                self.held.fetch_sub(1, RELAXED);
                break;
            };
            while self.queue.push(element).is_err() {
                spin_loop();
            }
            moved += 1;
        }
        moved
    }

    fn reserve(&self) -> bool {
        if self.held.fetch_add(1, RELAXED) < self.places {
            return true;
        }
        self.held.fetch_sub(1, RELAXED);
        false
    }

    /// Takes an element, the oldest or nearly.
    #[inline]
    pub fn pop(&self) -> Option<NonNull<T>> {
        if self.is_empty() {
            return None;
        }
        let element = self.queue.pop()?;
        self.held.fetch_sub(1, RELAXED);
        Some(element)
    }

    /// Whether an element is ready to be taken. After a fence that pairs with the shedder's, a finished move is not missed.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.queue.has_work()
    }

    /// Whether there seems to be nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.held.load(RELAXED) == 0
    }

    /// How many elements were taken since the beginning, and how many pushed; see [`Shard::counts`](super::queue::Shard::counts).
    pub fn counts(&self) -> (usize, usize) {
        self.queue.counts()
    }
}
