//! A Chase-Lev work-stealing deque that moves one machine word.
//!
//! # States
//! `top` and `bottom` count pushes and removals from the beginning of time; the elements are those with an index in
//! `top..bottom`, element `i` in slot `i & mask` of the buffer. `top` only grows. `bottom` moves both ways.
//!
//! # Who writes what
//! | word | owner | thief |
//! |---|---|---|
//! | `bottom` | push: +1; pop: -1, then back when it lost or emptied the deque | never |
//! | `top` | pop of the last element: +1 by compare-and-exchange | steal: +1 by compare-and-exchange |
//! | slots | push, growth | never |
//! | `buffer` | growth | never |
//!
//! # What would break a naive version
//! 1. *Taken twice.* One element is left. The owner lowers `bottom` to it and reads the old `top`; the thief reads `top`
//!    and the old `bottom`; each finds the element its own. With both steps of each side ordered by a sequentially
//!    consistent fence ([`site::POP_FENCE`], [`site::STEAL_FENCE`]), at least one sees the other: either the owner sees
//!    the raised `top`, or the thief sees the lowered `bottom`. What is left is the case of one element, which both claim
//!    by compare-and-exchange on `top`, and one wins.
//! 2. *Read after reuse.* A thief reads a slot after it has won, when a push may already have used the slot again. So the
//!    slot is read before the compare-and-exchange, and a lost exchange throws the read away. Since a slot is one atomic
//!    word, that early read is a stale value at worst, never a torn one.
//! 3. *Freed under the reader.* Growth replaces the buffer while a thief reads the old one. Retired buffers are kept until
//!    the deque is dropped: their sizes sum to less than the live one.
//! 4. *The owner's push into the retired buffer.* After growth the push must use the new buffer; the published algorithm
//!    had lost that line.
//!
//! # Why each element is taken exactly once
//! Invariant: at any time the elements of `top..bottom` are present in the buffer that `buffer` names, and an index below
//! `top` was given to exactly one taker. *Push* writes the slot, then publishes it by the release of `bottom`; the slot is
//! free because `bottom - top` is below the capacity, and its last reader is done because the acquire of `top` pairs with
//! the release of the steal that raised it. *Steal* gets `i` only by raising `top` from `i`, which succeeds once for each
//! `i`. *Pop* takes `i` without an exchange only when `top < i` after the fence: a thief that could still get `i` would
//! have to read `top = i` later, and by its own fence it then sees `bottom = i` and finds the deque empty.
//!
//! # Progress
//! Push and pop are wait-free apart from growth; a steal fails only because another removal succeeded.
//!
//! # References
//! Chase and Lev, *Dynamic circular work-stealing deque*, SPAA 2005. Lê, Pop, Cohen and Zappa Nardelli, *Correct and
//! efficient work-stealing for weak memory models*, PPoPP 2013; our orderings are weaker than theirs where C++20 allows
//! it (their compare-and-exchanges and the thief's load of `top` need not be sequentially consistent) and stronger where
//! C++20 asks for it (the owner's lowering of `bottom` is a release, because a plain store of the same thread no longer
//! continues a release sequence). Models: `verification/loom/deque.rs`, `verification/shuttle/deque.rs`.

use crate::error::{Result, error};
use crate::os::alloc::{Allocator, Array, List, Owned};
use crate::sync::{AtomicIsize, AtomicPtr, RELAXED, SlotOracle, Tracked, UnsafeCell, fence, ordering_sites};
use core::ptr::{self, NonNull};

ordering_sites! {
    "deque":
    PUSH_TOP = Acquire: "pairs with STEAL_CAS: the thief's read of a slot comes before the push that uses the slot again";
    PUSH_BOTTOM = Release: "pairs with STEAL_BOTTOM: the slot and the job behind it are written before a thief may see the index";
    GROW_BUFFER = Release: "pairs with STEAL_BUFFER: the new buffer is filled before a thief can find it";
    POP_BOTTOM = Release: "pairs with STEAL_BOTTOM: this store replaces the push's as the one a thief reads, and since C++20 does not continue its release sequence";
    POP_FENCE = SeqCst: "against STEAL_FENCE: the lowered bottom is visible to the thief, or the raised top is visible here";
    STEAL_FENCE = SeqCst: "against POP_FENCE: see there";
    STEAL_BOTTOM = Acquire: "pairs with PUSH_BOTTOM and POP_BOTTOM: an index seen here has its slot and its job written";
    STEAL_BUFFER = Acquire: "pairs with GROW_BUFFER";
    STEAL_CAS = Release: "pairs with PUSH_TOP: the slot has been read";
}

