//! A run queue that makes one mistake in growing, on request. Without a mistake it is a right one, the twin that must pass. Its rings
//! are the real ones.

use crate::run_queue::{Grows, number, word};
use std::ptr;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::protocol::run_queue::site;
use vgpu_pool::sync::AtomicPtr;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The ring is put in its place by a store: a ring that another has put there at the same time is lost with what it holds.
    GrowsByStore,
    /// The element is pushed into the new ring before that has a place, and is lost with it if another's ring is there.
    PushesFirst,
    /// Consumers go to the newest ring alone: what is on its way to an older one stays there.
    LeavesOldRings,
    /// Consumers begin with the newest ring.
    NewestFirst,
    /// The look before a sleep is at the first ring alone.
    LooksAtFirst,
}

impl Mistake {
    /// All of them.
    pub const ALL: &[Mistake] = &[
        Mistake::GrowsByStore,
        Mistake::PushesFirst,
        Mistake::LeavesOldRings,
        Mistake::NewestFirst,
        Mistake::LooksAtFirst,
    ];
}

/// A queue of two elements that may grow once, by a ring of four.
pub struct WrongRunQueue {
    mistake: Option<Mistake>,
    first: Shard<u8>,
    second: AtomicPtr<Shard<u8>>,
}

impl WrongRunQueue {
    pub fn new(mistake: Option<Mistake>) -> WrongRunQueue {
        WrongRunQueue { mistake, first: shard(2), second: AtomicPtr::new(ptr::null_mut()) }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn second(&self) -> Option<&Shard<u8>> {
        // SAFETY: rings are leaked here: what is lost is to be told by what it held, not by its memory.
        unsafe { self.second.load(site::FIND).as_ref() }
    }
}

fn shard(capacity: usize) -> Shard<u8> {
    Shard::new(Allocator::SYSTEM, capacity).unwrap()
}

impl Grows for WrongRunQueue {
    fn push(&self, element: usize) {
        let room = match self.second() {
            Some(second) => second.push(word(element)).is_ok(),
            None => self.first.push(word(element)).is_ok(),
        };
        if room {
            return;
        }
        let ring = Box::leak(Box::new(shard(4)));
        if self.makes(Mistake::PushesFirst) {
            assert!(ring.push(word(element)).is_ok(), "it is new");
            _ = self.second.compare_exchange(ptr::null_mut(), ring, site::GROW);
            return;
        }
        if self.makes(Mistake::GrowsByStore) {
            self.second.store(ring, site::GROW);
        } else {
            _ = self.second.compare_exchange(ptr::null_mut(), ring, site::GROW);
        }
        let second = self.second().expect("somebody has put it there");
        assert!(second.push(word(element)).is_ok(), "there is room for all");
    }

    fn pop(&self) -> usize {
        let second = || self.second().and_then(Shard::pop);
        let found = match self.mistake {
            Some(Mistake::LeavesOldRings) => self.second().unwrap_or(&self.first).pop(),
            Some(Mistake::NewestFirst) => second().or_else(|| self.first.pop()),
            _ => self.first.pop().or_else(second),
        };
        found.map_or(0, number)
    }

    fn has_work(&self) -> bool {
        self.first.has_work() || (!self.makes(Mistake::LooksAtFirst) && self.second().is_some_and(Shard::has_work))
    }
}
