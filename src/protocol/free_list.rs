//! Blocks of memory that go home: taken by one thread, freed by another, and taken again by the first.
//!
//! # States
//! A home owns some blocks, chained through a [`Link`] at the front of each. A block is *out* (somebody uses it), in the
//! home's *private* list, or in its *remote* list. One thread at a time holds the *claim* of a home, and with it the private
//! list.
//!
//! | step | who | what |
//! |---|---|---|
//! | claim | any thread, never waiting | takes the claim, or goes elsewhere |
//! | take | the holder of the claim | the first private block; if there is none, all remote blocks become private ones first |
//! | adopt | the holder of the claim | counts a new block as one of this home's |
//! | give back | any thread, without a claim | one chain of blocks becomes part of the remote list, in one exchange |
//!
//! # Who writes what
//! | word | by whom |
//! |---|---|
//! | `claimed` | whoever claims, and lets go |
//! | `remote` | givers put their chain in front by compare-and-exchange; the holder of the claim swaps it for null |
//! | private list and count | the holder of the claim |
//! | a block's link | whoever gives it back, before the exchange; the holder of the claim, after the swap |
//!
//! # What would break a naive version
//! 1. *Whoever comes takes one off the list.* Between reading the first block and its successor, and the exchange that makes
//!    the successor the first, both may be taken, and the first given back again: the exchange succeeds, and the list goes
//!    on in a block that is out. Here the list is taken as a whole, by the holder of the claim. A giver does not look into what it finds, so to it one
//!    address is as good as another.
//! 2. *Put in front by a store.* Two givers read the same first block; the second store loses the first one's chain.
//!    A swap, with the link to what it found written after, leaves a moment in which the list has no rest.
//! 3. *Look, then clear.* What is given back between the look at the list and the store of null is lost.
//! 4. *Two owners.* A submitting thread is nobody's worker, and two of them may have the same home. Without a claim both
//!    take the same private block.
//! 5. *A link read too early.* The chain must be linked before it can be found, and the block's last user must be done with
//!    it before its next one begins.
//!
//! # Why each block is in one place
//! A block leaves the private list under the claim, and is then out, known to its taker alone. Its giver puts it into a chain
//! that nobody else knows, and the exchange makes that chain and what was there before one list. The swap takes
//! exactly what all exchanges before it put there. Every exchange is a read-modify-write, so the list that the swap finds
//! carries the releases of all its givers, and the one acquire is enough for all of them.
//!
//! Models: `verification/loom/free_list.rs`.

use super::CacheLine;
use crate::sync::{AtomicPtr, AtomicU32, RELAXED, UnsafeCell, ordering_sites};
use core::ptr::{self, NonNull};

ordering_sites! {
    "free_list":
    CLAIM = Acquire: "pairs with LET_GO: the private list is as its last holder left it";
    LET_GO = Release: "pairs with CLAIM";
    GIVE_BACK = Release: "pairs with TAKE_ALL: the chain is linked, and its blocks' last users are done with them";
    TAKE_ALL = Acquire: "pairs with GIVE_BACK";
}

/// The front of a block.
#[derive(Debug)]
pub struct Link {
    next: UnsafeCell<*mut Link>,
}

impl Default for Link {
    fn default() -> Link {
        Link::new()
    }
}

impl Link {
    /// The front of a block that is in no list.
    pub fn new() -> Link {
        Link { next: UnsafeCell::new(ptr::null_mut()) }
    }
}

/// Blocks on their way home, linked, and known to one thread.
#[derive(Debug)]
pub struct Chain {
    first: *mut Link,
    last: *mut Link,
    len: usize,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain::new()
    }
}

impl Chain {
    /// An empty chain.
    pub const fn new() -> Chain {
        Chain { first: ptr::null_mut(), last: ptr::null_mut(), len: 0 }
    }

    /// How many blocks there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a block.
    ///
    /// # Safety
    /// The block is out, and this thread is its only user and done with it.
    #[inline]
    pub unsafe fn add(&mut self, block: NonNull<Link>) {
        // SAFETY: by contract the block is this thread's alone.
        unsafe { block.as_ref().next.with_mut(|next| *next = self.first) };
        if self.first.is_null() {
            self.last = block.as_ptr();
        }
        self.first = block.as_ptr();
        self.len += 1;
    }
}

#[derive(Debug)]
struct Private {
    first: *mut Link,
    /// How many blocks call this home theirs.
    blocks: usize,
}

/// Where blocks come from and go back to.
#[derive(Debug)]
pub struct Home {
    /// Written by those who give back.
    remote: CacheLine<AtomicPtr<Link>>,
    /// With what follows on a line of its own: those who take write it.
    claimed: AtomicU32,
    private: UnsafeCell<Private>,
}

// SAFETY: blocks change threads as the module text tells; what lies behind the links is the business of their users.
unsafe impl Send for Home {}
// SAFETY: the private list is touched under the claim.
unsafe impl Sync for Home {}

impl Default for Home {
    fn default() -> Home {
        Home::new()
    }
}

impl Home {
    /// A home without blocks.
    pub fn new() -> Home {
        Home {
            remote: CacheLine(AtomicPtr::new(ptr::null_mut())),
            claimed: AtomicU32::new(0),
            private: UnsafeCell::new(Private { first: ptr::null_mut(), blocks: 0 }),
        }
    }

    /// Claims the home; `None` when somebody else has it. Does not wait.
    #[inline]
    pub fn claim(&self) -> Option<Claim<'_>> {
        self.claimed.compare_exchange(0, 1, site::CLAIM).ok().map(|_| Claim { home: self })
    }

    /// Puts a chain of this home's blocks back. Any thread may.
    #[inline]
    pub fn give_back(&self, chain: Chain) {
        let Some(last) = NonNull::new(chain.last) else { return };
        let mut first = self.remote.load(RELAXED);
        loop {
            // SAFETY: until the exchange succeeds the chain is this thread's alone.
            unsafe { last.as_ref().next.with_mut(|next| *next = first) };
            match self.remote.compare_exchange(first, chain.first, site::GIVE_BACK) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }
}

/// The right to a home's private list. Dropping it lets go.
#[derive(Debug)]
pub struct Claim<'a> {
    home: &'a Home,
}

impl Claim<'_> {
    /// Takes a block, if one is at home.
    #[inline]
    pub fn take(&mut self) -> Option<NonNull<Link>> {
        // SAFETY: the claim is held, and a block in the private list is nobody else's.
        self.home.private.with_mut(|private| unsafe {
            if (*private).first.is_null() {
                (*private).first = self.take_all();
            }
            let block = NonNull::new((*private).first)?;
            (*private).first = block.as_ref().next.with(|next| *next);
            Some(block)
        })
    }

    fn take_all(&self) -> *mut Link {
        // The look spares the exchange where nothing was given back.
        if self.home.remote.load(RELAXED).is_null() {
            return ptr::null_mut();
        }
        self.home.remote.swap(ptr::null_mut(), site::TAKE_ALL)
    }

    /// How many blocks call this home theirs, out or not.
    #[inline]
    pub fn blocks(&self) -> usize {
        // SAFETY: the claim is held.
        self.home.private.with(|private| unsafe { (*private).blocks })
    }

    /// Counts a new block as this home's. It is out, and comes back by [`Home::give_back`].
    #[inline]
    pub fn adopt(&mut self) {
        // SAFETY: the claim is held.
        self.home.private.with_mut(|private| unsafe { (*private).blocks += 1 });
    }
}

impl Drop for Claim<'_> {
    #[inline]
    fn drop(&mut self) {
        self.home.claimed.store(0, site::LET_GO);
    }
}
