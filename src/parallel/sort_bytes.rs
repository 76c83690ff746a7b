//! Sorting items of a size that only the running program knows, as C programs have them.

use super::sort::{Items, sort_in};
use crate::error::{Result, error};
use crate::pool::Pool;
use core::cmp::Ordering;
use core::ptr;

/// Up to this many items are sorted by insertion.
const INSERTION_LENGTH: usize = 16;

/// As [`sort_by`](super::sort_by), for `count` items of `size` bytes from `first` on. `compare` gets pointers into the array alone.
///
/// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for items without bytes,
/// [`Overflow`](crate::error::Status::Overflow) for more bytes than there can be, and those of [`sort_by`](super::sort_by).
///
/// # Safety
/// If both numbers are sound, there are `count * size` bytes at `first`, which nobody else uses meanwhile, and which may
/// be moved in pieces of `size` and used by any thread.
pub(crate) unsafe fn sort_bytes<C>(
    pool: Option<&Pool>,
    first: *mut u8,
    count: usize,
    size: usize,
    compare: C,
) -> Result<()>
where
    C: Fn(*const u8, *const u8) -> Ordering + Sync,
{
    if size == 0 {
        return Err(error!(InvalidArgument, "items of 0 bytes were to be sorted; pass the size of one"));
    }
    if count.checked_mul(size).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(error!(Overflow, "{count} items of {size} bytes do not fit the address space"));
    }
    sort_in(pool, Bytes { first, count, size, compare: &compare })
}

struct Bytes<'a, C> {
    first: *mut u8,
    count: usize,
    size: usize,
    compare: &'a C,
}

// SAFETY: the items may be used by any thread, and no two of these have an item in common.
unsafe impl<C: Sync> Send for Bytes<'_, C> {}

impl<C: Fn(*const u8, *const u8) -> Ordering + Sync> Bytes<'_, C> {
    #[inline(always)]
    fn at(&self, index: usize) -> *mut u8 {
        debug_assert!(index < self.count);
        // SAFETY: within the array.
        unsafe { self.first.add(index * self.size) }
    }

    fn sort_by_insertion(&mut self) {
        for end in 1..self.count {
            let mut at = end;
            while at > 0 && self.is_less(at, at - 1) {
                self.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    /// Williams, *Algorithm 232: Heapsort*, CACM 7(6), 1964: never fast, and never slow.
    fn sort_by_heap(&mut self) {
        for root in (0..self.count / 2).rev() {
            self.sift_down(root, self.count);
        }
        for end in (1..self.count).rev() {
            self.swap(0, end);
            self.sift_down(0, end);
        }
    }

    fn sift_down(&mut self, mut root: usize, end: usize) {
        while root < end / 2 {
            let mut child = 2 * root + 1;
            child += usize::from(child + 1 < end && self.is_less(child, child + 1));
            if !self.is_less(root, child) {
                break;
            }
            self.swap(root, child);
            root = child;
        }
    }
}

impl<C: Fn(*const u8, *const u8) -> Ordering + Sync> Items for Bytes<'_, C> {
    const SERIAL_LENGTH: usize = INSERTION_LENGTH;

    fn len(&self) -> usize {
        self.count
    }

    #[inline(always)]
    fn is_less(&self, a: usize, b: usize) -> bool {
        (self.compare)(self.at(a), self.at(b)).is_lt()
    }

    #[inline(always)]
    fn swap(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        let (a, b) = (self.at(a), self.at(b));
        // SAFETY: two items of this array, which do not overlap.
        unsafe {
            match self.size {
                4 => ptr::swap_nonoverlapping(a.cast::<[u8; 4]>(), b.cast(), 1),
                8 => ptr::swap_nonoverlapping(a.cast::<[u8; 8]>(), b.cast(), 1),
                16 => ptr::swap_nonoverlapping(a.cast::<[u8; 16]>(), b.cast(), 1),
                size => ptr::swap_nonoverlapping(a, b, size),
            }
        }
    }

    #[inline(always)]
    fn partition(&mut self, start: usize, pivot: usize, equal_too: bool) -> usize {
        let mut end = start;
        for i in start..self.count {
            let is_first = if equal_too { !self.is_less(pivot, i) } else { self.is_less(i, pivot) };
            self.swap(end, i);
            end += usize::from(is_first);
        }
        end
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        debug_assert!(middle <= self.count);
        // SAFETY: at most one past the last item.
        let first = unsafe { self.first.add(middle * self.size) };
        (Bytes { count: middle, ..self }, Bytes { first, count: self.count - middle, ..self })
    }

    fn sort_serially(mut self) {
        match self.count {
            ..=INSERTION_LENGTH => self.sort_by_insertion(),
            _ => self.sort_by_heap(),
        }
    }
}
