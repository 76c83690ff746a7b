//! A Chase-Lev deque that makes one mistake on request. Each mistake has been made in earnest, by published algorithms or
//! by libraries in use, or is one line away from it. Without a mistake it is a right deque, the twin that must pass.

use crate::steal_deque::{Scenario, Steal, StealDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use vgpu_pool::protocol::deque::site;
use vgpu_pool::sync::{AtomicIsize, AtomicPtr, AtomicUsize, RELAXED, Site, SlotOracle, Tracked, UnsafeCell, fence};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The push that grew the buffer goes on with the old one (a line that PPoPP 2013 lost).
    StaleBufferAfterGrowth,
    /// The new buffer is published and found without ordering (PPoPP 2013, found by CDSChecker).
    RelaxedBuffer,
    /// Growth leaves out the newest element.
    GrowthCopiesShort,
    /// Growth frees the old buffer, in which a thief may be reading.
    GrowthFreesOld,
    /// The owner's lowered bottom and its reading of top are not ordered.
    NoPopFence,
    /// The owner's fence stands before the lowering of bottom instead of after it.
    PopFenceFirst,
    /// The owner reads top before it lowers bottom.
    PopReadsTopFirst,
    /// The lowered bottom is a plain store, in the belief that it continues the push's release sequence (not since C++20).
    RelaxedLowering,
    /// A pop that lost the race for the last element leaves bottom lowered: the next push is lost.
    NoRestoreAfterLoss,
    /// The owner takes the last element by a store to top.
    PopStoresTop,
    /// The owner takes the last element as it takes any other.
    LastElementUnraced,
    /// Unsigned indices: bottom less one, at zero, is above every top.
    UnsignedBottom,
    /// The thief's readings of top and bottom are not ordered.
    NoStealFence,
    /// The thief's fence stands after both readings.
    StealFenceLast,
    /// The thief reads bottom before top.
    StealReadsBottomFirst,
    /// The thief reads bottom without ordering, and so a slot not written yet (Norris and Demsky).
    RelaxedStealBottom,
    /// The thief reads the slot after it has won, when a push may have used it again (ssbl/concurrent-deque 2).
    SlotAfterExchange,
    /// The thief raises top by a store.
    StealStoresTop,
    /// The thief takes half of what it saw with one exchange, though the owner may have popped down into it (crossbeam 148).
    StealHalf,
    /// Bottom is raised before the slot is written.
    BottomBeforeSlot,
    /// One element more than there is room for.
    FullOffByOne,
    /// The owner does not wait for the readers of the slot it uses again.
    RelaxedPushTop,
    /// The thief does not say that it has read the slot.
    RelaxedStealExchange,
    /// Indices of two bits: a thief that sleeps through four removals takes one top for another (tokio 5041).
    TwoBitIndex,
    /// Indices as wide as the capacity: full looks like empty (the ring arithmetic behind tokio 2387).
    IndexModuloCapacity,
}

impl Mistake {
    /// All of them.
    pub const ALL: &[Mistake] = &[
        Mistake::StaleBufferAfterGrowth,
        Mistake::RelaxedBuffer,
        Mistake::GrowthCopiesShort,
        Mistake::GrowthFreesOld,
        Mistake::NoPopFence,
        Mistake::PopFenceFirst,
        Mistake::PopReadsTopFirst,
        Mistake::RelaxedLowering,
        Mistake::NoRestoreAfterLoss,
        Mistake::PopStoresTop,
        Mistake::LastElementUnraced,
        Mistake::UnsignedBottom,
        Mistake::NoStealFence,
        Mistake::StealFenceLast,
        Mistake::StealReadsBottomFirst,
        Mistake::RelaxedStealBottom,
        Mistake::SlotAfterExchange,
        Mistake::StealStoresTop,
        Mistake::StealHalf,
        Mistake::BottomBeforeSlot,
        Mistake::FullOffByOne,
        Mistake::RelaxedPushTop,
        Mistake::RelaxedStealExchange,
        Mistake::TwoBitIndex,
        Mistake::IndexModuloCapacity,
    ];
}

struct Buffer {
    capacity: Tracked<usize>,
    slots: Vec<Slot>,
    freed: AtomicBool,
}

struct Slot {
    value: AtomicUsize,
    oracle: SlotOracle,
}