/// What a thief got.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Steal<T> {
    /// The deque was empty.
    Empty,
    /// Another removal won; there may be more.
    Lost,
    /// The oldest element.
    Got(T),
}

#[derive(Debug)]
struct Buffer<T> {
    mask: Tracked<usize>,
    slots: Array<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    value: AtomicPtr<T>,
    oracle: SlotOracle,
}

impl<T> Buffer<T> {
    fn new(allocator: Allocator, capacity: usize) -> Result<Owned<Buffer<T>>> {
        let slots = Array::from_fn(allocator, capacity, |_| {
            Ok(Slot { value: AtomicPtr::new(ptr::null_mut()), oracle: SlotOracle::new() })
        })?;
        Owned::new(allocator, Buffer { mask: Tracked::new(capacity - 1), slots })
    }

    #[inline(always)]
    fn capacity(&self) -> isize {
        self.mask.get() as isize + 1
    }

    #[inline(always)]
    fn slot(&self, index: isize) -> &Slot<T> {
        let at = index as usize & self.mask.get();
        debug_assert!(at < self.slots.len());
        // SAFETY: `mask` is the number of slots less one, and that number is a power of two.
        unsafe { self.slots.get_unchecked(at) }
    }
}

/// The deque. One thread, the owner, pushes and pops at the bottom; any thread steals at the top.
#[derive(Debug)]
#[repr(C)]
pub struct Deque<T> {
    top: AtomicIsize,
    bottom: AtomicIsize,
    buffer: AtomicPtr<Buffer<T>>,
    /// Every buffer there has been; the last is the live one. Only the owner looks here.
    buffers: UnsafeCell<List<Owned<Buffer<T>>>>,
    allocator: Allocator,
    max_capacity: usize,
}

// SAFETY: elements are pointers that change threads; what they point to is the business of whoever pushes them.
unsafe impl<T> Send for Deque<T> {}
// SAFETY: the owner-only part is reached through unsafe functions whose contract names the owner.
unsafe impl<T> Sync for Deque<T> {}

impl<T> Deque<T> {
    /// An empty deque for `capacity` elements, growing by doubling up to `max_capacity`; both are powers of two.
    pub fn new(allocator: Allocator, capacity: usize, max_capacity: usize) -> Result<Deque<T>> {
        if !capacity.is_power_of_two() || !max_capacity.is_power_of_two() || max_capacity < capacity {
            return Err(error!(
                InvalidArgument,
                "a deque of {capacity} to {max_capacity} elements was asked for; both must be powers of two, the first not above the second"
            ));
        }
        let mut buffers = List::new(allocator);
        let first = Buffer::new(allocator, capacity)?;
        let live = ptr::from_ref(&*first).cast_mut();
        buffers.push(first)?;
        Ok(Deque {
            top: AtomicIsize::new(0),
            bottom: AtomicIsize::new(0),
            buffer: AtomicPtr::new(live),
            buffers: UnsafeCell::new(buffers),
            allocator,
            max_capacity,
        })
    }

    /// Adds an element at the bottom. Fails when the deque is at its largest, or there is no memory to grow.
    ///
    /// # Safety
    /// The calling thread is the owner.
    #[inline]
    pub unsafe fn push(&self, element: NonNull<T>) -> Result<()> {
        let bottom = self.bottom.load(RELAXED);
        let top = self.top.load(site::PUSH_TOP);
        // SAFETY: buffers live as long as the deque, and the owner alone replaces them.
        let mut buffer = unsafe { &*self.buffer.load(RELAXED) };
        if bottom - top >= buffer.capacity() {
            // SAFETY: by contract this is the owner.
            buffer = unsafe { self.grow(buffer, top, bottom)? };
        }
        let slot = buffer.slot(bottom);
        slot.oracle.overwrite();
        slot.value.store(element.as_ptr(), RELAXED);
        self.bottom.store(bottom + 1, site::PUSH_BOTTOM);
        Ok(())
    }

