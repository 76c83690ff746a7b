//! Memory that is kept from one use to the next, since pages which the system hands out anew cost more than what is done in them: to pack
//! a matrix of 8 MiB into fresh pages takes five times as long as into pages that are there.
//!
//! The pieces lie in a queue of two places. Who needs memory takes one out, which is then nobody else's; what comes back and finds no place
//! is freed, and so is a piece that is too small for who took it out. So a pool keeps two pieces at most, of which each was as large
//! as something that was asked for.

use crate::error::Result;
use crate::os::alloc::{Allocator, Owned, RawBuffer};
use crate::protocol::queue::Shard;

/// Kept memory of one allocator.
#[derive(Debug)]
pub(crate) struct Kept {
    pieces: Shard<RawBuffer>,
    allocator: Allocator,
}

/// Memory on loan. Goes back when dropped.
#[derive(Debug)]
pub struct Loan<'a> {
    /// `None` only while it is dropped.
    piece: Option<Owned<RawBuffer>>,
    home: &'a Kept,
}

impl Kept {
    /// Nothing, so far.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn new(allocator: Allocator) -> Result<Kept> {
        Ok(Kept { pieces: Shard::new(allocator, 2)?, allocator })
    }

    /// At least so many bytes at a multiple of `align`, a power of two of which all who take ask for the same.
    ///
    /// # Errors
    /// `OutOfMemory`; `Overflow`.
    pub(crate) fn take(&self, bytes: usize, align: usize) -> Result<Loan<'_>> {
        let piece = match self.pop() {
            Some(piece) if piece.size() >= bytes => piece,
            // What is too small goes before more is asked for.
            too_small => {
                drop(too_small);
                Owned::new(self.allocator, RawBuffer::new(self.allocator, bytes, align)?)?
            }
        };
        Ok(Loan { piece: Some(piece), home: self })
    }

    fn pop(&self) -> Option<Owned<RawBuffer>> {
        // SAFETY: only `into_raw` of such a piece goes into the queue, and each comes out once.
        self.pieces.pop().map(|piece| unsafe { Owned::from_raw(self.allocator, piece) })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

impl Loan<'_> {
    /// The first byte.
    pub fn as_ptr(&self) -> *mut u8 {
        self.piece.as_ref().map_or(core::ptr::null_mut(), |piece| piece.as_ptr())
    }

    /// How many bytes there are at least.
    pub fn size(&self) -> usize {
        self.piece.as_ref().map_or(0, |piece| piece.size())
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(piece) = self.piece.take()
            && let Err(piece) = self.home.pieces.push(Owned::into_raw(piece))
        {
            // SAFETY: it was made by `into_raw` just now, and the queue did not take it.
            drop(unsafe { Owned::from_raw(self.home.allocator, piece) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::sync::IS_CHECKED;
    use core::ffi::c_void;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    unsafe extern "C-unwind" fn allocate(live: *mut c_void, size: usize, align: usize) -> *mut c_void {
        // SAFETY: the tests pass a counter that outlives the allocator.
        unsafe { &*live.cast::<AtomicUsize>() }.fetch_add(1, Ordering::Relaxed);
        let layout = std::alloc::Layout::from_size_align(size, align).unwrap();
        // SAFETY: nothing is asked for that is empty.
        unsafe { std::alloc::alloc(layout) }.cast()
    }

    unsafe extern "C-unwind" fn free(live: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
        // SAFETY: as above.
        unsafe { &*live.cast::<AtomicUsize>() }.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: it was allocated with this layout.
        unsafe { std::alloc::dealloc(memory.cast(), std::alloc::Layout::from_size_align(size, align).unwrap()) };
    }

    fn counting(live: &AtomicUsize) -> Allocator {
        // SAFETY: the counter outlives what is made with it, and the functions do what they must.
        unsafe { Allocator::from_host(allocate, free, core::ptr::from_ref(live).cast_mut().cast()) }
    }

    #[test]
    fn what_comes_back_is_used_again_and_freed_at_the_end() {
        if IS_CHECKED {
            return;
        }
        let live = AtomicUsize::new(0);
        let kept = Kept::new(counting(&live)).unwrap();
        let empty = live.load(Ordering::Relaxed);
        let first = kept.take(1000, 64).unwrap().as_ptr();
        let less = kept.take(500, 64).unwrap();
        assert_eq!((less.as_ptr(), less.size()), (first, 1000));
        let other = kept.take(500, 64).unwrap();
        assert_ne!(other.as_ptr(), first);
        drop((less, other));
        let more = kept.take(2000, 64).unwrap();
        assert!(more.size() >= 2000 && more.as_ptr().addr().is_multiple_of(64));
        drop(more);
        assert_eq!(live.load(Ordering::Relaxed), empty + 2 * 2, "two pieces and what holds them");
        drop(kept);
        assert_eq!(live.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_third_piece_is_freed_when_it_comes_back() {
        if IS_CHECKED {
            return;
        }
        let live = AtomicUsize::new(0);
        let kept = Kept::new(counting(&live)).unwrap();
        let empty = live.load(Ordering::Relaxed);
        let loans: Vec<Loan> = (0..5).map(|_| kept.take(100, 64).unwrap()).collect();
        drop(loans);
        assert_eq!(live.load(Ordering::Relaxed), empty + 2 * 2);
        assert_eq!(kept.take(usize::MAX, 64).map(|_| ()).unwrap_err().status(), Status::Overflow);
    }

    #[test]
    fn no_two_have_the_same_piece_at_a_time() {
        if IS_CHECKED {
            return;
        }
        let kept = Kept::new(Allocator::SYSTEM).unwrap();
        thread::scope(|scope| {
            for mark in 1..=4u8 {
                let kept = &kept;
                scope.spawn(move || {
                    for _ in 0..if cfg!(miri) { 20 } else { 2000 } {
                        let loan = kept.take(64, 64).unwrap();
                        // SAFETY: the loan is this thread's, and has so many bytes.
                        unsafe { loan.as_ptr().write_bytes(mark, 64) };
                        thread::yield_now();
                        // SAFETY: as above; all of it was just written.
                        let bytes = unsafe { core::slice::from_raw_parts(loan.as_ptr(), 64) };
                        assert!(bytes.iter().all(|byte| *byte == mark));
                    }
                });
            }
        });
    }
}
