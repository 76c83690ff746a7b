//! The shared part of a pool: its queues, its sleepers and its gate, and how it is waited for. How work enters is in `submit`.
//!
//! Nothing here starts threads or asks what the machine is: the model checkers run this very code on threads of their own.

use super::balance::{Balance, InboxMode, Victims};
use super::blocks::Blocks;
use super::config::{Config, DEFAULT_HELP_DEPTH, DEFAULT_INBOX_CAPACITY, WaitPolicy, WhenFull};
use super::counters::Statistics;
use super::fork_join::Job;
use super::governor::Governor;
use super::inbox::{Destination, Inbox, Room};
use super::lend::Key;
use super::log::Log;
use super::maker::Maker;
use super::options::{Priority, TaskOptions};
use super::reserve::URGENT;
use super::seats::{Reach, Seats};
use super::task::TaskRef;
use super::trace::Trace;
use super::wait::Awaited;
use super::worker::Worker;
use crate::error::{Result, error};
use crate::memory::plot::Plots;
use crate::os::alloc::{Allocator, Array, Owned};
use crate::os::{fork, thread};
use crate::protocol::CacheLine;
use crate::protocol::deque::Deque;
use crate::protocol::event_count::EventCount;
use crate::protocol::last_helper::LastHelper;
use crate::protocol::roster::Roster;
use crate::protocol::run_gate::RunGate;
use crate::protocol::shutdown::Shutdown;
use crate::sync::Hint;
use core::iter;

mod submit;
pub(super) use submit::refusal;

/// A worker's deque starts with room for this many forked jobs.
const DEQUE_CAPACITY: usize = 64;
/// A worker's deque grows up to this many jobs; then `join` runs both sides in turn.
const DEQUE_LIMIT: usize = 1 << 16;

/// The shared part of a pool.
#[derive(Debug)]
pub struct Core {
    inbox: Inbox,
    /// The jobs that anybody may run, those for the workers of the owner's node, and those for the owner.
    deques: [Array<Owned<CacheLine<Deque<Job>>>>; 3],
    seats: Seats,
    balance: Balance,
    victims: Hint,
    blocks: Blocks,
    sleep: EventCount,
    shutdown: Shutdown,
    when_full: WhenFull,
    last_helper: LastHelper,
    statistics: Statistics,
    governor: Governor,
    trace: Trace,
    maker: Option<Maker>,
    /// One for each seat of a thread that is lent; and the door that such threads come by, where there are seats.
    host_seats: Array<RunGate>,
    regular_workers: usize,
    key: Option<Key>,
    log: Option<Log>,
    wait_policy: WaitPolicy,
    help_depth: u32,
    allocator: Allocator,
    generation: u32,
    /// Last, since deques and blocks lie there.
    plots: Plots,
}

/// How many of so many workers are neither spare nor seats for lent threads.
fn regular_workers(workers: usize, config: &Config<'_>) -> usize {
    (workers - config.host_seats).saturating_sub(config.spare_workers).max(1)
}

/// Who has a place among so many workers, the spare ones included.
fn roster(workers: usize, config: &Config<'_>) -> Roster {
    let own = workers - config.host_seats;
    let most = regular_workers(workers, config);
    match config.min_workers {
        0 if most == own => Roster::fixed(workers),
        0 => Roster::varying(most, most).with_guests(own),
        least => Roster::varying(least.min(most), most).with_guests(own),
    }
}

impl Core {
    /// The shared part of a pool of `workers` workers. Of the settings it takes those that do not speak of threads.
    pub fn new(workers: usize, config: &Config<'_>) -> Result<Core> {
        Core::seated(workers, config, Seats::unknown(config.allocator, workers)?, Plots::none(config.allocator))
    }

    /// As [`new`](Self::new), of workers each of whom counts as one on a NUMA node of its own.
    pub fn new_apart(workers: usize, config: &Config<'_>) -> Result<Core> {
        Core::seated(workers, config, Seats::apart(config.allocator, workers)?, Plots::none(config.allocator))
    }

