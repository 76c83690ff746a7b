//! Where queued tasks lie, and in which order a worker takes them.
//!
//! A pool has a shard for each worker in each of four lanes, one lane for each priority, and beside them the same for tasks that are
//! bound: a shard for each worker, then one for each node that has workers. Whoever takes a task goes down the lanes, and in each
//! lane first to what is bound to it, then to its own shard, then to the others'. So priorities hold across the pool, not just
//! within one worker.
//!
//! # Nobody waits for ever
//! Taken strictly, an urgent lane that never runs empty would starve the others, and a shard whose worker is busy for
//! an hour would starve behind the others'. So every [`FAIR_TURN`]th take of a worker begins with one lane of one shard, and
//! goes through all of them in turn. A task that is first in its shard is thus passed over at most `FAIR_TURN * lanes * shards` times
//! by each worker that may take it, where `lanes` counts those ever used, and `shards` the workers, the places of bound
//! tasks and the queue into which workers [shed](super::shed); a task with `n` before it in its shard, `n + 1` times as often. Where there is one lane and one shard, nothing changes.

use super::balance::{Balance, InboxMode};
use super::detached::Entry;
use super::options::Priority;
use super::reserve::Progress;
use super::seats::{Reach, Seats};
use super::worker::GUEST;
use crate::error::Result;
use crate::os::alloc::{Allocator, Owned};
use crate::protocol::CacheLine;
use crate::protocol::lanes::{LaneSet, Lanes};
use crate::protocol::run_queue::{Growth, RunQueue};
use crate::protocol::sharded::ShardedQueue;
use crate::protocol::shedding::ShedQueue;
use crate::sync::{Hint, IS_CHECKED, thread_slot};
use core::ptr::NonNull;

/// Every so many takes, a worker begins with another lane and shard than the most urgent of its own.
pub const FAIR_TURN: u32 = if IS_CHECKED { 4 } else { 16 };
/// A shard of bound tasks holds at most so many.
const MOST_BOUND: usize = 256;
/// The queue into which workers shed has a shard for each worker, but at most so many, of so many places each.
const MOST_SHED_SHARDS: usize = 8;
const SHED_PLACES: usize = if IS_CHECKED { 2 } else { 64 };
/// The lanes of other priorities than the usual one hold this part of what that one holds.
const SIDE_LANE: usize = 4;

/// Where a task is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) priority: Priority,
    pub(crate) reach: Reach,
}

impl Destination {
    /// That of a task of which nothing was asked.
    pub(crate) const USUAL: Destination = Destination { priority: Priority::Normal, reach: Reach::Everyone };
}

/// How a worker looks for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In the order that suits it.
    Usual,
    /// For one lane of one shard, whose turn it is.
    Fair,
}

/// A task that was taken, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) entry: NonNull<Entry>,
    pub(crate) from: Destination,
    /// The other worker in whose shard it lay, or [`GUEST`] if it was shed by one.
    pub(crate) moved_from: Option<usize>,
}

/// The queues of a pool's tasks: a lane for each priority, and after them the same for bound tasks.
#[derive(Debug)]
pub(crate) struct Inbox {
    lanes: Lanes<Entry>,
    mode: Hint,
    /// Whose turn it is when tasks are dealt.
    next: CacheLine<Hint>,
    workers: usize,
    /// The first of them have threads for good.
    own: usize,
    /// Into which workers shed tasks of the usual priority.
    shed: Option<Owned<ShedQueue<Entry>>>,
}

/// How many tasks of the usual priority a shard has room for: at first, and at most, after it has grown. Both are powers of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) capacity: usize,
    pub(crate) limit: usize,
    pub(crate) growth: Growth,
}

/// How many priorities there are, and the first lane of bound tasks.
const PRIORITIES: usize = Priority::Max as usize + 1;

