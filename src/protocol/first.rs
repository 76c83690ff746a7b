//! Keeps the first of several offers: the failure that a group or a loop reports.
//!
//! # States
//! *Empty*, then *taken*. Whoever makes the change writes the value; everybody else's offer is handed back.
//!
//! # What would break a naive version
//! Reading while the winner still writes. So the value is read only after all who might offer are known to be done, by a
//! [`countdown`](super::countdown) or a [`completion`](super::completion) that each of them finished after its offer. Those
//! also order the writing before the reading, and here relaxed will do.
//!
//! Models: `verification/loom/first.rs`.

use crate::sync::{AtomicU32, RELAXED, UnsafeCell};

/// A place for the first of several values.
#[derive(Debug)]
pub struct First<T> {
    taken: AtomicU32,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value moves from the one winner to the one reader.
unsafe impl<T: Send> Send for First<T> {}
// SAFETY: as above; see the module text for why they never meet.
unsafe impl<T: Send> Sync for First<T> {}

impl<T> Default for First<T> {
    fn default() -> First<T> {
        First::new()
    }
}

impl<T> First<T> {
    /// An empty place.
    pub fn new() -> First<T> {
        First { taken: AtomicU32::new(0), value: UnsafeCell::new(None) }
    }

    /// Keeps the value if it is the first.
    pub fn offer(&self, value: T) {
        if self.taken.swap(1, RELAXED) == 0 {
            // SAFETY: only the first comes here, and readers wait for it.
            self.value.with_mut(|place| unsafe { *place = Some(value) });
        }
    }

    /// Whether something was offered. A hint: it may be late, and says nothing about the value being written.
    #[inline]
    pub fn is_taken(&self) -> bool {
        self.taken.load(RELAXED) != 0
    }

    /// Takes the value out and empties the place.
    ///
    /// # Safety
    /// Everybody who might offer is done, and the caller knows it through an acquire.
    pub unsafe fn take(&self) -> Option<T> {
        self.taken.store(0, RELAXED);
        // SAFETY: by contract nobody else is here.
        self.value.with_mut(|place| unsafe { (*place).take() })
    }
}
