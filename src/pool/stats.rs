//! The statistics of a pool as its user reads them: plain numbers, taken at one moment.

use super::core::Core;
use super::counters::{ByDistance, Counters, Distance};
use super::report::Report;
use crate::error::Result;
use crate::os::alloc::List;
use crate::os::clock;

/// Looks into other workers' deques.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steals {
    /// How many there were.
    pub tried: u64,
    /// How many found a job.
    pub done: u64,
}

/// What one worker has done. Times are in nanoseconds; what is left of the whole time, the worker was busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// The CPU it is pinned to.
    pub cpu: Option<u32>,
    /// Submitted tasks that it has run to their end.
    pub executed: u64,
    /// Forked jobs that it has made public. Those that stayed private are not counted.
    pub promoted: u64,
    /// Public jobs that it took back itself, which nobody had stolen.
    pub reclaimed: u64,
    /// Its thefts of forked jobs, by how far the victim was: see [`Distance::ALL`].
    pub steals: ByDistance<Steals>,
    /// Tasks it took that were queued at another worker.
    pub migrations: u64,
    /// How often it went to sleep.
    pub parks: u64,
    /// How often it was called because there was work.
    pub wakeups: u64,
    /// For how long it looked for work.
    pub searching_ns: u64,
    /// For how long it slept.
    pub sleeping_ns: u64,
    /// How many tasks are queued at it now.
    pub queued: u64,
    /// The most tasks that were seen queued at it.
    pub inbox_high_water: u64,
    /// The most public jobs it had at a time.
    pub deque_high_water: u64,
    /// How often it was found on another CPU than its own, and was put back.
    pub pin_repairs: u64,
}

impl WorkerStats {
    fn read(counters: &Counters, cpu: Option<u32>, queued: u64, now_ns: u64) -> WorkerStats {
        let tried = counters.steals_tried.each_ref().map(|count| count.get());
        WorkerStats {
            cpu,
            executed: counters.executed.get(),
            promoted: counters.promoted.get(),
            reclaimed: counters.reclaimed.get(),
            steals: Distance::ALL
                .map(|at| Steals { tried: tried[at as usize], done: counters.steals_done[at as usize].get() }),
            migrations: counters.migrations.get(),
            parks: counters.parks.get(),
            wakeups: counters.wakeups.get(),
            searching_ns: counters.searching.sum_ns(now_ns),
            sleeping_ns: counters.sleeping.sum_ns(now_ns),
            queued,
            inbox_high_water: counters.inbox_high_water.get().max(queued),
            deque_high_water: counters.deque_high_water.get(),
            pin_repairs: counters.pin_repairs.get(),
        }
    }

    /// All its thefts.
    pub fn all_steals(&self) -> Steals {
        self.steals
            .iter()
            .fold(Steals::default(), |sum, at| Steals { tried: sum.tried + at.tried, done: sum.done + at.done })
    }

    fn since(&self, earlier: &WorkerStats) -> WorkerStats {
        let mut steals = self.steals;
        for (now, before) in steals.iter_mut().zip(&earlier.steals) {
            now.tried = now.tried.saturating_sub(before.tried);
            now.done = now.done.saturating_sub(before.done);
        }
        WorkerStats {
            executed: self.executed.saturating_sub(earlier.executed),
            promoted: self.promoted.saturating_sub(earlier.promoted),
            reclaimed: self.reclaimed.saturating_sub(earlier.reclaimed),
            steals,
            migrations: self.migrations.saturating_sub(earlier.migrations),
            parks: self.parks.saturating_sub(earlier.parks),
            wakeups: self.wakeups.saturating_sub(earlier.wakeups),
            searching_ns: self.searching_ns.saturating_sub(earlier.searching_ns),
            sleeping_ns: self.sleeping_ns.saturating_sub(earlier.sleeping_ns),
            pin_repairs: self.pin_repairs.saturating_sub(earlier.pin_repairs),
            ..*self
        }
    }
}

/// What the workers of a pool have done.
#[derive(Debug)]
pub struct Stats {
    /// For how long, in nanoseconds.
    pub elapsed_ns: u64,
    /// Tasks run to their end by threads that are not workers, because the inbox was full.
    pub executed_outside: u64,
    /// Each worker's part.
    pub workers: List<WorkerStats>,
}

impl Stats {
    pub(super) fn read(core: &Core) -> Result<Stats> {
        let statistics = core.statistics();
        let now_ns = clock::monotonic_ns();
        let mut workers = List::with_capacity(core.allocator(), statistics.workers())?;
        for worker in 0..statistics.workers() {
            let queued = core.inbox().len(worker) as u64;
            workers.push(WorkerStats::read(statistics.of(worker), statistics.cpu(worker), queued, now_ns))?;
        }
        Ok(Stats {
            elapsed_ns: now_ns.saturating_sub(statistics.since_ns()),
            executed_outside: statistics.executed_outside(),
            workers,
        })
    }

    /// How many tasks were run to their end.
    pub fn executed(&self) -> u64 {
        self.executed_outside + self.workers.iter().map(|worker| worker.executed).sum::<u64>()
    }

    /// What was done since `earlier`, an earlier reading of the same pool. High-water marks stay those of the pool's whole life.
    #[must_use]
    pub fn since(mut self, earlier: &Stats) -> Stats {
        self.elapsed_ns = self.elapsed_ns.saturating_sub(earlier.elapsed_ns);
        self.executed_outside = self.executed_outside.saturating_sub(earlier.executed_outside);
        for (now, before) in self.workers.iter_mut().zip(earlier.workers.iter()) {
            *now = now.since(before);
        }
        self
    }

    /// What held the pool up, in words.
    pub fn report(self) -> Report {
        Report::new(self)
    }
}