impl Buffer {
    fn new(capacity: usize) -> Box<Buffer> {
        let slots = (0..capacity).map(|_| Slot { value: AtomicUsize::new(0), oracle: SlotOracle::new() }).collect();
        Box::new(Buffer { capacity: Tracked::new(capacity), slots, freed: AtomicBool::new(false) })
    }

    fn slot(&self, index: isize) -> &Slot {
        &self.slots[index.rem_euclid(self.capacity.get() as isize) as usize]
    }

    /// Memory is kept until the deque is dropped, so that a use after free can be told instead of suffered.
    fn assert_alive(&self) {
        assert!(!self.freed.load(Relaxed), "a freed buffer was used");
    }
}

/// The deque with the mistake.
pub struct WrongDeque {
    mistake: Option<Mistake>,
    top: AtomicIsize,
    bottom: AtomicIsize,
    buffer: AtomicPtr<Buffer>,
    /// Every buffer there has been. Only the owner looks here. Boxed: the readers of `buffer` must not see them move.
    #[allow(clippy::vec_box)]
    buffers: UnsafeCell<Vec<Box<Buffer>>>,
    capacity: isize,
    max_capacity: usize,
}

// SAFETY: `buffers` is the owner's, and the owner's operations are unsafe.
unsafe impl Sync for WrongDeque {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for WrongDeque {}

impl WrongDeque {
    pub fn new(scenario: &Scenario, mistake: Option<Mistake>) -> WrongDeque {
        let first = Buffer::new(scenario.capacity);
        WrongDeque {
            mistake,
            top: AtomicIsize::new(0),
            bottom: AtomicIsize::new(0),
            buffer: AtomicPtr::new((&raw const *first).cast_mut()),
            buffers: UnsafeCell::new(vec![first]),
            capacity: scenario.capacity as isize,
            max_capacity: scenario.max_capacity,
        }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The site, or no ordering when that is the mistake.
    fn unless(&self, mistake: Mistake, site: Site) -> Site {
        if self.makes(mistake) { RELAXED } else { site }
    }

    /// An index as it is stored.
    fn index(&self, index: isize) -> isize {
        match self.mistake {
            Some(Mistake::TwoBitIndex) => index & 3,
            Some(Mistake::IndexModuloCapacity) => index.rem_euclid(self.capacity),
            _ => index,
        }
    }

    /// How many elements there are between two stored indices.
    fn distance(&self, top: isize, bottom: isize) -> isize {
        match self.mistake {
            Some(Mistake::TwoBitIndex) => ((bottom - top + 1) & 3) - 1,
            Some(Mistake::IndexModuloCapacity) => (bottom - top).rem_euclid(self.capacity),
            _ => bottom - top,
        }
    }

    fn live(&self, site: Site) -> &Buffer {
        // SAFETY: buffers stay in the list until the deque is dropped.
        unsafe { &*self.buffer.load(site) }
    }

    fn grow<'a>(&'a self, old: &'a Buffer, top: isize, bottom: isize) -> &'a Buffer {
        let fresh = Buffer::new(old.slots.len() * 2);
        let copied = if self.makes(Mistake::GrowthCopiesShort) { bottom - 1 } else { bottom };
        for index in top..copied {
            fresh.slot(index).value.store(old.slot(index).value.load(RELAXED), RELAXED);
        }
        let live = &raw const *fresh;
        // SAFETY: only the owner grows, and nobody else looks at the list.
        self.buffers.with_mut(|buffers| unsafe { (*buffers).push(fresh) });
        self.buffer.store(live.cast_mut(), self.unless(Mistake::RelaxedBuffer, site::GROW_BUFFER));
        old.freed.store(self.makes(Mistake::GrowthFreesOld), Relaxed);
        // SAFETY: it is in the list.
        if self.makes(Mistake::StaleBufferAfterGrowth) { old } else { unsafe { &*live } }
    }

    /// Takes element `top` for the owner: `None` when a thief was faster.
    fn pop_last(&self, top: isize, bottom: isize, element: usize) -> Option<usize> {
        let raised = self.index(top + 1);
        let won = if self.makes(Mistake::PopStoresTop) {
            self.top.store(raised, RELAXED);
            true
        } else {
            self.top.compare_exchange(top, raised, RELAXED).is_ok()
        };
        if won || !self.makes(Mistake::NoRestoreAfterLoss) {
            self.bottom.store(self.index(bottom + 1), RELAXED);
        }
        won.then_some(element)
    }

    /// The thief's readings of top and bottom.
    fn look(&self) -> (isize, isize) {
        let bottom_site = self.unless(Mistake::RelaxedStealBottom, site::STEAL_BOTTOM);
        if self.makes(Mistake::StealReadsBottomFirst) {
            let bottom = self.bottom.load(bottom_site);
            fence(site::STEAL_FENCE);
            return (self.top.load(RELAXED), bottom);
        }
        let top = self.top.load(RELAXED);
        if !self.makes(Mistake::StealFenceLast) {
            fence(self.unless(Mistake::NoStealFence, site::STEAL_FENCE));
        }
        let bottom = self.bottom.load(bottom_site);
        if self.makes(Mistake::StealFenceLast) {
            fence(site::STEAL_FENCE);
        }
        (top, bottom)
    }

    /// Raises top for a thief.
    fn win(&self, top: isize, count: isize) -> bool {
        let raised = self.index(top + count);
        let site = self.unless(Mistake::RelaxedStealExchange, site::STEAL_CAS);
        if self.makes(Mistake::StealStoresTop) {
            let still = self.top.load(RELAXED) == top;
            if still {
                self.top.store(raised, site);
            }
            return still;
        }
        self.top.compare_exchange(top, raised, site).is_ok()
    }
}

impl StealDeque for WrongDeque {
    unsafe fn push(&self, element: usize) -> bool {
        let bottom = self.bottom.load(RELAXED);
        let top = self.top.load(self.unless(Mistake::RelaxedPushTop, site::PUSH_TOP));
        let mut buffer = self.live(RELAXED);
        let room = buffer.slots.len() as isize + isize::from(self.makes(Mistake::FullOffByOne));
        if self.distance(top, bottom) >= room {
            if buffer.slots.len() >= self.max_capacity {
                return false;
            }
            buffer = self.grow(buffer, top, bottom);
        }
        let slot = buffer.slot(bottom);
        if self.makes(Mistake::BottomBeforeSlot) {
            self.bottom.store(bottom + 1, site::PUSH_BOTTOM);
        }
        slot.oracle.overwrite();
        slot.value.store(element, RELAXED);
        if !self.makes(Mistake::BottomBeforeSlot) {
            self.bottom.store(self.index(bottom + 1), site::PUSH_BOTTOM);
        }
        true
    }

