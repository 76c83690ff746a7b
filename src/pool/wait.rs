//! How a worker waits: for a future, a group, the other half of a fork, or the end of its pool.
//!
//! A worker that helps runs other work until its target is done, searches for a bounded time when there is none, and then sleeps as
//! [`event_count`](crate::protocol::event_count) prescribes, woken by new work or by its target. How far it helps is a
//! [`WaitPolicy`], bounded by the depth of its stack; when all workers' waits are bounded, one helps nevertheless:
//! [`last_helper`](crate::protocol::last_helper).

use super::config::WaitPolicy;
use super::reserve::Loan;
use super::seats::Reach;
use super::task::TaskRef;
use super::trace::Kind;
use super::worker::{Far, Work, Worker, stack_pointer};
use crate::error::{Result, error};
use crate::os::clock;
use crate::protocol::completion::Completion;
use crate::protocol::countdown::Countdown;
use crate::protocol::shutdown::Shutdown;
use crate::sync::{IS_CHECKED, SearchBudget, spin_loop};

/// How long a worker looks for work before it sleeps: about as long as going to sleep and being woken takes, the other worker's share
/// included, so that looking costs at most as much again as sleeping at once would.
const SEARCH_NS: u64 = 60_000;
/// How many pauses of the processor lie between two looks, at most: a microsecond.
const MOST_PAUSES: u32 = if IS_CHECKED { 1 } else { 16 };
/// How often a worker asks for leave to search before it sleeps: for some 2 us.
const SEARCH_REQUESTS: u32 = if IS_CHECKED { 1 } else { 64 };
/// After so long a sleep an extra worker loses its place.
const EXTRA_SLEEP_NS: u64 = 200_000_000;
/// How long a worker sleeps at most when it waits for another pool, whose completions do not know its bed.
const FOREIGN_NAP_NS: u64 = 1_000_000;
/// A worker that follows another naps at least and at most so long at a time.
const SHORTEST_NAP_NS: u64 = 50_000;
const LONGEST_NAP_NS: u64 = 1_000_000;

fn is_late(deadline_ns: Option<u64>) -> bool {
    deadline_ns.is_some_and(|deadline| clock::monotonic_ns() >= deadline)
}

/// Something a thread can wait for.
pub(crate) trait Awaited {
    /// Whether the wait is over.
    fn is_done(&self) -> bool;
    /// Raises the flag that asks for a wake-up through the event count; false when the wait is over.
    fn register_helper(&self) -> bool;
    /// What the wake-up calls it.
    fn address(&self) -> usize;
    /// The worker on whom it depends, as far as is known.
    fn performer(&self) -> Option<usize> {
        None
    }
    /// Blocks without helping.
    fn block(&self, deadline_ns: Option<u64>) -> bool;
}

impl<T> Awaited for Completion<T> {
    fn is_done(&self) -> bool {
        Completion::is_done(self)
    }
    fn register_helper(&self) -> bool {
        Completion::register_helper(self)
    }
    fn performer(&self) -> Option<usize> {
        Completion::performer(self)
    }
    fn address(&self) -> usize {
        Completion::address(self)
    }
    fn block(&self, deadline_ns: Option<u64>) -> bool {
        self.wait(deadline_ns)
    }
}

impl Awaited for Countdown {
    fn is_done(&self) -> bool {
        self.is_zero()
    }
    fn register_helper(&self) -> bool {
        Countdown::register_helper(self)
    }
    fn address(&self) -> usize {
        Countdown::address(self)
    }
    fn block(&self, deadline_ns: Option<u64>) -> bool {
        self.wait(deadline_ns)
    }
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
    pub(crate) fn work_until_terminated(&self) {
        self.help(self.core().shutdown(), None);
    }

    /// The life of a thread that is lent, until `target` is done or the time has run out.
    pub(super) fn work_until(&self, target: &impl Awaited, deadline_ns: Option<u64>) {
        self.help(target, deadline_ns);
    }

    /// Whether its thread is the pool's own.
    fn is_own(&self) -> bool {
        self.index() < self.core().own_workers()
    }

