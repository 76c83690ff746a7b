//! What each worker counts, always: plain loads and stores of words on cache lines of its own, which others only read.
//!
//! # How stale
//! A count is that of a moment ago. It is exact about whatever the reader has waited for: a task is counted as executed before
//! anybody hears that it is done. Times are current to within one round of a search. The length of a worker's shard is looked at
//! when the worker takes a task that somebody holds, at every [`LOOK`]th other one, and by whoever reads the statistics: a mark
//! that was passed between two looks is missed.
//!
//! # What is not counted
//! Private forks. A fork that stays private is a handful of plain stores, and one more instruction for each would cost more than
//! all that is counted here: `docs/investigations/statistics-cost.md`. What became public is counted.

use super::log::{Level, Log, say};
use crate::error::Result;
use crate::os::alloc::{Allocator, Array};
use crate::os::{affinity, clock};
use crate::protocol::CacheLine;
use crate::sync::Count;
use crate::topology::{Placement, Topology};

/// How far the worker is from which another one steals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distance {
    /// On the same core.
    SameCore,
    /// Behind the same L2 or L3 cache.
    SameCache,
    /// In the same NUMA node.
    SameNode,
    /// In another NUMA node.
    OtherNode,
    /// Not known: one of the two is not pinned.
    Unknown,
}

impl Distance {
    /// All of them, nearest first; each is the index of its own place.
    pub const ALL: [Distance; 5] =
        [Distance::SameCore, Distance::SameCache, Distance::SameNode, Distance::OtherNode, Distance::Unknown];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Distance::SameCore => "same core",
            Distance::SameCache => "same cache",
            Distance::SameNode => "same node",
            Distance::OtherNode => "other node",
            Distance::Unknown => "unknown",
        }
    }
}

/// A count for each distance.
pub(crate) type ByDistance<T> = [T; Distance::ALL.len()];

/// After how many tasks that nobody holds a worker looks how long its queue is.
const LOOK: u64 = 64;

/// The sum of the times between starts and stops, in one word, so that a reader finds start and sum of the same moment.
///
/// At rest the word is the sum; while it runs it is the sum less the start. The lowest bit says which, so times are even numbers of
/// nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Count);

impl Stopwatch {
    const RUNS: u64 = 1;

    pub(crate) fn start(&self, now_ns: u64) {
        self.0.set((self.0.get().wrapping_sub(now_ns) & !Stopwatch::RUNS) | Stopwatch::RUNS);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.0.get() & Stopwatch::RUNS != 0
    }

    pub(crate) fn stop(&self, now_ns: u64) {
        self.0.set(self.sum_ns(now_ns));
    }

    /// The sum up to `now_ns`.
    pub(crate) fn sum_ns(&self, now_ns: u64) -> u64 {
        match self.0.get() {
            word if word & Stopwatch::RUNS == 0 => word,
            word => word.wrapping_add(now_ns) & !Stopwatch::RUNS,
        }
    }
}

/// The counts of one worker.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Tasks run to their end.
    pub(crate) executed: Count,
    /// Forked jobs made public.
    pub(crate) promoted: Count,
    /// Public jobs that their owner took back.
    pub(crate) reclaimed: Count,
    /// Looks into another worker's deque, and jobs found there.
    pub(crate) steals_tried: ByDistance<Count>,
    pub(crate) steals_done: ByDistance<Count>,
    /// Tasks taken that were queued at another worker.
    pub(crate) migrations: Count,
    /// Sleeps, and how often somebody called the worker out of one, or on its way into one, because there was work.
    pub(crate) parks: Count,
    pub(crate) wakeups: Count,
    pub(crate) searching: Stopwatch,
    pub(crate) sleeping: Stopwatch,
    pub(crate) deque_high_water: Count,
    pub(crate) inbox_high_water: Count,
    pub(crate) pin_repairs: Count,
}

impl Counters {
    /// Whether it is time to look how long the worker's queue is; `held` says that somebody holds the task just taken.
    #[inline(always)]
    pub(crate) fn is_look_due(&self, held: bool) -> bool {
        held || self.executed.get().is_multiple_of(LOOK)
    }
}

