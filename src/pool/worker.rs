//! One worker: where it looks for work, and how much of its stack is left.
//!
//! A worker's whole life is a wait: for the end of the pool. Waiting for a future, a group or the other half of a fork is
//! the same thing, deeper in the stack: see [`wait`](super::wait).

use super::balance::Victims;
use super::config::WaitPolicy;
use super::core::Core;
use super::counters::Counters;
use super::detached::{Dues, Taken};
use super::fork_join::Job;
use super::inbox::{Pick, Turn};
use super::options::Priority;
use super::reserve::{Loan, URGENT, Watch};
use super::seats::Reach;
use super::shed::Bounds;
use super::task::TaskRef;
use super::trace::{Kind, Label};
use crate::error::Result;
use crate::memory::PageReport;
use crate::os::clock;
use crate::protocol::deque::Deque;
use crate::protocol::fork_stack::ForkStack;
use crate::sync::{spin_loop, thread_slot};
use core::cell::Cell;
use core::ptr::{self, NonNull};

/// A worker with less stack than this left does not fork: an error has to get out, and what a leaf calls needs room too.
const STACK_LIMIT: usize = 64 << 10;
/// A thread that finds the inbox full runs up to so many tasks before it tries again.
const MAKE_ROOM: usize = 16;
/// The index of a thread that runs tasks of a pool without being one of its workers.
pub const GUEST: usize = usize::MAX;

/// The context of running work: the worker that runs it. Tasks and forks get it as an argument.
///
/// Its first words are laid out for the C++ header as well: see `capi/fork.rs`.
#[derive(Debug)]
#[repr(C)]
pub struct Worker {
    forks: ForkStack,
    /// Its own; a guest's is somebody else's, and is only looked at.
    deque: Cell<*const Deque<Job>>,
    /// The address below which the stack is too short for another fork.
    stack_limit: usize,
    core: *const Core,
    index: usize,
    random: Cell<u64>,
    pub(super) policy: Cell<WaitPolicy>,
    /// How many pieces of work stand on this stack, each started in a wait of the one before.
    pub(super) depth: Cell<u32>,
    /// The address below which this worker's stack is too short for helping: half of it, so that whatever needs no more than that runs
    /// wherever it is begun.
    pub(super) stack_reserve: usize,
    dues: Dues,
    counters: *const Counters,
    /// What the running work is called, while somebody watches.
    pub(super) label: Cell<Label>,
    /// By whom the jobs may be run that the running work forks.
    reach: Cell<Reach>,
    /// Whether any task was ever bound, as far as it knows.
    knows_bound: Cell<bool>,
    /// Whether it ever ran bound work, and so may have left jobs in its other deques.
    was_bound: Cell<bool>,
    /// Whether the forks stay private, because jobs of another reach are beneath them that could not be published.
    pub(super) is_held: Cell<bool>,
    /// How urgent the running task is.
    pub(crate) urgency: Cell<Priority>,
    /// Whether the running task was taken from another worker's inbox.
    is_migrant: Cell<bool>,
    /// Whether a seed says in what order it does things.
    pub(super) replays: bool,
    /// How often it has looked for a task.
    turn: Cell<u32>,
    /// Whether the pool's settings of balance are such that a look for a task need not ask for them.
    is_plain: bool,
    /// From whom it took a task last, and when.
    robbed: Cell<(usize, u64)>,
    watch: Watch,
    bounds: Bounds,
    /// Whether it goes to the others' shards although they shed: always but at the beginning of a search.
    pub(super) rescues: Cell<bool>,
}

/// Roughly where the stack ends that is in use.
pub(super) fn stack_pointer() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

/// The address at which so much is left of the calling thread's stack, which ends at `bottom`, but at most that part of what there is
/// now. 0 for a thread that runs on another stack than the system gave it, as fibers do: nobody knows where that one ends.
fn stack_mark(bottom: usize, bytes: usize, part: usize) -> usize {
    stack_pointer().checked_sub(bottom).map_or(0, |left| bottom + bytes.min(left / part))
}

/// Something to run.
pub(super) enum Work {
    Job(NonNull<Job>, Reach),
    Task(TaskRef, IsMigrant),
    Detached(Taken, IsMigrant),
}