impl Inbox {
    /// Queues for so many workers, of whom `own` have threads for good, in so many nodes.
    pub(crate) fn new(
        allocator: Allocator,
        workers: usize,
        own: usize,
        nodes: usize,
        room: Room,
        balance: &Balance,
    ) -> Result<Inbox> {
        let Room { capacity, limit, growth } = room;
        // An error about what was asked for, not about the smaller lanes that follow from it.
        RunQueue::<Entry>::rings_beyond_first(capacity, limit, growth)?;
        let side = |size: usize| (size / SIDE_LANE).max(2);
        let queue = |lane| match lane {
            lane if lane == Priority::Normal as usize => {
                ShardedQueue::growing(allocator, workers, capacity, limit, growth)
            }
            ..PRIORITIES => ShardedQueue::growing(allocator, workers, side(capacity), side(limit), growth),
            _ => ShardedQueue::new(allocator, workers + nodes, capacity.min(MOST_BOUND)),
        };
        let shed = || Owned::new(allocator, ShedQueue::new(allocator, workers.min(MOST_SHED_SHARDS), SHED_PLACES)?);
        let shed = balance.shedding.then(shed).transpose()?;
        Ok(Inbox {
            lanes: Lanes::new(allocator, 2 * PRIORITIES, Priority::Normal as usize, queue)?,
            mode: Hint::new(balance.inbox as u32),
            next: CacheLine(Hint::new(0)),
            workers,
            own,
            shed,
        })
    }

    /// How many tasks of the usual priority there is room for in a shard.
    pub(crate) fn capacity(&self) -> usize {
        self.lanes.lane(Priority::Normal as usize).capacity()
    }

    pub(crate) fn mode(&self) -> InboxMode {
        InboxMode::from_number(self.mode.get())
    }

    pub(crate) fn set_mode(&self, mode: InboxMode) {
        self.mode.set(mode as u32);
    }

    /// The shard for what the calling thread submits, a worker of the pool or not.
    #[inline]
    pub(crate) fn home(&self, worker: Option<usize>) -> usize {
        match (self.mode(), worker) {
            (InboxMode::Shared, _) => 0,
            (_, Some(worker)) if worker < self.workers => worker,
            (InboxMode::Nearest, _) => thread_slot::key() % self.own,
            (InboxMode::RoundRobin, _) => self.next.advance() as usize % self.own,
        }
    }

    /// The shards from which a worker takes first: the one for all, if there is one, and its own, which may hold tasks from
    /// before there was.
    fn homes(&self, worker: usize) -> impl Iterator<Item = usize> {
        let own = worker % self.workers;
        let shared = (self.mode() == InboxMode::Shared && own != 0).then_some(0);
        shared.into_iter().chain([own])
    }

    fn bound_shard(&self, reach: Reach) -> Option<usize> {
        match reach {
            Reach::Everyone => None,
            Reach::Worker(worker) => Some(worker),
            Reach::Node(node) => Some(self.workers + node),
        }
    }

    /// Queues the first of `tasks`, as many as there is room for, and says how many. With `stay` only in the shard `home`.
    #[inline]
    pub(crate) fn push(&self, to: Destination, home: usize, stay: bool, tasks: &[NonNull<Entry>]) -> usize {
        let lane = to.priority as usize;
        match self.bound_shard(to.reach) {
            Some(shard) => self.lanes.open(PRIORITIES + lane).shard(shard).push_many(tasks),
            None if stay => self.lanes.open(lane).shard(home).push_many(tasks),
            None => match tasks {
                [task] => usize::from(self.lanes.open(lane).push(home, *task).is_ok()),
                tasks => self.lanes.open(lane).push_many(home, tasks),
            },
        }
    }