/// Where a worker was placed, in the numbers of its topology.
#[derive(Clone, Copy, Debug)]
struct Place {
    cpu: u32,
    core: u32,
    l2: u32,
    l3: u32,
    node: u32,
}

#[derive(Debug, Default)]
struct Seat {
    counters: CacheLine<Counters>,
    /// Written while the pool is made, and only read after.
    place: Option<Place>,
    /// Set when the system refused the place.
    is_loose: Count,
    /// Set when the worker was found elsewhere and could not be put back.
    is_astray: Count,
}

impl Seat {
    fn place(&self) -> Option<&Place> {
        self.place.as_ref().filter(|_| self.is_loose.get() == 0)
    }
}

/// All workers' counts, and where the workers are.
#[derive(Debug)]
pub(crate) struct Statistics {
    seats: Array<Seat>,
    /// Tasks run to their end by threads that are not workers.
    executed_outside: Count,
    since_ns: u64,
}

impl Statistics {
    /// Counts of workers whose places are not known.
    pub(crate) fn new(allocator: Allocator, workers: usize) -> Result<Statistics> {
        Ok(Statistics {
            seats: Array::from_fn(allocator, workers, |_| Ok(Seat::default()))?,
            executed_outside: Count::default(),
            since_ns: clock::monotonic_ns(),
        })
    }

    /// Says where the workers are going to be.
    pub(crate) fn set_places(&mut self, topology: &Topology, placement: &Placement) {
        for (seat, &number) in self.seats.iter_mut().zip(placement.cpus.iter()) {
            seat.place = topology.cpu(number).map(|cpu| Place {
                cpu: cpu.number,
                core: cpu.core,
                l2: cpu.l2,
                l3: cpu.l3,
                node: cpu.node,
            });
        }
    }

    /// Says that the system refused a worker its place.
    pub(crate) fn set_loose(&self, worker: usize) {
        self.seats[worker].is_loose.set(1);
    }

    /// Where the worker is pinned.
    pub(crate) fn cpu(&self, worker: usize) -> Option<u32> {
        self.seats[worker].place().map(|place| place.cpu)
    }

    pub(crate) fn of(&self, worker: usize) -> &Counters {
        &self.seats[worker].counters
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.seats.len()
    }

    /// How far `victim` is from `thief`.
    pub(crate) fn distance(&self, thief: usize, victim: usize) -> Distance {
        match (self.seats[thief].place(), self.seats[victim].place()) {
            (Some(a), Some(b)) if a.core == b.core => Distance::SameCore,
            (Some(a), Some(b)) if a.l2 == b.l2 || a.l3 == b.l3 => Distance::SameCache,
            (Some(a), Some(b)) if a.node == b.node => Distance::SameNode,
            (Some(_), Some(_)) => Distance::OtherNode,
            _ => Distance::Unknown,
        }
    }

    /// Adds what a thread from outside ran.
    pub(crate) fn add_outside(&self, counters: &Counters) {
        self.executed_outside.add_shared(counters.executed.get());
    }

    pub(crate) fn executed_outside(&self) -> u64 {
        self.executed_outside.get()
    }

    /// When the counting began.
    pub(crate) fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Puts the worker, which is the calling thread, back on its CPU if it finds itself on another: taking a CPU offline and
    /// changing a cpuset both widen a pin without a word.
    pub(crate) fn repair_pin(&self, worker: usize, log: Option<Log>) {
        let Some(cpu) = self.cpu(worker) else { return };
        let Some(current) = affinity::current_cpu().ok().filter(|&current| current != cpu) else { return };
        let astray = &self.seats[worker].is_astray;
        match affinity::pin_to_cpu(cpu) {
            Ok(()) => {
                self.of(worker).pin_repairs.add(1);
                astray.set(0);
                say(
                    log,
                    Level::Info,
                    format_args!("worker {worker} had strayed to CPU {current} and is back on CPU {cpu}"),
                );
            }
            // A CPU that cannot be had now may come back: then a later look finds it.
            Err(error) if astray.get() == 0 => {
                astray.set(1);
                say(log, Level::Warning, format_args!("worker {worker} has strayed to CPU {current}: {error}"));
            }
            Err(_) => {}
        }
    }
}
