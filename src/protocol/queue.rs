//! A bounded queue with many producers and many consumers: one ring, of which [`run_queue`](super::run_queue) and
//! [`sharded`](super::sharded) are made.
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
//! Order is first in, first out.
//!
//! # References
//! D. Vyukov, *Bounded MPMC queue*, 1024cores. Models: `verification/loom/queue.rs`, `verification/shuttle/queue.rs`.

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

    /// How many elements there is room for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many elements were taken since the beginning, and how many pushed, pushes and pops under way included. They come round.
    #[inline]
    pub fn counts(&self) -> (usize, usize) {
        (self.head.load(RELAXED), self.tail.load(RELAXED))
    }

    /// How many elements there seem to be.
    pub fn len(&self) -> usize {
        let (head, tail) = self.counts();
        (tail.wrapping_sub(head) as isize).clamp(0, self.slots.len() as isize) as usize
    }

    /// Whether there seems to be no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
