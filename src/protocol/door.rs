//! The way to something from handles that may outlive it: whoever comes is let in and counted until it leaves, or learns that what was
//! there is gone.
//!
//! # States
//! *Open*, then *closed*; how many are inside; and how many keys there are: the owner's of what is behind the door, and one for each
//! handle that leads there. The door lies in memory of its own, which the last key frees.
//!
//! | step | who | what |
//! |---|---|---|
//! | cut a key | whoever has one | counts one more |
//! | enter | whoever has a key | counts itself as inside, or is refused since the door is closed |
//! | leave | the same, after its last touch of what is behind the door | counts itself off |
//! | close | the owner | refuses whoever comes later, and sleeps until nobody is inside; then what is behind the door may go |
//! | give back | whoever has a key, after its last touch of the door | counts it off; the one that gives back the last frees the door |
//!
//! # What would break a naive version
//! 1. *The count that goes with what it guards.* A handle says where the pool is. Its user comes to count itself as inside when the pool,
//!    and the count in it, has just been freed. So the count outlives the pool, as long as there are handles.
//! 2. *In after the last look.* A visitor finds the door open, the owner closes it and sees nobody, and then the visitor counts itself.
//!    Here both change one word ([`countdown`](super::countdown)): an entry comes before the closing, which then waits for it, or is refused.
//! 3. *Freed twice, or never.* Two give back their keys, and then both look whether any is left. Here the counting itself says
//!    who was last.
//!
//! # Why what is freed is not used any more
//! What is behind the door: every leaving is a release, which the owner's wait acquires. The door itself: every giving back is a release
//! and a read-modify-write, so the last one acquires them all. A key is cut with another one in hand, so the count of keys
//! does not come back from zero, and needs no ordering to go up.
//!
//! Models: `verification/loom/door.rs`, `verification/zoo/wrong_doors.rs`.

use super::countdown::{Countdown, Finished};
use crate::sync::{AtomicU32, RELAXED, ordering_sites};

ordering_sites! {
    "door":
    GIVE_BACK = AcqRel: "release: this key's uses of the door come before it is freed; acquire: the freeing comes after all others' uses";
}

/// The door.
#[derive(Debug)]
pub struct Door {
    inside: Countdown,
    keys: AtomicU32,
}

impl Default for Door {
    fn default() -> Door {
        Door::new()
    }
}

impl Door {
    /// An open door with one key.
    pub fn new() -> Door {
        Door { inside: Countdown::new(), keys: AtomicU32::new(1) }
    }

    /// Counts one key more, for a holder of one.
    pub fn cut_key(&self) {
        self.keys.fetch_add(1, RELAXED);
    }

    /// Enters, by a holder of a key. False: the door is closed, and what was behind it may be gone.
    pub fn enter(&self) -> bool {
        self.inside.add(1, false).is_ok()
    }

    /// Leaves. What is behind the door must not be touched after.
    pub fn leave(&self) -> Finished {
        self.inside.finish(1)
    }

    /// Closes the door, and blocks until nobody is inside.
    pub fn close(&self) {
        self.inside.close();
        self.inside.wait(None);
    }

    /// Gives back a key. True if it was the last: the caller frees the door. False must be the caller's last touch.
    #[must_use = "the last one frees the door"]
    pub fn give_back(&self) -> bool {
        self.keys.fetch_sub(1, site::GIVE_BACK) == 1
    }
}
