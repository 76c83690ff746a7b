//! A bounded queue with many producers and many consumers, split into shards: the inbox of a pool.
//!
//! # States
//! A shard is a ring of slots. `tail` counts pushes begun, `head` pops begun. Slot `i & mask` carries a `turn`: `i` means
//! free for push number `i`, `i + 1` means filled by push number `i`, and `i + capacity` means emptied by pop number `i`,
//! which is the same as free for the push of the next lap.
//!
//! # Who writes what
//! | word | producer | consumer |
//! |---|---|---|
//! | `tail` | claims a push, or several in a row, by compare-and-exchange | never |
//! | `head` | never | claims a pop by compare-and-exchange |
//! | slot value | the producer that claimed the push | never |
//! | slot turn | `i + 1` after the value is written | `i + capacity` after the value is read |
//!
//! # What would break a naive version
//! With counters alone, a consumer may claim a slot whose producer has claimed but not yet written it, and a producer may
//! overwrite a slot whose consumer has claimed but not yet read it. The turn hands each slot back and forth; both sides
//! read it before they claim, and each hands it over with a release that the other acquires.
//!
//! # Why each element is taken exactly once
//! `tail` takes each value once, so each push number belongs to one producer, and the same holds for `head`. Push `i`
//! proceeds only when the turn says `i`, which pop `i - capacity` wrote last; pop `i` only when it says `i + 1`, which
//! push `i` wrote. The turns are full words: to mistake one lap for another, a thread would have to sleep through 2^64
//! pushes.
//!
//! A producer with many elements claims as many numbers as it has found free slots for, one after the other. Slot `i` that is
//! free for push `i` cannot change until that push, which is nobody's before `tail` has passed `i`; so if the exchange finds
//! `tail` where it was, all of them are free still.
//!
//! # What it does not promise
//! A push that has claimed its number but not written its slot hides the pushes after it in the same shard. It holds up
//! nobody for good: its producer publishes the slot and only then notifies, so whoever went to sleep meanwhile is woken.
//! In the same way a pop that has claimed its number but not emptied its slot makes the ring look full to the push of the
//! next lap, even when the slots after it are free. And since the counters order nothing, "empty" and "full" are about the
//! past: a consumer that finds nothing may have seen `head` move without the element behind it. Who must not miss an
//! element asks [`Shard::has_work`] after a fence.
//! Order is first in, first out within a shard. Across shards there is none where each thread goes to the shards as it likes
//! ([`ShardedQueue::push`], [`ShardedQueue::pop`]); where shards have their turns ([`Dealt`]) there is this:
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
//! # References
//! D. Vyukov, *Bounded MPMC queue*, 1024cores. Models: `verification/loom/queue.rs`, `verification/shuttle/queue.rs`; of the order
//! `verification/sequential/overtaking.rs`, which walks through all interleavings of a machine that does what this does.

use super::CacheLine;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, Array};
use crate::sync::{AtomicPtr, AtomicUsize, RELAXED, SlotOracle, ordering_sites};
use core::ptr::{self, NonNull};

ordering_sites! {
    "queue":
    PUSH_TURN = Acquire: "pairs with POP_TURN_DONE: the value of the last lap has been read before it is overwritten";
    PUSH_TURN_DONE = Release: "pairs with POP_TURN: the value, and the task behind it, are written before they can be taken";
    POP_TURN = Acquire: "pairs with PUSH_TURN_DONE";
    POP_TURN_DONE = Release: "pairs with PUSH_TURN";
}

#[derive(Debug)]
struct Slot<T> {
    turn: AtomicUsize,
    value: AtomicPtr<T>,
    oracle: SlotOracle,
}

/// One ring: first in, first out.
#[derive(Debug)]
pub struct Shard<T> {
    tail: CacheLine<AtomicUsize>,
    head: CacheLine<AtomicUsize>,
    slots: Array<Slot<T>>,
    mask: usize,
}

// SAFETY: elements are pointers that change threads; what they point to is the business of whoever pushes them.
unsafe impl<T> Send for Shard<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shard<T> {}

impl<T> Shard<T> {
    /// An empty ring for `capacity` elements, a power of two and at least 2.
    pub fn new(allocator: Allocator, capacity: usize) -> Result<Shard<T>> {
        if capacity < 2 || !capacity.is_power_of_two() {
            return Err(error!(
                InvalidArgument,
                "a queue of {capacity} elements was asked for; the number must be a power of two and at least 2"
            ));
        }
        let slots = Array::from_fn(allocator, capacity, |i| {
            Ok(Slot { turn: AtomicUsize::new(i), value: AtomicPtr::new(ptr::null_mut()), oracle: SlotOracle::new() })
        })?;
        Ok(Shard {
            tail: CacheLine(AtomicUsize::new(0)),
            head: CacheLine(AtomicUsize::new(0)),
            slots,
            mask: capacity - 1,
        })
    }

    #[inline(always)]
    fn slot(&self, number: usize) -> &Slot<T> {
        // SAFETY: `mask` is the number of slots less one, and that number is a power of two.
        unsafe { self.slots.get_unchecked(number & self.mask) }
    }

    /// Adds an element; hands it back when the ring is full.
    #[inline]
    pub fn push(&self, element: NonNull<T>) -> core::result::Result<(), NonNull<T>> {
        let mut number = self.tail.load(RELAXED);
        loop {
            let slot = self.slot(number);
            let turn = slot.turn.load(site::PUSH_TURN);
            let ahead = turn.wrapping_sub(number) as isize;
            if ahead == 0 {
                if self.tail.compare_exchange_weak(number, number.wrapping_add(1), RELAXED).is_ok() {
                    slot.oracle.overwrite();
                    slot.value.store(element.as_ptr(), RELAXED);
                    slot.turn.store(number.wrapping_add(1), site::PUSH_TURN_DONE);
                    return Ok(());
                }
            } else if ahead < 0 {
                return Err(element);
            }
            number = self.tail.load(RELAXED);
        }
    }