    /// As [`new`](Self::new), of workers whose places are known, and who may have memory of their own there.
    pub(super) fn seated(workers: usize, config: &Config<'_>, seats: Seats, plots: Plots) -> Result<Core> {
        fork::watch()?;
        let &Config { allocator, when_full, wait_policy, balance, .. } = config;
        let shard = match config.inbox_capacity {
            0 => DEFAULT_INBOX_CAPACITY,
            capacity => capacity.max(2).next_power_of_two(),
        };
        let limit = config.inbox_limit.max(shard).next_power_of_two();
        let room = Room { capacity: shard, limit, growth: config.inbox_growth };
        let deques = || {
            Array::from_fn(allocator, workers, |worker| {
                // SAFETY: no worker runs yet; then only the owner of the deque lets it grow, and it is dropped before the plots.
                let ground = unsafe { plots.allocator(worker) };
                Owned::new(ground, CacheLine(Deque::new(ground, DEQUE_CAPACITY, DEQUE_LIMIT)?))
            })
        };
        Ok(Core {
            inbox: Inbox::new(allocator, workers, workers - config.host_seats, seats.nodes(), room, &balance)?,
            // SAFETY: the plots are dropped last, and `submit_detached` names the worker that it runs on.
            blocks: unsafe { Blocks::new(allocator, workers, shard.saturating_mul(workers), &plots)? },
            deques: [deques()?, deques()?, deques()?],
            seats,
            balance,
            victims: Hint::new(balance.victims as u32),
            sleep: EventCount::with_roster(allocator, workers, roster(workers, config))?,
            shutdown: Shutdown::new(),
            when_full,
            last_helper: LastHelper::new(workers - config.host_seats),
            statistics: Statistics::new(allocator, workers)?,
            governor: Governor::new(),
            trace: Trace::new(allocator, workers, config.hooks)?,
            maker: config.on_caller.as_ref().map(|settings| Maker::new(allocator, settings)).transpose()?,
            host_seats: Array::from_fn(allocator, config.host_seats, |_| Ok(RunGate::new()))?,
            regular_workers: regular_workers(workers, config),
            key: (config.host_seats != 0).then(|| Key::new(allocator)).transpose()?,
            log: config.log,
            wait_policy,
            help_depth: match config.help_depth {
                0 => DEFAULT_HELP_DEPTH,
                depth => depth,
            },
            allocator,
            generation: fork::generation(),
            plots,
        })
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.deques[0].len()
    }

    /// How many of them have threads of the pool's own.
    pub(crate) fn own_workers(&self) -> usize {
        self.workers() - self.host_seats.len()
    }

    /// How many have CPUs of their own: the first ones.
    pub(crate) fn regular_workers(&self) -> usize {
        self.regular_workers
    }

    pub(super) fn host_seats(&self) -> &[RunGate] {
        &self.host_seats
    }

    /// The pool's own key to the door that lent threads come by.
    pub(crate) fn key(&self) -> Result<&Key> {
        self.key.as_ref().ok_or_else(|| {
            error!(
                InvalidArgument,
                "a thread was to be lent to a pool without seats for such threads; make it with as many host_seats as threads will be lent at a time"
            )
        })
    }

