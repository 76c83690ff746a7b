//! One worker: where it looks for work, how it waits, and when it sleeps.
//!
//! A worker's whole life is a wait: for the end of the pool. Waiting for a future, a group or the other half of a fork is
//! the same thing, deeper in the stack: [`Worker::wait_until`] runs other work until its target is done, searches for a
//! bounded time when there is none, and then sleeps as [`event_count`](crate::protocol::event_count) prescribes, woken by
//! new work or by its target.

use super::core::{Awaited, Core};
use super::fork_join::Job;
use super::task::TaskRef;
use crate::os::{clock, thread};
use crate::protocol::deque::{Deque, Steal};
use crate::protocol::fork_stack::ForkStack;
use crate::protocol::shutdown::Shutdown;
use crate::sync::{SearchBudget, spin_loop, thread_slot};
use core::cell::Cell;
use core::ptr::{self, NonNull};

/// How long a worker looks for work before it sleeps.
const SEARCH_NS: u64 = 20_000;
/// A worker with less stack than this left does not help while it waits: what it would run could need more.
const STACK_RESERVE: usize = 128 << 10;
/// A worker with less stack than this left does not fork: an error has to get out, and what a leaf calls needs room too.
const STACK_LIMIT: usize = 64 << 10;
/// How long a worker sleeps at most when it waits for another pool, whose completions do not know its bed.
const FOREIGN_NAP_NS: u64 = 1_000_000;
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
    deque: *const Deque<Job>,
    /// The address below which the stack is too short for another fork.
    stack_limit: usize,
    core: *const Core,
    index: usize,
    random: Cell<u64>,
    /// The address below which this worker's stack is too short for helping.
    stack_reserve: usize,
}

/// Roughly where the stack ends that is in use.
fn stack_pointer() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

/// The address at which so much of the calling thread's stack is left, but at most that part of what there is now. 0 for a thread
/// that runs on another stack than the system gave it, as fibers do: nobody knows where that one ends.
fn stack_mark(bytes: usize, part: usize) -> usize {
    let bottom = thread::stack_bottom();
    stack_pointer().checked_sub(bottom).map_or(0, |left| bottom + bytes.min(left / part))
}

/// Something to run.
enum Work {
    Job(NonNull<Job>),
    Task(TaskRef),
}

#[cfg(feature = "capi")]
impl Worker {
    /// Where its words lie that the C++ header uses: the private stack, the deque's address, the stack's limit.
    pub(crate) const OFFSETS: [usize; 3] = [
        core::mem::offset_of!(Worker, forks),
        core::mem::offset_of!(Worker, deque),
        core::mem::offset_of!(Worker, stack_limit),
    ];
}

impl Awaited for Shutdown {
    fn is_done(&self) -> bool {
        self.is_terminated()
    }
    fn register_helper(&self) -> bool {
        // Termination gives every worker a permit.
        true
    }
    fn address(&self) -> usize {
        0
    }
    fn block(&self, _: Option<u64>) -> bool {
        unreachable!("a worker's life is not spent blocked")
    }
}

impl Worker {
    pub(crate) fn new(core: &Core, index: usize) -> Worker {
        Worker {
            forks: ForkStack::new(),
            deque: core.deque(index),
            core,
            index,
            random: Cell::new((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            stack_reserve: stack_mark(STACK_RESERVE, 4),
            stack_limit: stack_mark(STACK_LIMIT, 8),
        }
    }

    /// A thread from outside that runs tasks of the pool for a moment. It never helps, so its stack does not matter.
    pub(crate) fn guest(core: &Core) -> Worker {
        Worker {
            forks: ForkStack::new(),
            deque: core.deque(0),
            core,
            index: GUEST,
            random: Cell::new(1),
            stack_reserve: 0,
            stack_limit: 0,
        }
    }

    /// The worker or guest that the calling thread is, of whatever pool.
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        // SAFETY: the slot holds 0, or the address of the worker this thread runs as, which outlives what it calls.
        unsafe { ptr::with_exposed_provenance::<Worker>(thread_slot::get()).as_ref() }
    }

    /// Calls `action` with this as the calling thread's worker.
    pub(crate) fn run_as_current<R>(&self, action: impl FnOnce(&Worker) -> R) -> R {
        self.forks.open();
        let before = thread_slot::get();
        thread_slot::set(ptr::from_ref(self).expose_provenance());
        let result = action(self);
        thread_slot::set(before);
        result
    }

    /// The number of this worker in its pool, or [`GUEST`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many workers its pool has.
    pub fn pool_workers(&self) -> usize {
        self.core().workers()
    }

    pub(crate) fn core(&self) -> &Core {
        // SAFETY: a worker, or a guest, runs only while its pool lives.
        unsafe { &*self.core }
    }

    #[inline(always)]
    pub(crate) fn forks(&self) -> &ForkStack {
        &self.forks
    }

    #[inline(always)]
    pub(crate) fn deque(&self) -> &Deque<Job> {
        // SAFETY: the deques live as long as the core.
        unsafe { &*self.deque }
    }

    pub(crate) fn is_guest(&self) -> bool {
        self.index == GUEST
    }

    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        ptr::eq(self.core, core)
    }