    /// Takes the newest element.
    ///
    /// # Safety
    /// The calling thread is the owner.
    #[inline]
    pub unsafe fn pop(&self) -> Option<NonNull<T>> {
        let bottom = self.bottom.load(RELAXED) - 1;
        // SAFETY: buffers live as long as the deque.
        let buffer = unsafe { &*self.buffer.load(RELAXED) };
        self.bottom.store(bottom, site::POP_BOTTOM);
        fence(site::POP_FENCE);
        let top = self.top.load(RELAXED);
        if top > bottom {
            self.bottom.store(bottom + 1, RELAXED);
            return None;
        }
        let element = NonNull::new(buffer.slot(bottom).value.load(RELAXED));
        if top < bottom {
            return element;
        }
        // The last element: thieves may be after it.
        let won = self.top.compare_exchange(top, top + 1, RELAXED).is_ok();
        self.bottom.store(bottom + 1, RELAXED);
        if won { element } else { None }
    }

    /// Takes the oldest element. Any thread may call this.
    #[inline]
    pub fn steal(&self) -> Steal<NonNull<T>> {
        let top = self.top.load(RELAXED);
        fence(site::STEAL_FENCE);
        let bottom = self.bottom.load(site::STEAL_BOTTOM);
        if top >= bottom {
            return Steal::Empty;
        }
        // SAFETY: buffers live as long as the deque.
        let buffer = unsafe { &*self.buffer.load(site::STEAL_BUFFER) };
        let slot = buffer.slot(top);
        let element = slot.value.load(RELAXED);
        let read = slot.oracle.read();
        if self.top.compare_exchange(top, top + 1, site::STEAL_CAS).is_err() {
            return Steal::Lost;
        }
        slot.oracle.commit(read);
        // An index below `bottom` has a slot that was written, and only non-null pointers are.
        NonNull::new(element).map_or(Steal::Lost, Steal::Got)
    }

    /// Where the next element will be put. It falls by a pop and rises by a push; elements put in before a place was asked for lie
    /// below it.
    ///
    /// # Safety
    /// The calling thread is the owner.
    #[inline]
    pub unsafe fn bottom(&self) -> isize {
        self.bottom.load(RELAXED)
    }

    /// How many elements there seem to be; exact only for an owner that nobody steals from.
    #[inline]
    pub fn len(&self) -> usize {
        let bottom = self.bottom.load(RELAXED);
        let top = self.top.load(RELAXED);
        (bottom - top).max(0) as usize
    }

    /// Whether there seems to be no element; see [`len`](Self::len).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bottom.load(RELAXED) <= self.top.load(RELAXED)
    }

    /// How many bytes are held by buffers that growth has retired: less than the live buffer's size.
    ///
    /// # Safety
    /// The calling thread is the owner.
    pub unsafe fn retired_bytes(&self) -> usize {
        // SAFETY: by contract this is the owner, and nobody else looks at the list.
        self.buffers.with(|buffers| unsafe {
            let buffers = &*buffers;
            buffers.iter().rev().skip(1).map(|buffer| buffer.slots.len() * size_of::<Slot<T>>()).sum()
        })
    }

    /// # Safety
    /// The calling thread is the owner; `top..bottom` are its own readings.
    #[cold]
    unsafe fn grow(&self, old: &Buffer<T>, top: isize, bottom: isize) -> Result<&Buffer<T>> {
        let capacity = old.slots.len() * 2;
        if capacity > self.max_capacity {
            return Err(error!(
                QueueFull,
                "a deque holds {} jobs, its limit; fork less deeply or raise the limit", self.max_capacity
            ));
        }
        let fresh = Buffer::new(self.allocator, capacity)?;
        for index in top..bottom {
            fresh.slot(index).value.store(old.slot(index).value.load(RELAXED), RELAXED);
        }
        let live = ptr::from_ref(&*fresh);
        // SAFETY: by contract this is the owner, and nobody else looks at the list.
        self.buffers.with_mut(|buffers| unsafe { (*buffers).push(fresh) })?;
        self.buffer.store(live.cast_mut(), site::GROW_BUFFER);
        // SAFETY: the buffer is in the list, which keeps it until the deque is dropped.
        Ok(unsafe { &*live })
    }
}