    /// Takes a task for a worker, or for a guest, who has no bound ones, and says whether any task was ever bound. `others` are the workers
    /// from whose shards it may take, in its order, the first of them at a usual turn and the second at a fair one; they are asked
    /// for anew for each lane.
    /// It goes to what is not bound only if that is as urgent as `least`.
    /// Where workers shed, it takes usual tasks of others only if it `rescues`.
    #[inline]
    pub(crate) fn take<V: Iterator<Item = usize>>(
        &self,
        worker: usize,
        seats: &Seats,
        turn: u32,
        least: Priority,
        rescues: bool,
        others: impl Fn(Turn) -> V,
    ) -> (Option<Pick>, bool) {
        let (open, bound) = self.lanes.open_lanes().split(PRIORITIES);
        let open = open.from(least as usize);
        let has_bound = worker < self.workers && !bound.is_empty();
        let lanes = if has_bound { open.union(bound) } else { open };
        if turn % FAIR_TURN == FAIR_TURN - 1
            && let Some(pick) =
                self.take_fairly(worker, seats, (turn / FAIR_TURN) as usize, lanes, has_bound, least, || {
                    others(Turn::Fair)
                })
        {
            return (Some(pick), has_bound);
        }
        let pick = lanes.falling().find_map(|lane| {
            if has_bound && let Some(pick) = self.take_bound(worker, seats, lane) {
                return Some(pick);
            }
            if lane < least as usize {
                return None;
            }
            let queue = self.lanes.lane(lane);
            let from = Destination { priority: Priority::of_lane(lane), reach: Reach::Everyone };
            if let Some(entry) = self.homes(worker).find_map(|home| queue.shard(home).pop(turn as usize)) {
                return Some(Pick { entry, from, moved_from: None });
            }
            if lane == Priority::Normal as usize
                && let Some(shed) = &self.shed
            {
                if let Some(entry) = shed.pop() {
                    return Some(Pick { entry, from, moved_from: Some(GUEST) });
                }
                if !rescues {
                    return None;
                }
            }
            others(Turn::Usual).find_map(|other| {
                let entry = queue.shard(other).pop(turn as usize)?;
                Some(Pick { entry, from, moved_from: Some(other) })
            })
        });
        (pick, has_bound)
    }

    fn take_bound(&self, worker: usize, seats: &Seats, lane: usize) -> Option<Pick> {
        [Reach::Worker(worker), Reach::Node(seats.node_of(worker))].into_iter().find_map(|reach| {
            if !seats.includes(reach, worker) {
                return None;
            }
            let entry = self.lanes.lane(PRIORITIES + lane).shard(self.bound_shard(reach)?).pop(0)?;
            Some(Pick { entry, from: Destination { priority: Priority::of_lane(lane), reach }, moved_from: None })
        })
    }

    /// A fair turn: the one lane of the one shard that has it.
    #[cold]
    #[allow(clippy::too_many_arguments)]
    fn take_fairly<V: Iterator<Item = usize>>(
        &self,
        worker: usize,
        seats: &Seats,
        turn: usize,
        lanes: LaneSet,
        has_bound: bool,
        least: Priority,
        others: impl Fn() -> V,
    ) -> Option<Pick> {
        let lane = lanes.nth(turn)?;
        let shard = turn / lanes.len() % (self.workers + usize::from(has_bound) + usize::from(self.shed.is_some()));
        if shard == self.workers && has_bound {
            return self.take_bound(worker, seats, lane);
        }
        if lane < least as usize {
            return None;
        }
        let from = Destination { priority: Priority::of_lane(lane), reach: Reach::Everyone };
        if shard >= self.workers {
            let entry = self.shed.as_ref().filter(|_| lane == Priority::Normal as usize)?.pop()?;
            return Some(Pick { entry, from, moved_from: Some(GUEST) });
        }
        let is_own = self.homes(worker).any(|home| home == shard);
        if !is_own && !others().any(|other| other == shard) {
            return None;
        }
        let entry = self.lanes.lane(lane).shard(shard).pop(turn)?;
        Some(Pick { entry, from, moved_from: (!is_own).then_some(shard) })
    }

    /// Takes any task whatsoever, at the end of the pool.
    pub(crate) fn drain(&self) -> Option<NonNull<Entry>> {
        self.lanes.pop_any().or_else(|| self.shed.as_ref()?.pop())
    }

