//! Queues of several shards, of which each thread is served best by its own.
//!
//! A [`ShardedQueue`] has a home for each thread, which goes on to the other shards when that one is full or empty. Order is that of a shard
//! ([`run_queue`](super::run_queue)), and across shards there is none. In a [`Dealt`] queue the shards have their turns, and there is this:
//!
//! # How far a dealt queue departs from first in, first out
//! A [`Dealt`] queue gives each push the next shard in turn, and each look for an element too, by two counters that never skip.
//! Let there be `S` shards, at most `P` threads in the middle of a push and `C` in the middle of a pop at a time, and no shard full.
//! Let `x` be an element whose push has ended, and `w` the number of looks which came to nothing in `x`'s shard, since that shard was last
//! empty and until `x` left it, because the foremost push there was under way. An element leaves when its number is claimed.
//!
//! **At most `(S - 1) (2 P + 3 C + 2 + w) + C` elements whose push began after `x`'s had ended leave before `x`;
//! none at all if `S` is 1.** How long the queue is does not matter.
//!
//! *Proof.* Call `x`'s shard A, another one B, and the end of `x`'s push T. A number was dealt to each shard in turn, so in any period the
//! pushes begun at A and at B differ by at most 1, and so do the looks.
//!
//! 1. *At T, A is not much longer than B.* Take the period from when A was last empty up to T. What came into A was dealt to it
//!    in the period, or before by one of the at most `P` pushes then under way; what was dealt to B in the period has come in but for at
//!    most `P`. So B got at least as many as A, less `2 P + 1`. A was never empty, so each look at A took an element but for those not yet
//!    at an end, at most `C`, and for those that count in `w`; from B there went at most one for each look, and one more for each of the at most
//!    `C` under way at the beginning. So from B there went at most as many as from A and `2 C + 1 + w`. Hence B's length is at least
//!    A's less `2 P + 2 C + 2 + w`.
//! 2. *From T until `x` leaves.* At most as many elements leave A before `x` as stood before it, which is A's length at T less 1; so at most as
//!    many looks at A were begun in that time, and `C` more that have not ended, and those of `w`. B had one look more at most, and those under
//!    way at T, which are at most `C` for all shards together. What came into B after T is behind all that stood there at T. So of the
//!    elements of B that leave in that time, those that came after T are at most A's length less 1, plus `C + w + 1`, less B's
//!    length, plus B's part of `C`. Put 1 in, of whose `w` those before T count there and those after T here: at most
//!    `2 P + 3 C + 2 + w` and B's part. There are `S - 1` such shards. ∎
//!
//! A thread that the system stops between its claim and its store makes `w` grow, and that alone; a lock would make everybody wait
//! for it instead. Nothing is random, and every count is one that can be counted. The bound is not tight: with two shards and two
//! producers and consumers, where it says 14, no interleaving of rings of three overtakes by more than 4.
//!
//! Nothing here is atomic but the two counters of a dealt queue, which order nothing; what can be lost or taken twice is the shards'
//! business. Models: `verification/loom/queue.rs`; of the order `verification/sequential/overtaking.rs`, which walks through all
//! interleavings of a machine that does what this does.

use super::CacheLine;
use super::queue::Shard;
use super::run_queue::{Growth, RunQueue};
use crate::error::Result;
use crate::os::alloc::{Allocator, Array};
use crate::sync::{AtomicUsize, RELAXED};
use core::ptr::NonNull;

/// Several run queues; a producer or consumer starts at its home shard and goes on to the others.
#[derive(Debug)]
pub struct ShardedQueue<T> {
    shards: Array<RunQueue<T>>,
}

impl<T> ShardedQueue<T> {
    /// `shards` queues, at least one, of `capacity` elements each.
    pub fn new(allocator: Allocator, shards: usize, capacity: usize) -> Result<ShardedQueue<T>> {
        ShardedQueue::growing(allocator, shards, capacity, capacity, Growth::default())
    }

    /// As [`new`](Self::new), of shards that grow up to `limit` elements each.
    pub fn growing(
        allocator: Allocator,
        shards: usize,
        capacity: usize,
        limit: usize,
        growth: Growth,
    ) -> Result<ShardedQueue<T>> {
        let shard = |_| RunQueue::new(allocator, capacity, limit, growth);
        Ok(ShardedQueue { shards: Array::from_fn(allocator, shards.max(1), shard)? })
    }