    /// Adds the first elements, as many as there is room for, claiming their numbers together; says how many.
    #[inline]
    pub fn push_many(&self, elements: &[NonNull<T>]) -> usize {
        let mut number = self.tail.load(RELAXED);
        while !elements.is_empty() {
            // A slot that is free for a push stays so until that push: free slots once counted need no second look.
            let mut free = 0;
            let mut ahead = 0;
            while free < elements.len() {
                let turn = self.slot(number.wrapping_add(free)).turn.load(site::PUSH_TURN);
                ahead = turn.wrapping_sub(number.wrapping_add(free)) as isize;
                if ahead != 0 {
                    break;
                }
                free += 1;
            }
            if free == 0 && ahead < 0 {
                break;
            }
            if free != 0 && self.tail.compare_exchange_weak(number, number.wrapping_add(free), RELAXED).is_ok() {
                for (i, element) in elements[..free].iter().enumerate() {
                    let number = number.wrapping_add(i);
                    let slot = self.slot(number);
                    slot.oracle.overwrite();
                    slot.value.store(element.as_ptr(), RELAXED);
                    slot.turn.store(number.wrapping_add(1), site::PUSH_TURN_DONE);
                }
                return free;
            }
            number = self.tail.load(RELAXED);
        }
        0
    }

    /// Takes the oldest element.
    #[inline]
    pub fn pop(&self) -> Option<NonNull<T>> {
        let mut number = self.head.load(RELAXED);
        loop {
            let slot = self.slot(number);
            let turn = slot.turn.load(site::POP_TURN);
            let ahead = turn.wrapping_sub(number.wrapping_add(1)) as isize;
            if ahead == 0 {
                if self.head.compare_exchange_weak(number, number.wrapping_add(1), RELAXED).is_ok() {
                    let element = slot.value.load(RELAXED);
                    slot.oracle.commit(slot.oracle.read());
                    slot.turn.store(number.wrapping_add(self.slots.len()), site::POP_TURN_DONE);
                    return NonNull::new(element);
                }
            } else if ahead < 0 {
                return None;
            }
            number = self.head.load(RELAXED);
        }
    }

    /// Whether an element is ready to be taken. After a fence that pairs with the producer's, a finished push is not missed.
    #[inline]
    pub fn has_work(&self) -> bool {
        let number = self.head.load(RELAXED);
        let turn = self.slot(number).turn.load(RELAXED);
        // A stale `head` shows a later turn: somebody is taking elements here, so there is reason to look.
        turn.wrapping_sub(number.wrapping_add(1)) as isize >= 0
    }

    /// How many elements there seem to be.
    pub fn len(&self) -> usize {
        let head = self.head.load(RELAXED);
        let tail = self.tail.load(RELAXED);
        (tail.wrapping_sub(head) as isize).clamp(0, self.slots.len() as isize) as usize
    }

    /// Whether there seems to be no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Several rings; a producer or consumer starts at its home shard and goes on to the others.
#[derive(Debug)]
pub struct ShardedQueue<T> {
    shards: Array<Shard<T>>,
}

impl<T> ShardedQueue<T> {
    /// `shards` rings, at least one, of `capacity` elements each.
    pub fn new(allocator: Allocator, shards: usize, capacity: usize) -> Result<ShardedQueue<T>> {
        Ok(ShardedQueue { shards: Array::from_fn(allocator, shards.max(1), |_| Shard::new(allocator, capacity))? })
    }

    /// How many elements there is room for in a shard.
    pub fn capacity(&self) -> usize {
        self.shards[0].slots.len()
    }

    /// One of the shards.
    #[inline]
    pub fn shard(&self, shard: usize) -> &Shard<T> {
        &self.shards[shard]
    }

    fn starting_at(&self, home: usize) -> impl Iterator<Item = &Shard<T>> {
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

    /// Takes the oldest element of the home shard, or of the next that has one.
    #[inline]
    pub fn pop(&self, home: usize) -> Option<NonNull<T>> {
        self.starting_at(home).find_map(Shard::pop)
    }

    /// Whether any shard has an element ready; see [`Shard::has_work`].
    #[inline]
    pub fn has_work(&self) -> bool {
        self.shards.iter().any(Shard::has_work)
    }
}

/// A sharded queue whose shards have their turns, so that no element is passed over for long: see the bound in the module's text.
///
/// The counters order nothing and are not looked at to find out whether there is work, so no schedule of them can lose an element.
#[derive(Debug)]
pub struct Dealt<T> {
    queue: ShardedQueue<T>,
    pushes: CacheLine<AtomicUsize>,
    looks: CacheLine<AtomicUsize>,
}

impl<T> Dealt<T> {
    /// `shards` rings, at least one, of `capacity` elements each, a power of two and at least 2.
    pub fn new(allocator: Allocator, shards: usize, capacity: usize) -> Result<Dealt<T>> {
        Ok(Dealt {
            queue: ShardedQueue::new(allocator, shards, capacity)?,
            pushes: CacheLine(AtomicUsize::new(0)),
            looks: CacheLine(AtomicUsize::new(0)),
        })
    }

    /// The shards that have the next turns, as many as there are.
    fn turns<'q>(&'q self, counter: &'q AtomicUsize) -> impl Iterator<Item = &'q Shard<T>> {
        let shards = &self.queue.shards;
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
        self.queue.has_work()
    }
}
