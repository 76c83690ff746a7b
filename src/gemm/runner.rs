//! What the driver asks of a pool, and the caller's own thread as the simplest answer.

use super::blocking::CacheSizes;
use crate::error::Result;
use crate::os::alloc::{Allocator, RawBuffer};
use crate::os::pages::Pages;
use crate::pool::kept::Loan;

/// Memory for packed panels. Dropping gives it back.
#[derive(Debug)]
pub enum Packing<'a> {
    /// From an allocator.
    Heap(RawBuffer),
    /// What others packed into before, and others will again.
    Kept(Loan<'a>),
    /// Pages that nobody has written: each goes to the node of the worker that packs into it first.
    Fresh(Pages),
}

impl Packing<'_> {
    /// The first byte, at a multiple of 64.
    pub fn as_ptr(&self) -> *mut u8 {
        match self {
            Packing::Heap(buffer) => buffer.as_ptr(),
            Packing::Kept(loan) => loan.as_ptr(),
            Packing::Fresh(pages) => pages.start().as_ptr(),
        }
    }

    /// How many bytes there are at least.
    pub fn size(&self) -> usize {
        match self {
            Packing::Heap(buffer) => buffer.size(),
            Packing::Kept(loan) => loan.size(),
            Packing::Fresh(pages) => pages.bytes(),
        }
    }
}

/// Runs the tiles of a product.
pub trait TileRunner {
    /// How many workers share the tiles, the caller included; at least 1. Decides the size of tiles, never the bits of a result.
    fn workers(&self) -> usize;

    /// Where packing buffers come from. They are taken before C is touched and given back when the product is done.
    fn allocator(&self) -> Allocator;

    /// How many seats there are for those who run tiles; see [`for_each_seated`](Self::for_each_seated).
    fn seats(&self) -> usize {
        self.workers()
    }

    /// Memory of which each seat packs into a part of its own.
    ///
    /// # Errors
    /// `OutOfMemory`; `Overflow`.
    fn packing(&self, bytes: usize) -> Result<Packing<'_>> {
        RawBuffer::new(self.allocator(), bytes, 64).map(Packing::Heap)
    }

    /// The caches of a worker.
    fn cache_sizes(&self) -> CacheSizes;

    /// Calls `rounds` once, with a runner on which calls of [`for_each`](Self::for_each) follow each other cheaply: on a worker, its pool
    /// as that worker sees it.
    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()>;

    /// Calls `body(seat, i)` exactly once for every `i` in `0..count`, in any order and on any worker, and returns when all calls
    /// have returned; what they wrote is then visible to the caller. `seat` is below [`seats`](Self::seats), and no two calls have the same
    /// one at a time. Neighbouring `i` share panels of B: handing each
    /// worker a contiguous run keeps its caches warm. An error of a call is returned, and the calls not yet begun may
    /// then be left out. A `body` of this crate does not fail, but a pool may, for instance when it shuts down.
    fn for_each_seated(&self, count: usize, body: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()>;

    /// As [`for_each_seated`](Self::for_each_seated), for who does not ask for seats.
    fn for_each(&self, count: usize, body: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
        self.for_each_seated(count, &|_, i| body(i))
    }

    /// Calls both, and returns when both have returned, with the error of the first if both fail. A pool calls the second on another
    /// worker if one has time, meanwhile; else, and without a pool, it comes after the first.
    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()>;
}

/// Runs every tile in order on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial {
    /// Where packing buffers come from.
    pub allocator: Allocator,
    /// The caches of this CPU.
    pub cache_sizes: CacheSizes,
}

impl TileRunner for Serial {
    fn workers(&self) -> usize {
        1
    }

    fn allocator(&self) -> Allocator {
        self.allocator
    }

    fn cache_sizes(&self) -> CacheSizes {
        self.cache_sizes
    }

    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
        rounds(self)
    }

    fn for_each_seated(&self, count: usize, body: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
        (0..count).try_for_each(|i| body(0, i))
    }

    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        first(self)?;
        second()
    }
}