    /// How many elements there is room for in a shard that has not grown.
    pub fn capacity(&self) -> usize {
        self.shards[0].capacity()
    }

    /// One of the shards.
    #[inline]
    pub fn shard(&self, shard: usize) -> &RunQueue<T> {
        &self.shards[shard]
    }

    fn starting_at(&self, home: usize) -> impl Iterator<Item = &RunQueue<T>> {
        let start = home % self.shards.len();
        self.shards[start..].iter().chain(&self.shards[..start])
    }

    /// Adds an element to the home shard, or to the next that has room; hands it back when all are full.
    #[inline]
    pub fn push(&self, home: usize, element: NonNull<T>) -> core::result::Result<(), NonNull<T>> {
        self.starting_at(home).find_map(|shard| shard.push(element).ok()).ok_or(element)
    }

    /// Adds elements to the home shard, and what finds no room there to the next; says how many came in, the first ones.
    #[inline]
    pub fn push_many(&self, home: usize, elements: &[NonNull<T>]) -> usize {
        let mut pushed = 0;
        for shard in self.starting_at(home) {
            pushed += shard.push_many(&elements[pushed..]);
            if pushed == elements.len() {
                break;
            }
        }
        pushed
    }

    /// Takes an element of the home shard, or of the next that has one.
    #[inline]
    pub fn pop(&self, home: usize) -> Option<NonNull<T>> {
        self.starting_at(home).find_map(|shard| shard.pop(home))
    }

    /// Whether any shard has an element ready; see [`Shard::has_work`].
    #[inline]
    pub fn has_work(&self) -> bool {
        self.shards.iter().any(RunQueue::has_work)
    }
}

/// A sharded queue whose shards have their turns, so that no element is passed over for long: see the bound in the module's text.
///
/// The counters order nothing and are not looked at to find out whether there is work, so no schedule of them can lose an element.
#[derive(Debug)]
pub struct Dealt<T> {
    shards: Array<Shard<T>>,
    pushes: CacheLine<AtomicUsize>,
    looks: CacheLine<AtomicUsize>,
}

impl<T> Dealt<T> {
    /// `shards` rings, at least one, of `capacity` elements each, a power of two and at least 2.
    pub fn new(allocator: Allocator, shards: usize, capacity: usize) -> Result<Dealt<T>> {
        Ok(Dealt {
            shards: Array::from_fn(allocator, shards.max(1), |_| Shard::new(allocator, capacity))?,
            pushes: CacheLine(AtomicUsize::new(0)),
            looks: CacheLine(AtomicUsize::new(0)),
        })
    }

    /// The shards that have the next turns, as many as there are.
    fn turns<'q>(&'q self, counter: &'q AtomicUsize) -> impl Iterator<Item = &'q Shard<T>> {
        let shards = &self.shards;
        (0..shards.len()).map(move |_| &shards[counter.fetch_add(1, RELAXED) % shards.len()])
    }

    /// Adds an element to the shard whose turn it is, or, if that is full, to the next; hands it back when none had room.
    #[inline]
    pub fn push(&self, element: NonNull<T>) -> core::result::Result<(), NonNull<T>> {
        self.turns(&self.pushes).find_map(|shard| shard.push(element).ok()).ok_or(element)
    }

    /// Takes the oldest element of the shard whose turn it is, or, if there is none, of the next. `None` is about the past, as it is for
    /// a shard: other threads may have had the turns in between.
    #[inline]
    pub fn pop(&self) -> Option<NonNull<T>> {
        self.turns(&self.looks).find_map(Shard::pop)
    }

    /// Whether any shard has an element ready; see [`Shard::has_work`].
    #[inline]
    pub fn has_work(&self) -> bool {
        self.shards.iter().any(Shard::has_work)
    }

    /// How many elements were taken since the beginning, and how many pushed; see [`Shard::counts`].
    pub fn counts(&self) -> (usize, usize) {
        let counts = self.shards.iter().map(Shard::counts);
        counts.fold((0, 0), |sum, shard| (sum.0.wrapping_add(shard.0), sum.1.wrapping_add(shard.1)))
    }
}
