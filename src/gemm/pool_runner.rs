//! The tiles of a product as pieces of a loop on a pool.

use super::blocking::CacheSizes;
use super::runner::TileRunner;
use crate::error::Result;
use crate::os::alloc::Allocator;
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
        self.run(|worker| rounds(&OnWorker { pool: self, worker }))
    }

    fn for_each(&self, count: usize, body: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
        self.enter(&|tiles| tiles.for_each(count, body))
    }

    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        self.enter(&|tiles| tiles.both(first, second))
    }
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

    fn for_each(&self, count: usize, body: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
        for_range_on(self.worker, 0..count, 1, |_, mut piece| piece.try_for_each(body))
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