    /// Whether there is a task that anybody may run, as urgent as `least`. To be asked after a fence, see
    /// [`event_count`](crate::protocol::event_count).
    #[inline]
    pub(crate) fn has_work(&self, least: Priority) -> bool {
        let (open, _) = self.lanes.open_lanes().split(PRIORITIES);
        open.from(least as usize).falling().any(|lane| self.lanes.lane(lane).has_work())
            || (least <= Priority::Normal && self.shed.as_ref().is_some_and(|shed| shed.has_work()))
    }

    /// As [`has_work`](Self::has_work), for the shards from which this worker takes first.
    pub(crate) fn has_work_of(&self, worker: usize) -> bool {
        let (open, _) = self.lanes.open_lanes().split(PRIORITIES);
        open.falling().any(|lane| self.homes(worker).any(|home| self.lanes.lane(lane).shard(home).has_work()))
    }

    /// As [`has_work`](Self::has_work), for tasks that are bound to this worker or its node; `None` if no task was ever bound.
    #[inline]
    pub(crate) fn has_bound_work(&self, worker: usize, seats: &Seats) -> Option<bool> {
        let (_, bound) = self.lanes.open_lanes().split(PRIORITIES);
        let node = self.workers + seats.node_of(worker);
        let has_work =
            |shard: usize| bound.falling().any(|lane| self.lanes.lane(PRIORITIES + lane).shard(shard).has_work());
        (!bound.is_empty()).then(|| has_work(worker) || has_work(node))
    }

    /// How many tasks less urgent than `below` were taken and pushed, those that are bound left out.
    pub(crate) fn progress(&self, below: Priority) -> Progress {
        let (open, _) = self.lanes.open_lanes().split(PRIORITIES);
        let (lower, _) = open.split(below as usize);
        let shards =
            lower.rising().flat_map(|lane| (0..self.workers).map(move |shard| self.lanes.lane(lane).shard(shard)));
        let shed = self.shed.as_ref().map(|shed| shed.counts());
        shards.map(RunQueue::counts).chain(shed).fold(Progress::default(), Progress::and)
    }

    /// As [`progress`](Self::progress), of the tasks of one priority in a worker's shard.
    pub(crate) fn progress_of(&self, worker: usize, priority: Priority) -> Progress {
        Progress::default().and(self.lanes.lane(priority as usize).shard(worker).counts())
    }

    /// Moves up to so many usual tasks from a worker's shard into the queue for all, and says how many.
    pub(crate) fn shed(&self, worker: usize, most: usize) -> usize {
        let own = self.lanes.lane(Priority::Normal as usize).shard(worker);
        self.shed.as_ref().map_or(0, |shed| shed.shed(own, worker, most))
    }

    /// Whether there seems to be something in the queue for all.
    pub(crate) fn has_shed(&self) -> bool {
        self.shed.as_ref().is_some_and(|shed| !shed.is_empty())
    }

    /// About how many tasks lie in a worker's shards. A hint: it may be late.
    pub(crate) fn len(&self, worker: usize) -> usize {
        self.open_lengths(worker).map(|(_, length)| length).sum()
    }

    /// As [`len`](Self::len), each task counted by its priority: 4, 3, 2 or 1.
    pub(crate) fn load(&self, worker: usize) -> usize {
        self.open_lengths(worker).map(|(lane, length)| (lane + 1) * length).sum()
    }

    fn open_lengths(&self, worker: usize) -> impl Iterator<Item = (usize, usize)> {
        let (open, _) = self.lanes.open_lanes().split(PRIORITIES);
        open.rising().map(move |lane| (lane, self.lanes.lane(lane).shard(worker).len()))
    }

    /// As [`len`](Self::len), of tasks bound to the worker.
    pub(crate) fn backlog(&self, worker: usize) -> usize {
        let (_, bound) = self.lanes.open_lanes().split(PRIORITIES);
        bound.rising().map(|lane| self.lanes.lane(PRIORITIES + lane).shard(worker).len()).sum()
    }
}