    unsafe fn pop(&self) -> Option<usize> {
        let bottom = self.bottom.load(RELAXED) - 1;
        let buffer = self.live(RELAXED);
        let early = self.makes(Mistake::PopReadsTopFirst).then(|| self.top.load(RELAXED));
        if self.makes(Mistake::PopFenceFirst) {
            fence(site::POP_FENCE);
        }
        self.bottom.store(self.index(bottom), self.unless(Mistake::RelaxedLowering, site::POP_BOTTOM));
        if !self.makes(Mistake::PopFenceFirst) {
            fence(self.unless(Mistake::NoPopFence, site::POP_FENCE));
        }
        let top = early.unwrap_or_else(|| self.top.load(RELAXED));
        let left = match self.mistake {
            Some(Mistake::UnsignedBottom) if top as usize <= bottom as usize => bottom.max(top) - top,
            _ => self.distance(top, bottom),
        };
        if left < 0 {
            self.bottom.store(self.index(bottom + 1), RELAXED);
            return None;
        }
        let element = buffer.slot(bottom).value.load(RELAXED);
        if left > 0 || self.makes(Mistake::LastElementUnraced) {
            return Some(element);
        }
        self.pop_last(top, bottom, element)
    }

    fn steal(&self, more: &mut Vec<usize>) -> Steal<usize> {
        let (top, bottom) = self.look();
        let there = self.distance(top, bottom);
        if there <= 0 {
            return Steal::Empty;
        }
        let buffer = self.live(self.unless(Mistake::RelaxedBuffer, site::STEAL_BUFFER));
        let slot = buffer.slot(top);
        let mut element = slot.value.load(RELAXED);
        let read = slot.oracle.read();
        let count = if self.makes(Mistake::StealHalf) { (there + 1) / 2 } else { 1 };
        let batch: Vec<_> = (top + 1..top + count).map(|index| buffer.slot(index).value.load(RELAXED)).collect();
        buffer.assert_alive();
        if !self.win(top, count) {
            return Steal::Lost;
        }
        slot.oracle.commit(read);
        if self.makes(Mistake::SlotAfterExchange) {
            element = slot.value.load(RELAXED);
        }
        more.extend(batch);
        Steal::Got(element)
    }
}
