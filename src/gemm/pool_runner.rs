//! The tiles of a product as pieces of a loop on a pool.

use super::blocking::CacheSizes;
use super::runner::{Packing, TileRunner};
use crate::error::Result;
use crate::os::alloc::{Allocator, RawBuffer};
use crate::os::pages::Pages;
use crate::parallel::crew::for_each_with_caller;
use crate::parallel::for_range_on;
use crate::pool::{Pool, Worker};
use crate::topology::{Cache, Caches};

impl From<Caches> for CacheSizes {
    /// Each cache by one core's share.
    fn from(caches: Caches) -> CacheSizes {
        let share = |cache: Option<Cache>| {
            cache
                .map_or(0, |cache| usize::try_from(cache.bytes / u64::from(cache.sharers.max(1))).unwrap_or(usize::MAX))
        };
        CacheSizes { l1d: share(caches.l1d), l2: share(caches.l2), l3: share(caches.l3) }
    }
}

impl TileRunner for Pool {
    fn workers(&self) -> usize {
        Pool::workers(self)
    }

    fn allocator(&self) -> Allocator {
        Pool::allocator(self)
    }

    fn cache_sizes(&self) -> CacheSizes {
        Pool::caches(self).into()
    }

    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
        if takes_part(self) { rounds(self) } else { on_worker(self, rounds) }
    }

    fn seats(&self) -> usize {
        // One for a thread from outside, which may run a whole product in a task.
        Pool::workers(self) + 1
    }

    fn packing(&self, bytes: usize) -> Result<Packing<'_>> {
        if !self.core().plots().is_empty()
            && let Ok(pages) = Pages::map(bytes)
        {
            // A huge page may be of two seats, and is there as a whole at the first write.
            pages.advise_huge(false);
            return Ok(Packing::Fresh(pages));
        }
        // What a program allocates itself it may expect back.
        if !Pool::allocator(self).is_system() {
            return RawBuffer::new(Pool::allocator(self), bytes, 64).map(Packing::Heap);
        }
        self.kept().take(bytes, 64).map(Packing::Kept)
    }

    fn for_each_seated(&self, count: usize, body: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
        if takes_part(self) {
            return for_each_with_caller(self.core(), Pool::workers(self).min(count), count, body);
        }
        on_worker(self, &|tiles| tiles.for_each_seated(count, body))
    }

    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        on_worker(self, &|tiles| tiles.both(first, second))
    }
}

/// Whether the calling thread computes beside the workers. One of the pool's is one of them, and the maker of a pool becomes one.
fn takes_part(pool: &Pool) -> bool {
    pool.core().current_worker().is_none() && !pool.core().is_made_here()
}

fn on_worker(pool: &Pool, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
    pool.run(|worker| rounds(&OnWorker { pool, worker }))
}

/// The workers of a pool, as one of them sees it.
struct OnWorker<'a> {
    pool: &'a Pool,
    worker: &'a Worker,
}

impl TileRunner for OnWorker<'_> {
    fn workers(&self) -> usize {
        self.pool.workers()
    }

    fn allocator(&self) -> Allocator {
        self.pool.allocator()
    }

    fn cache_sizes(&self) -> CacheSizes {
        self.pool.cache_sizes()
    }

    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
        rounds(self)
    }

    fn seats(&self) -> usize {
        self.pool.seats()
    }

    fn packing(&self, bytes: usize) -> Result<Packing<'_>> {
        self.pool.packing(bytes)
    }

    fn for_each_seated(&self, count: usize, body: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
        let last = self.seats() - 1;
        // A call neither forks nor waits, so that a worker is in one at a time. Of guests only this worker can be one.
        for_range_on(self.worker, 0..count, 1, |worker, mut piece| {
            piece.try_for_each(|i| body(worker.index().min(last), i))
        })
    }

    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        let pool = self.pool;
        let (done, meanwhile) = self.worker.join(|worker| first(&OnWorker { pool, worker }), |_| second());
        done.and(meanwhile)
    }
}
