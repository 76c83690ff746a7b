//! Memory for closures that all end together: one place after the other, in chunks that are given back as a whole.

use crate::error::Result;
use crate::os::alloc::{Allocator, List, RawBuffer};
use core::alloc::Layout;
use core::ptr::NonNull;

/// The first chunk has so many bytes, and each further one twice as many as the one before, up to the largest.
const FIRST_CHUNK: usize = 1 << 10;
const LARGEST_CHUNK: usize = 1 << 16;
/// Chunks are aligned for what most closures hold; what needs more gets it within.
const CHUNK_ALIGN: usize = 16;

/// The memory. What lies in it must have ended before it does.
#[derive(Debug)]
pub(super) struct Arena {
    chunks: List<RawBuffer>,
    /// How much of the newest chunk is taken.
    used: usize,
    allocator: Allocator,
}

impl Arena {
    pub(super) fn new(allocator: Allocator) -> Arena {
        Arena { chunks: List::new(allocator), used: 0, allocator }
    }

    /// A place for a `T`, aligned for it and not written. It stays where it is as long as the arena is there.
    pub(super) fn place<T>(&mut self) -> Result<NonNull<T>> {
        let layout = Layout::new::<T>();
        if let Some(place) = self.place_in_newest(layout) {
            return Ok(place.cast());
        }
        let size = self.chunks.last().map_or(FIRST_CHUNK, |newest| LARGEST_CHUNK.min(newest.size() * 2));
        self.chunks.reserve(1)?;
        self.chunks.push(RawBuffer::new(self.allocator, size.max(layout.size() + layout.align()), CHUNK_ALIGN)?)?;
        self.used = 0;
        // There is room now.
        Ok(self.place_in_newest(layout).map_or(NonNull::dangling(), NonNull::cast))
    }

    fn place_in_newest(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let chunk = self.chunks.last()?;
        let base = chunk.as_ptr();
        let start = (base.addr() + self.used).next_multiple_of(layout.align()) - base.addr();
        let end = start + layout.size();
        if end > chunk.size() {
            return None;
        }
        self.used = end;
        // SAFETY: within the chunk, or at its end if the size is 0.
        NonNull::new(unsafe { base.add(start) })
    }
}