impl Work {
    /// How urgent it is.
    pub(super) fn priority(&self) -> Priority {
        match self {
            Work::Job(..) => Priority::Normal,
            Work::Task(task, _) => task.priority(),
            Work::Detached(task, _) => task.from().priority,
        }
    }
}

/// Whom a worker goes to on other nodes; see [`Balance::min_remote_length`](super::balance::Balance::min_remote_length).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Far {
    /// Those who have much.
    Long,
    /// Everybody.
    All,
}

/// Whether a task was taken from another worker's inbox.
type IsMigrant = bool;

#[cfg(feature = "capi")]
impl Worker {
    /// Where its words lie that the C++ header uses: the private stack, the deque's address, the stack's limit.
    pub(crate) const OFFSETS: [usize; 3] = [
        core::mem::offset_of!(Worker, forks),
        core::mem::offset_of!(Worker, deque),
        core::mem::offset_of!(Worker, stack_limit),
    ];
}

impl Worker {
    /// The calling thread, whose stack ends at this address, as worker `index`.
    pub(crate) fn new(core: &Core, index: usize, stack_bottom: usize) -> Worker {
        Worker {
            deque: Cell::new(core.deque(index, Reach::Everyone)),
            index,
            replays: core.maker().is_some_and(|maker| maker.replay().is_some()),
            random: Cell::new((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            stack_reserve: stack_mark(stack_bottom, usize::MAX, 2),
            stack_limit: stack_mark(stack_bottom, STACK_LIMIT, 8),
            ..Worker::resting(core, core.statistics().of(index))
        }
    }

    /// A thread from outside that runs tasks of the pool for a moment, and counts them in `counters`. It never helps, so its
    /// stack does not matter.
    pub(crate) fn guest(core: &Core, counters: &Counters) -> Worker {
        Worker::resting(core, counters)
    }

    fn resting(core: &Core, counters: &Counters) -> Worker {
        Worker {
            forks: ForkStack::new(),
            deque: Cell::new(core.deque(0, Reach::Everyone)),
            core,
            index: GUEST,
            random: Cell::new(1),
            policy: Cell::new(core.wait_policy()),
            depth: Cell::new(0),
            stack_reserve: 0,
            stack_limit: 0,
            dues: Dues::new(),
            counters,
            label: Cell::new(Label::NONE),
            reach: Cell::new(Reach::Everyone),
            knows_bound: Cell::new(false),
            was_bound: Cell::new(false),
            is_held: Cell::new(false),
            urgency: Cell::new(Priority::Normal),
            is_migrant: Cell::new(false),
            replays: false,
            turn: Cell::new(0),
            is_plain: core.balance().is_plain(),
            robbed: Cell::new((GUEST, 0)),
            watch: Watch::default(),
            bounds: Bounds::new(),
            rescues: Cell::new(true),
        }
    }

    /// The worker or guest that the calling thread is, of whatever pool.
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        // SAFETY: the slot holds 0, or the address of the worker this thread runs as, which outlives what it calls.
        unsafe { ptr::with_exposed_provenance::<Worker>(thread_slot::get()).as_ref() }
    }

    /// Calls `action` with this as the calling thread's worker.
    pub(crate) fn run_as_current<R>(&self, action: impl FnOnce(&Worker) -> R) -> R {
        /// Whom the thread was before, which it is again however the action ends.
        struct Before<'w>(&'w Worker, usize);
        impl Drop for Before<'_> {
            fn drop(&mut self) {
                self.0.dues.pay(self.0.core());
                thread_slot::set(self.1);
            }
        }
        self.forks.open();
        let _before = Before(self, thread_slot::get());
        thread_slot::set(ptr::from_ref(self).expose_provenance());
        action(self)
    }

    /// The number of this worker in its pool, or [`GUEST`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many workers its pool has.
    pub fn pool_workers(&self) -> usize {
        self.core().workers()
    }

    /// Where the pages are that are this worker's own: of its deques, and of the blocks for the tasks that it submits. A pool of pinned
    /// workers on a machine of several nodes has them on each worker's node, unless the program brought an allocator. `None`: there
    /// are no such pages.
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory).
    pub fn own_memory(&self) -> Result<Option<PageReport>> {
        // SAFETY: the calling thread is the worker, which is not shared. A guest has no number that a worker has.
        unsafe { self.core().plots().report(self.index) }
    }

    pub(crate) fn core(&self) -> &Core {
        // SAFETY: a worker, or a guest, runs only while its pool lives.
        unsafe { &*self.core }
    }

    #[inline(always)]
    pub(crate) fn dues(&self) -> &Dues {
        &self.dues
    }

    #[inline(always)]
    pub(crate) fn counters(&self) -> &Counters {
        // SAFETY: a worker's live as long as the core, a guest's as long as the guest.
        unsafe { &*self.counters }
    }

    #[inline(always)]
    pub(crate) fn forks(&self) -> &ForkStack {
        &self.forks
    }

    #[inline(always)]
    pub(crate) fn deque(&self) -> &Deque<Job> {
        // SAFETY: the deques live as long as the core.
        unsafe { &*self.deque.get() }
    }

    #[inline(always)]
    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    #[inline(always)]
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// By whom the jobs may be run that the running work forks.
    pub(crate) fn reach(&self) -> Reach {
        self.reach.get()
    }

    /// Forks for those in `reach` from here on.
    pub(super) fn turn_to(&self, reach: Reach) {
        self.was_bound.set(true);
        self.reach.set(reach);
        self.deque.set(self.core().deque(self.index, reach));
    }

    pub(crate) fn is_guest(&self) -> bool {
        self.index == GUEST
    }

    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        ptr::eq(self.core, core)
    }

    /// What is nearest: the newest fork of this worker, then the task that the inbox gives it.
    pub(super) fn take(&self) -> Option<Work> {
        if !self.deque().is_empty() {
            // SAFETY: this thread is the worker, and owns its deque.
            if let Some(job) = unsafe { self.deque().pop() } {
                self.counters().reclaimed.add(1);
                return Some(Work::Job(job, self.reach.get()));
            }
        }
        if self.was_bound.get() {
            let node = Reach::Node(self.core().seats().node_of(self.index));
            for reach in [Reach::Everyone, node, Reach::Worker(self.index)] {
                // SAFETY: as above: all three are its own.
                if let Some(job) = unsafe { self.core().deque(self.index, reach).pop() } {
                    self.counters().reclaimed.add(1);
                    return Some(Work::Job(job, reach));
                }
            }
        }
        self.take_task_as(Far::Long, false)
    }

    /// Takes a task: the most urgent that it may run.
    pub(super) fn take_task(&self, far: Far) -> Option<Work> {
        self.take_task_as(far, self.rescues.get())
    }

    /// As [`take_task`](Self::take_task); where workers shed, it takes from others' shards only if it `rescues`.
    #[inline]
    fn take_task_as(&self, far: Far, rescues: bool) -> Option<Work> {
        let pick = if self.is_plain { self.pick_plainly() } else { self.pick_with_care(far, rescues) }?;
        let is_migrant = pick.moved_from.is_some();
        // SAFETY: the queue's reference comes with the pointer, and what has no table is a task that is held.
        let work = unsafe {
            match pick.entry.as_ref().detached {
                Some(table) => Work::Detached(Taken::adopt(pick.entry, table, pick.from), is_migrant),
                None => Work::Task(TaskRef::adopt(pick.entry.cast()), is_migrant),
            }
        };
        self.count_taken(is_migrant, matches!(work, Work::Task(..)));
        Some(work)
    }

    /// What is most urgent, from wherever: see [`Balance::is_plain`](crate::pool::Balance).
    #[inline]
    fn pick_plainly(&self) -> Option<Pick> {
        let core = self.core();
        let others = |_| self.others();
        let (pick, knows_bound) =
            core.inbox().take(self.index, core.seats(), self.next_turn(), Priority::Low, true, others);
        self.knows_bound.set(knows_bound);
        pick
    }

    /// What is most urgent and what the settings of balance let it have.
    #[inline(never)]
    fn pick_with_care(&self, far: Far, rescues: bool) -> Option<Pick> {
        let turn = self.next_turn();
        let others = |turn| match turn {
            Turn::Usual => self.task_victims(far),
            Turn::Fair => self.task_victims(Far::All),
        };
        let take = |least| self.core().inbox().take(self.index, self.core().seats(), turn, least, rescues, others);
        let least = if self.is_reserved() { URGENT } else { Priority::Low };
        let (mut pick, knows_bound) = take(least);
        self.knows_bound.set(knows_bound);
        if pick.is_none() && self.is_reserved() && self.loan() == Loan::Due {
            pick = take(Priority::Low).0;
            self.watch.restart();
        }
        let pick = pick?;
        if let Some(victim) = pick.moved_from
            && self.core().balance().cooldown_ns != 0
        {
            self.robbed.set((victim, clock::monotonic_ns()));
        }
        if self.core().balance().shedding && !self.is_guest() {
            match pick.moved_from {
                None => self.shed(),
                Some(GUEST) => self.took_shed(),
                Some(_) => {}
            }
        }
        Some(pick)
    }

    fn next_turn(&self) -> u32 {
        self.turn.replace(self.turn.get().wrapping_add(1))
    }

    /// Counts a job that was just put into the deque.
    #[inline]
    pub(super) fn count_promoted(&self) {
        let counters = self.counters();
        counters.promoted.add(1);
        counters.deque_high_water.raise(self.deque().len() as u64);
    }

    #[inline]
    fn count_taken(&self, migrated: bool, held: bool) {
        let counters = self.counters();
        if migrated {
            counters.migrations.add(1);
        } else if counters.is_look_due(held) && !self.is_guest() {
            counters.inbox_high_water.raise(1 + self.core().inbox().len(self.index) as u64);
        }
    }

    /// The other workers, in the order in which this one goes to them.
    fn others(&self) -> impl Iterator<Item = usize> {
        let core = self.core();
        let workers = core.workers();
        let victims = if self.is_guest() { Victims::Random } else { core.victims() };
        let random = self.next_random() as usize;
        let near = (victims == Victims::Locality).then(|| core.seats().nearest_first(self.index, random));
        let ring = (victims != Victims::Locality).then(|| {
            let start = random % workers;
            (start..workers).chain(0..start)
        });
        let most = (victims == Victims::Load).then(|| {
            let load = |&worker: &usize| (core.inbox().load(worker), core.deque(worker, Reach::Everyone).len());
            (0..workers).filter(|&worker| worker != self.index).max_by_key(load)
        });
        most.flatten()
            .into_iter()
            .chain(near.into_iter().flatten())
            .chain(ring.into_iter().flatten())
            .filter(|&worker| worker != self.index)
    }

    /// Whether it goes to another worker, where so much is to be had.
    fn goes_to(&self, victim: usize, far: Far, length: impl Fn() -> usize) -> bool {
        let core = self.core();
        let least = core.balance().min_remote_length;
        least <= 1 || far == Far::All || !core.seats().are_apart(self.index, victim) || length() >= least
    }

    /// Those of them from whose inboxes it may take.
    fn task_victims(&self, far: Far) -> impl Iterator<Item = usize> {
        let core = self.core();
        let cooldown = core.balance().cooldown_ns;
        let (robbed, when) = self.robbed.get();
        let rests = cooldown != 0 && clock::monotonic_ns().saturating_sub(when) < cooldown;
        self.others().filter(move |&victim| {
            !(rests && victim == robbed)
                && core.may_rob(self.index, victim)
                && self.goes_to(victim, far, || core.inbox().len(victim))
        })
    }

    /// The oldest fork of another worker, or any task. It begins with the worker that it waits for, if there is one, and goes on in
    /// its order of victims.
    pub(super) fn steal(&self, performer: Option<usize>, far: Far) -> Option<Work> {
        let jobs = |victim| self.core().deque(victim, Reach::Everyone).len();
        let goes_to = |&victim: &usize| self.goes_to(victim, far, || jobs(victim));
        performer
            .and_then(|performer| self.steal_from(performer))
            .or_else(|| self.others().filter(goes_to).find_map(|victim| self.steal_from(victim)))
            .or_else(|| self.take_task(far))
            .or_else(|| self.steal_in_node())
    }

    /// A job that is for the workers of this node.
    fn steal_in_node(&self) -> Option<Work> {
        let core = self.core();
        if !self.knows_bound.get() {
            return None;
        }
        let seats = core.seats();
        let node = Reach::Node(seats.node_of(self.index));
        if !seats.includes(node, self.index) {
            return None;
        }
        self.others().filter(|&mate| seats.includes(node, mate)).find_map(|mate| self.steal_of(mate, node))
    }

    pub(super) fn steal_from(&self, victim: usize) -> Option<Work> {
        self.steal_of(victim, Reach::Everyone)
    }

    fn steal_of(&self, victim: usize, reach: Reach) -> Option<Work> {
        let core = self.core();
        if victim == self.index || victim >= core.workers() || !core.balance().stealing {
            return None;
        }
        let (counters, distance) = (self.counters(), core.statistics().distance(self.index, victim));
        counters.steals_tried[distance as usize].add(1);
        let job = core.balance().persist(|| core.deque(victim, reach).steal())?;
        counters.steals_done[distance as usize].add(1);
        self.trace_steal(victim, distance);
        Some(Work::Job(job, reach))
    }

    /// Runs the oldest queued task, if there is one.
    pub(crate) fn run_queued_task(&self) -> bool {
        let Some(work) = self.next_task() else { return false };
        self.run(work);
        self.dues.pay(self.core());
        true
    }

    /// The oldest queued task, or the one that the seed says.
    pub(super) fn next_task(&self) -> Option<Work> {
        if self.replays { self.draw() } else { self.take_task(Far::All) }
    }

    /// Runs queued tasks for a thread that found the inbox full.
    pub(crate) fn make_room(&self) {
        let most = self.core().inbox().capacity() / 8;
        for _ in 0..most.clamp(1, MAKE_ROOM) {
            match self.take_task(Far::All) {
                Some(work) => _ = self.run(work),
                None => spin_loop(),
            }
        }
        self.dues.pay(self.core());
    }

    /// Runs a task that did not get into the inbox.
    pub(crate) fn run_at_once(&self, task: Taken) {
        self.run(Work::Detached(task, false));
        self.dues.pay(self.core());
    }

    /// Runs it, and says whether it did: a task may have been cancelled meanwhile, or run by who waits for it.
    pub(super) fn run(&self, work: Work) -> bool {
        match work {
            Work::Detached(task, is_migrant) => {
                let migrant = self.is_migrant.replace(is_migrant);
                let urgency = self.urgency.replace(task.from().priority);
                // SAFETY: this thread is a worker of the pool, or a guest, who pays before the pool can go.
                self.nested(task.from().reach, || unsafe { task.run(self) });
                self.urgency.set(urgency);
                self.is_migrant.set(migrant);
                true
            }
            Work::Job(job, reach) => {
                self.dues.pay(self.core());
                let span = self.begin_span(Kind::Job);
                // SAFETY: a job taken from a deque is run once, by its taker; its frame waits for that.
                self.nested(reach, || unsafe { Job::run(job, self) });
                self.end_span(span, Kind::Job);
                true
            }
            Work::Task(task, is_migrant) => {
                self.dues.pay(self.core());
                let migrant = self.is_migrant.replace(is_migrant);
                // SAFETY: this thread is a worker of the pool, or a counted guest.
                let ran = unsafe { task.run(self) };
                self.is_migrant.set(migrant);
                ran
            }
        }
    }

    /// How often the running task was moved from one worker's inbox to another worker: 0, or 1, since it is run at once.
    pub fn task_migrations(&self) -> u32 {
        self.is_migrant.get().into()
    }

    /// How urgent the running task is; more than it was submitted with if a more urgent one waits for it.
    pub fn task_priority(&self) -> Priority {
        self.urgency.get()
    }

    /// Whether a frame at this address leaves stack enough for a fork.
    #[inline(always)]
    pub(crate) fn has_stack_for(&self, frame: usize) -> bool {
        frame >= self.stack_limit
    }

    /// Whether there is room on the stack, and depth left, for running something that has nothing to do with the running work.
    pub(super) fn can_nest(&self) -> bool {
        stack_pointer() > self.stack_reserve && self.depth.get() <= self.core().help_depth()
    }

    /// Xorshift: any start will do, and no two workers walk in step.
    fn next_random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x
    }
}