    pub(crate) fn allocator(&self) -> Allocator {
        self.allocator
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn sleep(&self) -> &EventCount {
        &self.sleep
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub(crate) fn seats(&self) -> &Seats {
        &self.seats
    }

    pub(crate) fn balance(&self) -> &Balance {
        &self.balance
    }

    pub(crate) fn victims(&self) -> Victims {
        Victims::from_number(self.victims.get())
    }

    pub(super) fn set_victims(&self, victims: Victims) {
        self.victims.set(victims as u32);
    }

    pub(super) fn set_inbox_mode(&self, mode: InboxMode) {
        self.inbox.set_mode(mode);
    }

    pub(crate) fn last_helper(&self) -> &LastHelper {
        &self.last_helper
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    pub(crate) fn governor(&self) -> &Governor {
        &self.governor
    }

    pub(crate) fn governor_mut(&mut self) -> &mut Governor {
        &mut self.governor
    }

    /// See [`Pool::limit_workers`](super::Pool::limit_workers).
    pub fn limit_workers(&self, workers: usize) {
        let most = if workers == 0 { usize::MAX } else { workers };
        self.governor.wish(&self.sleep, most.min(self.workers()));
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(crate) fn log(&self) -> Option<Log> {
        self.log
    }

    pub(crate) fn maker(&self) -> Option<&Maker> {
        self.maker.as_ref()
    }

    pub(crate) fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    pub(crate) fn wait_policy(&self) -> WaitPolicy {
        self.wait_policy
    }

    pub(crate) fn help_depth(&self) -> u32 {
        self.help_depth
    }

    pub(crate) fn plots(&self) -> &Plots {
        &self.plots
    }

    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// A worker's deque of the jobs that those in `reach` may run.
    pub(crate) fn deque(&self, worker: usize, reach: Reach) -> &Deque<Job> {
        let kind = match reach {
            Reach::Everyone => 0,
            Reach::Node(_) => 1,
            Reach::Worker(_) => 2,
        };
        &self.deques[kind][worker]
    }

    fn has_jobs(&self) -> bool {
        self.deques[0].iter().any(|deque| !deque.is_empty())
    }

    /// Whether any queue has work that anybody may do.
    pub(crate) fn has_work(&self) -> bool {
        self.inbox.has_work(Priority::Low) || self.has_jobs()
    }

    /// Whether any queue has work that this worker may do; see the event count's second look.
    pub(crate) fn has_work_for(&self, worker: usize) -> bool {
        let has_open = if self.balance.holds_back() {
            self.inbox.has_work_of(worker)
                || (0..self.workers()).any(|other| self.may_rob(worker, other) && self.inbox.has_work_of(other))
                || (self.balance.stealing && self.has_jobs())
        } else if worker < self.balance.reserved {
            self.inbox.has_work(URGENT) || self.has_jobs()
        } else {
            self.has_work()
        };
        has_open || self.has_bound_work(worker)
    }

    /// Whether there is work that this worker must do: others may not, or not all of them.
    pub(crate) fn has_work_only_for(&self, worker: usize) -> bool {
        (self.balance.holds_back() && self.inbox.has_work_of(worker)) || self.has_bound_work(worker)
    }

    fn has_bound_work(&self, worker: usize) -> bool {
        let has_jobs = || {
            let node = Reach::Node(self.seats.node_of(worker));
            self.seats.includes(node, worker) && self.seats.members(node).any(|mate| !self.deque(mate, node).is_empty())
        };
        self.inbox.has_bound_work(worker, &self.seats).is_some_and(|has_tasks| has_tasks || has_jobs())
    }

    /// Whether a worker may take tasks from the shard of another.
    pub(crate) fn may_rob(&self, thief: usize, victim: usize) -> bool {
        if !self.balance.holds_back() {
            return true;
        }
        self.balance.moves_tasks()
            && self.inbox.len(victim) >= self.balance.min_victim_length
            && self.inbox.load(victim) >= self.inbox.load(thief) + self.balance.imbalance
    }

    /// Says that jobs were published.
    #[inline]
    pub(crate) fn announce_jobs(&self, reach: Reach, near: impl Fn() -> usize) {
        match reach {
            Reach::Everyone => self.sleep.notify(1, near),
            reach => self.sleep.notify_of(self.seats.members(reach), 1),
        }
    }

    /// Says that tasks were queued, for everybody those in this shard.
    #[inline]
    pub(crate) fn announce(&self, to: Destination, shard: usize, near: impl Fn() -> usize, pieces: usize) {
        if to.reach != Reach::Everyone {
            return self.sleep.notify_of(self.seats.members(to.reach), pieces);
        }
        if self.balance.holds_back() {
            // Perhaps nobody else may take it.
            self.sleep.notify_of(iter::once(shard), 1);
        }
        if self.balance.reserved != 0 && to.priority < URGENT {
            // Who searches may be one who may not take it.
            self.sleep.notify_of(self.balance.reserved..self.workers(), pieces);
        }
        self.sleep.notify(pieces, near);
    }

    /// Where a task goes of which this is asked.
    pub(crate) fn destination(&self, options: &TaskOptions<'_>) -> Result<Destination> {
        let reach = self.seats.resolve(options.binding, |worker| self.inbox.backlog(worker))?;
        if let Reach::Worker(worker) = reach
            && worker >= self.own_workers()
        {
            return Err(error!(
                InvalidArgument,
                "a task was bound to worker {worker}, a seat for threads that are lent, where nobody may be; the others are 0 to {}",
                self.own_workers() - 1
            ));
        }
        Ok(Destination { priority: options.priority, reach })
    }

    /// Fails in a forked child, where the pool has no threads.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.generation == fork::generation() {
            return Ok(());
        }
        Err(error!(
            Forked,
            "this process is a forked child, and the pool's workers are in its parent; make a new pool here"
        ))
    }

    /// The worker of this pool that the calling thread is, if it is one.
    pub(crate) fn current_worker(&self) -> Option<&Worker> {
        Worker::current().filter(|worker| worker.belongs_to(self))
    }

    /// See [`Pool::wait_all`](super::Pool::wait_all).
    pub fn wait_all(&self) -> Result<()> {
        self.check_process()?;
        self.refuse_on_own_worker("waiting for all tasks")?;
        self.wait(self.shutdown.in_flight(), None);
        Ok(())
    }

    /// Fails on a worker of this pool.
    pub(crate) fn refuse_on_own_worker(&self, what: &str) -> Result<()> {
        match self.current_worker() {
            None => Ok(()),
            Some(_) => Err(error!(
                WouldDeadlock,
                "{what} from inside one of its tasks would wait for that task; do it from a thread that is not a worker"
            )),
        }
    }

    /// Waits for `target`, at most until `deadline_ns`: a worker helps meanwhile, any other thread blocks. False when the
    /// time ran out.
    pub(crate) fn wait(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> bool {
        match Worker::current() {
            Some(worker) if worker.belongs_to(self) => worker.wait_until(target, deadline_ns),
            _ if self.is_made_here() => self.stay(|worker| worker.wait_until_foreign(target, deadline_ns)),
            Some(worker) => worker.wait_until_foreign(target, deadline_ns),
            None => target.block(deadline_ns),
        }
    }

    /// The life of worker `index` on the calling thread: works until the pool is terminated.
    pub fn run_worker(&self, index: usize) {
        Worker::new(self, index, thread::stack_bottom()).run_as_current(Worker::work_until_terminated);
    }

    /// Takes no more work from outside, waits until what was accepted is done, and lets the workers go. Whoever runs them
    /// joins them after. Not to be called by a worker.
    pub fn close(&self) {
        self.shutdown.close();
        self.wait(self.shutdown.in_flight(), None);
        self.shutdown.terminate();
        self.sleep.wake_all();
        if let Some(key) = &self.key {
            key.door().close();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Tasks that were cancelled, or run by whoever waited for them, may have left their entries behind. In a forked child
        // the queue may have stopped in the middle of a step; there they stay.
        if self.generation == fork::generation() {
            while let Some(entry) = self.inbox.drain() {
                // A task that nobody holds cannot be cancelled: all of them were run before the pool was closed.
                // SAFETY: the queue's reference comes with the pointer.
                drop(unsafe { TaskRef::adopt(entry.cast()) });
            }
            self.blocks.clear();
        }
    }
}
