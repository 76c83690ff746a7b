//! What holds a pool up, in words: the statistics, and after them a sentence for each thing that stands out.
//!
//! A sentence names the workers, says what was seen and what can be done about it. What the thresholds below do not call out is
//! not worth a sentence.

use super::counters::Distance;
use super::stats::{Stats, Steals, WorkerStats};
use core::fmt;

/// A worker that is busy for at least so large a part of the time has enough to do, in percent.
const BUSY: u64 = 50;
/// A worker that is busy for at most so large a part of what the busiest is has too little to do, in percent.
const IDLE: u64 = 50;
/// So many tasks in one worker's queue are many.
const MANY_QUEUED: u64 = 8;
/// Ratios of fewer events than this mean nothing.
const FEW: u64 = 100;
/// Searching for so large a part of all workers' time is worth a word, in percent.
const MUCH_SEARCHING: u64 = 20;

fn percent(part: u64, whole: u64) -> u64 {
    (u128::from(part) * 100 / u128::from(whole.max(1))).min(100) as u64
}

/// The statistics and what stands out in them. Print it.
#[derive(Debug)]
pub struct Report(Stats);

/// One worker's shares of the time, in percent.
#[derive(Clone, Copy)]
struct Shares {
    worker: usize,
    searching: u64,
    sleeping: u64,
    busy: u64,
}

impl Report {
    pub(super) fn new(stats: Stats) -> Report {
        Report(stats)
    }

    /// What it speaks of.
    pub fn stats(&self) -> &Stats {
        &self.0
    }

    fn shares(&self) -> impl Iterator<Item = (Shares, &WorkerStats)> {
        self.0.workers.iter().enumerate().map(|(worker, stats)| {
            let searching = percent(stats.searching_ns, self.0.elapsed_ns);
            let sleeping = percent(stats.sleeping_ns, self.0.elapsed_ns).min(100 - searching);
            (Shares { worker, searching, sleeping, busy: 100 - searching - sleeping }, stats)
        })
    }

    fn sum(&self, of: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.0.workers.iter().map(of).sum()
    }

    fn steals(&self) -> Steals {
        let all = self.0.workers.iter().map(WorkerStats::all_steals);
        all.fold(Steals::default(), |sum, own| Steals { tried: sum.tried + own.tried, done: sum.done + own.done })
    }

    fn summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, ms) = (self.0.workers.len(), self.0.elapsed_ns / 1_000_000);
        let mean = |of: fn(&Shares) -> u64| self.shares().map(|(own, _)| of(&own)).sum::<u64>() / workers.max(1) as u64;
        let steals = self.steals();
        writeln!(
            f,
            "{workers} workers in {}.{:03} s: {} tasks run, {} forks made public, {} of them stolen; on average busy {} % of the time, searching {} %, asleep {} %.",
            ms / 1000,
            ms % 1000,
            self.0.executed(),
            self.sum(|worker| worker.promoted),
            steals.done,
            mean(|own| own.busy),
            mean(|own| own.searching),
            mean(|own| own.sleeping),
        )
    }

    /// The one that has the least to do beside one that has enough.
    fn write_imbalance(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let idlest = self.shares().min_by_key(|(own, _)| own.busy);
        let busiest = self.shares().max_by_key(|(own, _)| own.busy);
        let (Some((idle, _)), Some((busy, _))) = (idlest, busiest) else { return Ok(false) };
        if busy.busy < BUSY || idle.busy * 100 > busy.busy * IDLE {
            return Ok(false);
        }
        let holder = self
            .shares()
            .filter(|(own, stats)| own.worker != idle.worker && stats.inbox_high_water >= MANY_QUEUED)
            .max_by_key(|(_, stats)| stats.inbox_high_water);
        // Most of its idle time, whichever way it was spent.
        let (did, share) = match idle.searching >= idle.sleeping {
            true => ("searched", idle.searching),
            false => ("slept", idle.sleeping),
        };
        write!(f, "- worker {} {did} {share} % of the time while ", idle.worker)?;
        match holder {
            Some((own, stats)) => writeln!(
                f,
                "worker {} held {} tasks: they could not be taken from it in time. Let workers that wait help, switch stealing on, or bind fewer tasks.",
                own.worker, stats.inbox_high_water
            )?,
            None => writeln!(
                f,
                "worker {} was busy {} % of it: there was nothing to take from it. Cut its work into more tasks or forks.",
                busy.worker, busy.busy
            )?,
        }
        Ok(true)
    }

    fn write_vain_search(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let searching = self.shares().map(|(own, _)| own.searching).sum::<u64>() / self.0.workers.len().max(1) as u64;
        let steals = self.steals();
        let found = searching >= MUCH_SEARCHING && steals.tried >= FEW && steals.done < steals.tried / FEW;
        if found {
            writeln!(
                f,
                "- the workers searched {searching} % of the time, and {} of {} looks into another's deque found a job: there is too little to share. Fork larger pieces, or make do with fewer workers.",
                steals.done, steals.tried
            )?;
        }
        Ok(found)
    }

    fn write_remote_steals(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let remote = self.sum(|worker| worker.steals[Distance::OtherNode as usize].done);
        let all = self.steals().done;
        let found = all >= FEW && remote * 2 > all;
        if found {
            let share = percent(remote, all);
            writeln!(
                f,
                "- {share} % of {all} thefts crossed NUMA nodes: what was stolen worked on memory far away. Submit to each node what its memory holds."
            )?;
        }
        Ok(found)
    }

    fn write_migrations(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let (moved, all) = (self.sum(|worker| worker.migrations), self.0.executed());
        let found = all >= FEW && moved * 2 > all;
        if found {
            let from = self.shares().max_by_key(|(_, stats)| stats.inbox_high_water).map_or(0, |(own, _)| own.worker);
            writeln!(
                f,
                "- {} % of {all} tasks ran on another worker than the one they were queued at, the longest queue being worker {from}'s: submit from several threads, or in batches.",
                percent(moved, all)
            )?;
        }
        Ok(found)
    }

    fn write_full_inbox(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let outside = self.0.executed_outside;
        if outside != 0 {
            writeln!(
                f,
                "- the inbox was full, so that submitting threads ran {outside} tasks themselves: submit more slowly, or make it larger."
            )?;
        }
        Ok(outside != 0)
    }

    fn write_naps(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let (calls, all) = (self.sum(|worker| worker.wakeups), self.0.executed());
        let found = all >= FEW && calls * 2 > all;
        if found {
            writeln!(
                f,
                "- workers were called out of their sleep {calls} times for {all} tasks: each task came alone. Submit batches, or larger tasks."
            )?;
        }
        Ok(found)
    }

    fn write_lost_pins(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let most = self.shares().max_by_key(|(_, stats)| stats.pin_repairs).filter(|(_, stats)| stats.pin_repairs != 0);
        if let Some((own, stats)) = most {
            writeln!(
                f,
                "- worker {} was found off its CPU {} times and put back: somebody changes the process's CPUs.",
                own.worker, stats.pin_repairs
            )?;
        }
        Ok(most.is_some())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary(f)?;
        let mut found = false;
        for write in [
            Report::write_imbalance,
            Report::write_vain_search,
            Report::write_remote_steals,
            Report::write_migrations,
            Report::write_full_inbox,
            Report::write_naps,
            Report::write_lost_pins,
        ] {
            found |= write(self, f)?;
        }
        if !found {
            writeln!(f, "- nothing stands out.")?;
        }
        Ok(())
    }
}