    pub(crate) fn work_until_terminated(&self) {
        self.wait_until(self.core().shutdown(), None);
    }

    /// Runs other work until `target` is done, and sleeps when there is none. False when the time ran out first.
    pub(crate) fn wait_until(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> bool {
        self.promote_all();
        if self.is_guest() || !self.has_stack_to_help() {
            return target.block(deadline_ns);
        }
        while !target.is_done() {
            if deadline_ns.is_some_and(|deadline| clock::monotonic_ns() >= deadline) {
                return false;
            }
            if let Some(work) = self.take() {
                self.run(work);
            } else if let Some(work) = self.search(target, deadline_ns) {
                self.run(work);
            } else if !target.is_done() {
                return false;
            }
        }
        true
    }

    /// As [`wait_until`](Self::wait_until), for something that a foreign pool completes. Helping its own pool meanwhile is
    /// what lets two pools wait for each other's tasks.
    pub(crate) fn wait_until_foreign(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> bool {
        if self.is_guest() {
            return target.block(deadline_ns);
        }
        loop {
            let now = clock::monotonic_ns();
            if deadline_ns.is_some_and(|deadline| now >= deadline) {
                return target.is_done();
            }
            let nap = now + FOREIGN_NAP_NS;
            if self.wait_until(target, Some(deadline_ns.map_or(nap, |deadline| deadline.min(nap)))) {
                return true;
            }
        }
    }

    /// Looks for work, sleeping in between, until there is some, `target` is done or the time has run out; the latter two
    /// give `None`. The order of the steps is that of the event count's table.
    fn search(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> Option<Work> {
        let core = self.core();
        let sleep = core.sleep();
        let is_late = || deadline_ns.is_some_and(|deadline| clock::monotonic_ns() >= deadline);
        let mut searching = sleep.try_begin_search();
        loop {
            if searching {
                let mut budget = SearchBudget::nanoseconds(SEARCH_NS);
                let found = loop {
                    if let Some(work) = self.steal() {
                        break Some(work);
                    }
                    if target.is_done() || is_late() {
                        sleep.end_search(self.index, || core.has_work());
                        return None;
                    }
                    if budget.is_spent() {
                        break None;
                    }
                    spin_loop();
                };
                if found.is_some() {
                    sleep.end_search(self.index, || core.has_work());
                    return found;
                }
            }
            sleep.wait_on(self.index, target.address());
            let registered = target.register_helper();
            sleep.announce(self.index, searching);
            if registered && !core.has_work() && !target.is_done() {
                sleep.park(self.index, deadline_ns);
            }
            sleep.withdraw(self.index);
            sleep.wait_on(self.index, 0);
            searching = true;
        }
    }

    /// What is nearest: the newest fork of this worker, then the oldest task of its shard, or of the next.
    fn take(&self) -> Option<Work> {
        if !self.deque().is_empty() {
            // SAFETY: this thread is the worker, and owns its deque.
            if let Some(job) = unsafe { self.deque().pop() } {
                return Some(Work::Job(job));
            }
        }
        self.take_task()
    }

    fn take_task(&self) -> Option<Work> {
        // SAFETY: the queue's reference comes with the pointer.
        self.core().inbox().pop(self.index).map(|task| Work::Task(unsafe { TaskRef::adopt(task) }))
    }

    /// The oldest fork of another worker, beginning with a random one, or any task.
    fn steal(&self) -> Option<Work> {
        let core = self.core();
        let workers = core.workers();
        let start = self.next_random() as usize % workers;
        for victim in (start..workers).chain(0..start).filter(|victim| *victim != self.index) {
            if let Steal::Got(job) = core.deque(victim).steal() {
                return Some(Work::Job(job));
            }
        }
        self.take_task()
    }

    /// Runs the oldest queued task, if there is one.
    pub(crate) fn run_queued_task(&self) -> bool {
        self.take_task().is_some_and(|work| {
            self.run(work);
            true
        })
    }

    fn run(&self, work: Work) {
        match work {
            // SAFETY: a job taken from a deque is run once, by its taker; its frame waits for that.
            Work::Job(job) => unsafe { Job::run(job, self) },
            Work::Task(task) => {
                // SAFETY: this thread is a worker of the pool, or a counted guest.
                unsafe { task.run(self) };
            }
        }
    }

    /// Waits until `task`'s other references are gone, running what stands before it in the queues.
    pub(crate) fn help_until_sole(&self, task: &TaskRef) {
        while !task.header().state.is_sole() {
            if !self.run_queued_task() {
                spin_loop();
            }
        }
    }

    /// Whether a frame at this address leaves stack enough for a fork.
    #[inline(always)]
    pub(crate) fn has_stack_to_fork(&self, frame: usize) -> bool {
        frame >= self.stack_limit
    }

    fn has_stack_to_help(&self) -> bool {
        stack_pointer() > self.stack_reserve
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