    /// Waits until `target` is done, as far as policy, depth and stack allow by running other work. False when the time ran
    /// out first.
    pub(crate) fn wait_until(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> bool {
        self.wait(target, deadline_ns, true)
    }

    /// Waits until a job is done that another worker has taken.
    pub(super) fn wait_for_thief(&self, job: &Completion<()>) {
        self.wait(job, None, false);
    }

    /// `is_open` says that perhaps nobody has begun yet what is waited for; see the last helper.
    fn wait(&self, target: &impl Awaited, deadline_ns: Option<u64>, is_open: bool) -> bool {
        self.promote_all();
        if self.is_guest() {
            return target.block(deadline_ns);
        }
        let policy = self.policy.get();
        if policy == WaitPolicy::HelpAny && self.can_nest() {
            return self.help(target, deadline_ns);
        }
        let has_stack = stack_pointer() > self.stack_reserve;
        // Whoever waits without helping lends its place.
        self.core().sleep().lend();
        while !target.is_done() && !is_late(deadline_ns) {
            let last_helper = self.core().last_helper();
            let found = if last_helper.enter(is_open, self.is_own()) {
                self.find(target, deadline_ns)
            } else if policy == WaitPolicy::Block || !has_stack {
                self.sleep(|| target.block(deadline_ns));
                None
            } else {
                self.follow(target, deadline_ns)
            };
            last_helper.leave(is_open, self.is_own());
            let Some(work) = found else { break };
            self.run(work);
            self.dues().pay(self.core());
        }
        self.core().sleep().take_back();
        target.is_done()
    }

    /// Runs other work until `target` is done, and sleeps when there is none. False when the time ran out first.
    fn help(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> bool {
        while !target.is_done() && !is_late(deadline_ns) {
            let Some(work) = self.find(target, deadline_ns) else { break };
            self.run(work);
        }
        self.dues().pay(self.core());
        target.is_done()
    }

    /// Looks for work until there is some; `None` when `target` is done or the time has run out. Never inlined: what is found is run on
    /// top of the caller's frame, which waits may stack high.
    #[inline(never)]
    fn find(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> Option<Work> {
        if self.is_surplus() {
            self.dues().pay(self.core());
            return self.search(target, deadline_ns);
        }
        let found = if self.replays() { self.draw() } else { self.take() };
        found.or_else(|| {
            // What was just paid for may be what is waited for.
            self.dues().pay(self.core());
            self.search(target, deadline_ns)
        })
    }

    /// As [`find`](Self::find), among the jobs of the worker that `target` depends on. Nobody wakes this worker when that one
    /// forks again, so it naps when there is nothing to steal, briefly at first.
    #[inline(never)]
    fn follow(&self, target: &impl Awaited, deadline_ns: Option<u64>) -> Option<Work> {
        let mut nap_ns = SHORTEST_NAP_NS;
        loop {
            let found = self.searching(|budget| {
                while !target.is_done() && !budget.is_spent() {
                    if let Some(job) = target.performer().and_then(|performer| self.steal_from(performer)) {
                        return Some(job);
                    }
                    spin_loop();
                }
                None
            });
            if found.is_some() {
                return found;
            }
            let nap_end = clock::monotonic_ns() + nap_ns;
            let nap_end = deadline_ns.map_or(nap_end, |deadline| deadline.min(nap_end));
            let is_done = self.sleep(|| target.block(Some(nap_end)));
            if is_done || is_late(deadline_ns) {
                return None;
            }
            nap_ns = (nap_ns * 2).min(LONGEST_NAP_NS);
        }
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
        let mut searching = !self.is_surplus() && self.try_begin_search();
        // Until it has searched in vain.
        self.rescues.set(false);
        let mut far = Far::Long;
        loop {
            if searching {
                let ended = self.searching(|budget| {
                    let mut pauses = 1;
                    loop {
                        if let Some(work) = self.steal(target.performer(), far) {
                            break Some(Some(work));
                        }
                        if target.is_done() || is_late(deadline_ns) {
                            break Some(None);
                        }
                        if budget.is_spent() {
                            break None;
                        }
                        // Who looks into a deque takes its cache lines from its owner: the longer in vain, the more seldom.
                        (0..pauses).take_while(|_| !target.is_done()).for_each(|_| spin_loop());
                        pauses = (pauses * 2).min(MOST_PAUSES);
                    }
                });
                if let Some(found) = ended {
                    self.rescues.set(true);
                    sleep.end_search(self.index(), || core.has_work());
                    return found;
                }
                // What it has passed over would keep it from sleeping.
                far = Far::All;
            }
            self.rescues.set(true);
            // Before the announcement: who wakes this worker is not to wait for it.
            core.governor().look(core.allocator(), sleep, core.log(), clock::monotonic_ns);
            sleep.wait_on(self.index(), target.address());
            let registered = target.register_helper();
            // Nobody counts on a worker that comes from its work, so that one may go to rest past work that others can do.
            let rests = !searching && self.is_surplus();
            let end_of_place = self.is_extra().then(|| clock::monotonic_ns() + EXTRA_SLEEP_NS);
            sleep.announce(self.index(), searching);
            let calls = if rests { core.has_work_only_for(self.index()) } else { core.has_work_for(self.index()) };
            let loan = if self.is_reserved() { self.loan() } else { Loan::Nothing };
            if registered && !calls && loan != Loan::Due && !target.is_done() {
                let loan = if let Loan::From(moment) = loan { Some(moment) } else { None };
                let end = [deadline_ns.or(end_of_place), loan].into_iter().flatten().min();
                self.sleep(|| sleep.park(self.index(), end));
                far = Far::Long;
            }
            if sleep.withdraw(self.index()) {
                self.counters().wakeups.add(1);
                self.trace_wake();
            } else if is_late(end_of_place) {
                sleep.lower(self.index());
            }
            sleep.wait_on(self.index(), 0);
            searching = true;
        }
    }

    /// Asks for leave to search, more than once: who searches may be just about to stop, most likely the one whose wait this worker
    /// has ended just now.
    #[inline]
    fn try_begin_search(&self) -> bool {
        (0..SEARCH_REQUESTS).any(|request| {
            if request != 0 {
                spin_loop();
            }
            self.core().sleep().try_begin_search()
        })
    }

    /// Searches for a bounded time, which is counted.
    fn searching<R>(&self, search: impl FnOnce(&mut SearchBudget) -> R) -> R {
        let mut budget = SearchBudget::nanoseconds(SEARCH_NS);
        let (watch, start_ns) = (&self.counters().searching, budget.last_ns());
        let span = self.begin_span(Kind::Search);
        watch.start(start_ns);
        let result = search(&mut budget);
        watch.stop(budget.last_ns());
        self.trace_period(span, Kind::Search, start_ns, budget.last_ns());
        result
    }

    /// Sleeps, which is counted. Who has slept may wake up elsewhere.
    fn sleep<R>(&self, sleep: impl FnOnce() -> R) -> R {
        let counters = self.counters();
        counters.parks.add(1);
        let span = self.begin_span(Kind::Park);
        let start_ns = clock::monotonic_ns();
        counters.sleeping.start(start_ns);
        let result = sleep();
        let end_ns = clock::monotonic_ns();
        counters.sleeping.stop(end_ns);
        self.trace_period(span, Kind::Park, start_ns, end_ns);
        self.core().statistics().repair_pin(self.index(), self.core().log());
        result
    }

    /// Whether this worker has no place, and nothing on its stack either that it has begun.
    #[inline(always)]
    fn is_surplus(&self) -> bool {
        let roster = self.core().sleep().roster();
        roster.varies() && self.depth.get() == 0 && !roster.has_place(self.index())
    }

    fn is_extra(&self) -> bool {
        self.depth.get() == 0 && self.core().sleep().roster().is_extra(self.index())
    }

    /// Calls something that blocks, such as a read from a file or a wait for a lock, and lends the worker's place to another meanwhile, so that
    /// as many work as before. All its forks are made public first, since what it waits for may depend on them.
    ///
    /// A pool has somebody to lend to if it was made with [`spare_workers`](super::Config::spare_workers), or while fewer
    /// workers have places than it has.
    pub fn blocking<R>(&self, block: impl FnOnce() -> R) -> R {
        /// Ends the loan, however the call ends.
        struct Loan<'w>(&'w Worker);
        impl Drop for Loan<'_> {
            fn drop(&mut self) {
                self.0.end_blocking();
            }
        }
        self.begin_blocking();
        let _loan = Loan(self);
        block()
    }

    /// The beginning of what [`blocking`](Self::blocking) does.
    pub(crate) fn begin_blocking(&self) {
        self.promote_all();
        if !self.is_guest() {
            self.core().sleep().lend();
        }
    }

    /// And its end.
    pub(crate) fn end_blocking(&self) {
        if !self.is_guest() {
            self.core().sleep().take_back();
        }
    }

    /// Runs a piece of work one level deeper, with the pool's own way to wait. Those in `reach` may run what it forks.
    pub(crate) fn nested<R>(&self, reach: Reach, run: impl FnOnce() -> R) -> R {
        let policy = self.policy.replace(self.core().wait_policy());
        self.depth.set(self.depth.get() + 1);
        let result = if self.reach() == reach { run() } else { self.reaching(reach, run) };
        self.depth.set(self.depth.get() - 1);
        self.policy.set(policy);
        result
    }

    #[cold]
    fn reaching<R>(&self, reach: Reach, run: impl FnOnce() -> R) -> R {
        let outer = self.reach();
        // A deque full of the outer work's jobs, or no memory: then their order would be lost if the inner ones were published.
        let was_held = self.is_held.replace(self.forks().oldest_private().is_some());
        self.turn_to(reach);
        let result = run();
        self.turn_to(outer);
        self.is_held.set(was_held);
        result
    }

    /// Says how the running task or job waits from here on, and returns how it did before. Work that it runs while it waits, or that
    /// others run for it, waits as the pool does.
    pub fn set_wait_policy(&self, policy: WaitPolicy) -> WaitPolicy {
        self.policy.replace(policy)
    }

    /// Fails when the stack is too short to run what may have to be run in a wait.
    pub(crate) fn check_stack(&self) -> Result<()> {
        if self.has_stack_for(stack_pointer()) {
            return Ok(());
        }
        Err(error!(
            StackLimit,
            "a wait found worker {}'s stack almost used up; give the pool's workers a larger stack, or let tasks wait for each other less deeply",
            self.index()
        ))
    }

    /// Waits until `task`'s other references are gone, running what stands before it in the queues.
    pub(crate) fn help_until_sole(&self, task: &TaskRef) {
        while !task.header().state.is_sole() {
            if !self.run_queued_task() {
                spin_loop();
            }
        }
    }
}
