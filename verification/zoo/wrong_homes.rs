//! Blocks that go home, with one mistake on request. Without a mistake it is right, the twin that must pass.

use crate::free_list::Blocks;
use vgpu_pool::protocol::free_list::site;
use vgpu_pool::sync::{AtomicU32, AtomicUsize, RELAXED, UnsafeCell};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// One block at a time is taken off the remote list, by whoever comes: the exchange cannot tell a block that was taken
    /// and given back meanwhile.
    TakeOneOff,
    /// A chain is put in front of the remote list by a store.
    GiveBackByStore,
    /// A chain is put in front by a swap, and linked to what was there after that.
    LinkAfterSwap,
    /// The remote list is read, and then cleared.
    LookThenClear,
    /// Whoever comes takes from the private list.
    NoClaim,
    /// The claim is looked at, and then set.
    ClaimByStore,
}

impl Mistake {
    /// All of them.
    pub(crate) const ALL: &[Mistake] = &[
        Mistake::TakeOneOff,
        Mistake::GiveBackByStore,
        Mistake::LinkAfterSwap,
        Mistake::LookThenClear,
        Mistake::NoClaim,
        Mistake::ClaimByStore,
    ];
}

/// A block is its number plus one; 0 is no block.
pub(crate) struct WrongHomes {
    mistake: Option<Mistake>,
    remote: AtomicUsize,
    next: Vec<AtomicUsize>,
    claimed: AtomicU32,
    private: UnsafeCell<usize>,
}

// SAFETY: the private list is touched under the claim, unless that is the mistake.
unsafe impl Send for WrongHomes {}
// SAFETY: as above.
unsafe impl Sync for WrongHomes {}

impl WrongHomes {
    pub(crate) fn new(blocks: usize, mistake: Option<Mistake>) -> WrongHomes {
        WrongHomes {
            mistake,
            remote: AtomicUsize::new(0),
            next: (0..blocks).map(|_| AtomicUsize::new(0)).collect(),
            claimed: AtomicU32::new(0),
            private: UnsafeCell::new(0),
        }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn claim(&self) -> bool {
        if self.makes(Mistake::NoClaim) {
            return true;
        }
        if self.makes(Mistake::ClaimByStore) {
            let free = self.claimed.load(site::CLAIM) == 0;
            if free {
                self.claimed.store(1, RELAXED);
            }
            return free;
        }
        self.claimed.compare_exchange(0, 1, site::CLAIM).is_ok()
    }

    fn take_one_off(&self) -> Option<usize> {
        loop {
            let first = self.remote.load(site::TAKE_ALL);
            let block = first.checked_sub(1)?;
            let next = self.next[block].load(RELAXED);
            if self.remote.compare_exchange(first, next, site::TAKE_ALL).is_ok() {
                return Some(block);
            }
        }
    }

    fn take_all(&self) -> usize {
        if self.makes(Mistake::LookThenClear) {
            let first = self.remote.load(site::TAKE_ALL);
            self.remote.store(0, RELAXED);
            return first;
        }
        self.remote.swap(0, site::TAKE_ALL)
    }
}

impl Blocks for WrongHomes {
    fn take(&self) -> Option<usize> {
        if self.makes(Mistake::TakeOneOff) {
            return self.take_one_off();
        }
        if !self.claim() {
            return None;
        }
        // SAFETY: under the claim; loom checks.
        let block = self.private.with_mut(|private| unsafe {
            if *private == 0 {
                *private = self.take_all();
            }
            let block = (*private).checked_sub(1);
            if let Some(block) = block {
                *private = self.next[block].load(RELAXED);
            }
            block
        });
        if !self.makes(Mistake::NoClaim) {
            self.claimed.store(0, site::LET_GO);
        }
        block
    }

    fn give_back(&self, blocks: &[usize]) {
        for pair in blocks.windows(2) {
            self.next[pair[0]].store(pair[1] + 1, RELAXED);
        }
        let (first, last) = (blocks[0] + 1, blocks[blocks.len() - 1]);
        if self.makes(Mistake::LinkAfterSwap) {
            self.next[last].store(0, RELAXED);
            let before = self.remote.swap(first, site::GIVE_BACK);
            self.next[last].store(before, RELAXED);
            return;
        }
        let mut before = self.remote.load(RELAXED);
        loop {
            self.next[last].store(before, RELAXED);
            if self.makes(Mistake::GiveBackByStore) {
                self.remote.store(first, site::GIVE_BACK);
                return;
            }
            match self.remote.compare_exchange(before, first, site::GIVE_BACK) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }
}
