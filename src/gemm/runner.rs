//! What the driver asks of a pool, and the caller's own thread as the simplest answer.

use super::blocking::CacheSizes;
use crate::error::Result;
use crate::os::alloc::Allocator;

/// Runs the tiles of a product.
pub trait TileRunner {
    /// How many workers share the tiles, the caller included; at least 1. Decides the size of tiles, never the bits of a result.
    fn workers(&self) -> usize;

    /// Where packing buffers come from. They are taken before C is touched and given back when the product is done.
    fn allocator(&self) -> Allocator;

    /// The caches of a worker.
    fn cache_sizes(&self) -> CacheSizes;

    /// Calls `rounds` once, with a runner on which calls of [`for_each`](Self::for_each) follow each other cheaply: a pool hands over
    /// a worker of its own, which goes on while the others are still awake.
    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()>;

    /// Calls `body(i)` exactly once for every `i` in `0..count`, in any order and on any worker, and returns when all calls
    /// have returned; what they wrote is then visible to the caller. Neighbouring `i` share panels of B: handing each
    /// worker a contiguous run keeps its caches warm. An error of a call is returned, and the calls not yet begun may
    /// then be left out. A `body` of this crate does not fail, but a pool may, for instance when it shuts down.
    fn for_each(&self, count: usize, body: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()>;

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

    fn for_each(&self, count: usize, body: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
        (0..count).try_for_each(body)
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
