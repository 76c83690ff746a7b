//! Memory that forks write to in parts that do not overlap, which the recursion sees to and the compiler cannot.

use std::cell::UnsafeCell;

/// A pointer into [`Cells`] that goes along with forks.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) *mut T);

impl<T> Clone for At<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for At<T> {}

// SAFETY: what it points to is written by one fork at a time; each use says why.
unsafe impl<T: Send> Send for At<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for At<T> {}

impl<T> At<T> {
    /// The place `count` elements on, within the same cells.
    #[inline(always)]
    pub(super) fn plus(self, count: usize) -> At<T> {
        At(self.0.wrapping_add(count))
    }
}

/// The memory.
pub(super) struct Cells<T>(Box<[UnsafeCell<T>]>);

// SAFETY: reached through `At`, whose users keep to parts of their own.
unsafe impl<T: Send> Sync for Cells<T> {}

impl<T> Cells<T> {
    pub(super) fn from_fn(count: usize, value: impl FnMut(usize) -> T) -> Cells<T> {
        Cells((0..count).map(value).map(UnsafeCell::new).collect())
    }

    pub(super) fn start(&self) -> At<T> {
        At(UnsafeCell::raw_get(self.0.as_ptr()))
    }

    /// All of it.
    ///
    /// # Safety
    /// Nobody writes as long as the slice is in use.
    pub(super) unsafe fn as_slice(&self) -> &[T] {
        // SAFETY: a cell is laid out as what it holds, and by contract nobody writes.
        unsafe { std::slice::from_raw_parts(self.start().0, self.0.len()) }
    }
}
