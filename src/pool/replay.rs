//! Orders of tasks and forks that are drawn from a seed: the same seed, the same order.
//!
//! On one thread nothing happens at the same time; but what a pool of many workers leaves open, which of two tasks comes first and whether a
//! forked job runs before the fork goes on, can be drawn by lot. A test that fails under a seed fails under it again.
//!
//! What is drawn is what a pool with threads may do, and nothing else. At a fork: whether the oldest job is run at once, as a thief
//! would. In a wait or a pump: which comes next, of the newest job, the oldest, and the most urgent queued tasks. While a task that is waited
//! for has not begun: whether it is the next. A task never begins where the program neither forks nor waits, so that a lock held
//! across a submission is as safe as elsewhere.

use super::core::Core;
use super::worker::{Far, Work, Worker};
use crate::error::Result;
use crate::os::alloc::{Allocator, List};
use crate::sync::UnsafeCell;

/// Among so many queued tasks one is drawn, the oldest there are.
const HAND: usize = 64;

/// The lots of a pool, and the tasks among which they fall.
pub(crate) struct Replay {
    inner: UnsafeCell<Inner>,
}

struct Inner {
    state: u64,
    hand: List<Work>,
}

impl core::fmt::Debug for Replay {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}

/// What comes next.
pub(super) enum Draw {
    NewestJob,
    OldestJob,
    Task(Work),
}

impl Replay {
    pub(super) fn new(allocator: Allocator, seed: u64) -> Result<Replay> {
        let hand = List::with_capacity(allocator, HAND)?;
        Ok(Replay { inner: UnsafeCell::new(Inner { state: seed, hand }) })
    }

    /// # Safety
    /// The calling thread is the pool's maker, and `action` does not come back here.
    unsafe fn with<R>(&self, action: impl FnOnce(&mut Inner) -> R) -> R {
        // SAFETY: by contract nobody else is here.
        self.inner.with_mut(|inner| action(unsafe { &mut *inner }))
    }

    /// One of `n` numbers.
    ///
    /// # Safety
    /// The calling thread is the pool's maker.
    pub(super) unsafe fn below(&self, n: usize) -> usize {
        // SAFETY: by contract; drawing calls nothing.
        unsafe { self.with(|inner| inner.below(n)) }
    }

    /// Takes up what `more` gives, as far as there is room, and draws among that and a number of jobs.
    ///
    /// # Safety
    /// The calling thread is the pool's maker, and `more` does not come back here.
    pub(super) unsafe fn draw(&self, jobs: usize, mut more: impl FnMut() -> Option<Work>) -> Option<Draw> {
        let draw = |inner: &mut Inner| {
            while inner.hand.len() < HAND {
                let Some(work) = more() else { break };
                // There is room.
                let _ = inner.hand.push(work);
            }
            let urgency = |work: &Work| work.priority() as u32;
            let most = inner.hand.iter().map(urgency).max().unwrap_or(0);
            let urgent = inner.hand.iter().filter(|work| urgency(work) == most).count();
            let jobs = jobs.min(2);
            if jobs + urgent == 0 {
                return None;
            }
            match inner.below(jobs + urgent) {
                0 if jobs > 0 => Some(Draw::NewestJob),
                1 if jobs > 1 => Some(Draw::OldestJob),
                number => {
                    let at = (0..inner.hand.len()).filter(|&at| urgency(&inner.hand[at]) == most).nth(number - jobs)?;
                    let last = inner.hand.len() - 1;
                    // The others keep their order: the draws to come depend on it alone.
                    inner.hand[at..=last].rotate_left(1);
                    inner.hand.pop().map(Draw::Task)
                }
            }
        };
        // SAFETY: by contract.
        unsafe { self.with(draw) }
    }

    /// Whether there are tasks that no queue knows of any more.
    ///
    /// # Safety
    /// The calling thread is the pool's maker.
    pub(super) unsafe fn holds_tasks(&self) -> bool {
        // SAFETY: by contract.
        unsafe { self.with(|inner| !inner.hand.is_empty()) }
    }
}

impl Inner {
    /// One of `n` numbers, by splitmix64 (G. Steele, D. Lea, C. Flood, *Fast splittable pseudorandom number generators*, 2014).
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((u128::from(z) * n as u128) >> 64) as usize
    }
}

impl Core {
    /// Whether there are tasks in hand, which no queue knows of any more. On the pool's maker.
    pub(super) fn holds_tasks(&self) -> bool {
        // SAFETY: by contract.
        self.maker().and_then(|maker| maker.replay()).is_some_and(|replay| unsafe { replay.holds_tasks() })
    }
}

impl Worker {
    fn replay(&self) -> Option<&Replay> {
        self.core().maker()?.replay()
    }

    /// Whether orders are drawn by lot here.
    #[inline(always)]
    pub(crate) fn replays(&self) -> bool {
        self.replays
    }

    /// One lot of two.
    pub(super) fn flips(&self) -> bool {
        // SAFETY: a worker that replays is its pool's maker.
        self.replay().is_some_and(|replay| unsafe { replay.below(2) } == 1)
    }

    /// What comes next by lot.
    #[cold]
    #[inline(never)]
    pub(super) fn draw(&self) -> Option<Work> {
        let replay = self.replay()?;
        // SAFETY: a worker that replays is its pool's maker; taking a task off a queue runs nothing.
        match unsafe { replay.draw(self.deque().len(), || self.take_task(Far::All)) }? {
            Draw::Task(work) => Some(work),
            // SAFETY: this thread is the worker, and owns its deque.
            Draw::NewestJob => unsafe { self.deque().pop() }.map(|job| Work::Job(job, self.reach())),
            Draw::OldestJob => self.oldest_job(),
        }
    }

    /// At a fork: runs the oldest job at once, or leaves it private.
    pub(super) fn replay_fork(&self) {
        if self.can_nest() && self.flips() && self.promote_one() {
            self.be_robbed();
        }
    }

    /// Where a job was published: runs the oldest at once, or leaves it where it is.
    #[cold]
    pub(super) fn replay_theft(&self) {
        if self.can_nest() && self.flips() {
            self.be_robbed();
        }
    }

    fn be_robbed(&self) {
        if let Some(job) = self.oldest_job() {
            self.run(job);
        }
    }

    /// What a thief would get.
    fn oldest_job(&self) -> Option<Work> {
        let job = self.core().balance().persist(|| self.deque().steal())?;
        Some(Work::Job(job, self.reach()))
    }
}
