//! The settings by which workers share queued tasks, and the order in which they go to each other.
//!
//! They speak of queued tasks, never of forked jobs: a job that is public is there to be stolen, and holding it back would
//! stop its join. Only [`Balance::stealing`] and [`Balance::min_remote_length`] concern both.
//!
//! # Why nothing waits for ever on another node
//! [`Balance::min_remote_length`] holds nothing back, it says what comes first. A worker that finds no other work looks for a bounded
//! time, and then it goes to short queues on other nodes too; before that it does not sleep, since a sleeper's last look knows no
//! lengths. And at its fair turns ([`inbox`](super::inbox)) no worker takes notice of lengths, so that the bound on how often a task is
//! passed over stands as it is, for workers that are never without work as well. Models:
//! `verification/loom/policies.rs`.

use crate::protocol::deque::Steal;

/// The order in which a worker that looks for work goes to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Victims {
    /// By nearness: hardware threads of its core, then behind its L2, behind its L3, in its node, then node by node as far as
    /// they are; at random among those equally near. The default.
    #[default]
    Locality,
    /// Beginning with a random one.
    Random,
    /// Beginning with the one that has the most: 4 for each task of the highest priority, 3 for the next, 2 and 1; among equals, the
    /// one with the most jobs.
    Load,
}

impl Victims {
    pub(super) fn from_number(number: u32) -> Victims {
        [Victims::Locality, Victims::Random, Victims::Load][number as usize % 3]
    }
}

/// What a producer outside the pool does with its tasks. A task that submits always puts its own into its worker's inbox, unless
/// there is one for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum InboxMode {
    /// Each thread has an inbox that is its own as long as there are no more threads than workers, so that producers do not
    /// meet. The default.
    #[default]
    Nearest,
    /// Tasks, or whole batches of them, are dealt to the workers in turn.
    RoundRobin,
    /// There is one inbox for all.
    Shared,
}

impl InboxMode {
    pub(super) fn from_number(number: u32) -> InboxMode {
        [InboxMode::Nearest, InboxMode::RoundRobin, InboxMode::Shared][number as usize % 3]
    }
}

/// How queued tasks are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whether workers take tasks from each other's inboxes, and forked jobs. Without it a task waits for the worker it was
    /// dealt to.
    pub stealing: bool,
    /// To whom a worker goes first. Can be changed while the pool runs.
    pub victims: Victims,
    /// What producers from outside do. Can be changed while the pool runs.
    pub inbox: InboxMode,
    /// An inbox with fewer tasks is left to its worker, however long that is busy. 1 by default; BEAM has 2.
    pub min_victim_length: usize,
    /// A worker whose load is not so far above the thief's is left alone; the load counts 4, 3, 2 or 1 for each task, by priority. 1 by
    /// default; BEAM has 2.
    pub imbalance: usize,
    /// The inbox, and the public jobs, of a worker on another NUMA node are left to its node's workers while they are fewer, until the thief
    /// has looked for other work for 60 us and found none, or it is the inbox's turn. 1 by default, which makes no difference between nodes.
    pub min_remote_length: usize,
    /// How often a task may be moved. A task that was taken from another's inbox is run at once, so it moves once at most: 0
    /// leaves every task where it was dealt, and any other number is never reached. 100 by default.
    pub max_migrations: u32,
    /// How long a thief leaves the victim alone from whom it took a task last, in nanoseconds. 0 by default.
    pub cooldown_ns: u64,
    /// How often a thief tries again at once when another was faster. 3 by default.
    pub retries: u32,
    /// Whether a worker with too much to do sheds some of it into a queue for all while somebody is idle, and the others take from its inbox
    /// only when they have found nothing else for 60 us. Of tasks of the usual priority; the others are shared as ever. False by
    /// default; not in pools whose tasks stay where they were dealt. Measure whether it pays: `docs/choosing-a-mode.md`.
    pub shedding: bool,
    /// How many workers, the first ones, are kept for tasks of [`Priority::High`](super::Priority::High) and above, so that these need not
    /// wait for long tasks to end; bound tasks, and jobs, they take as everybody does. Fewer than there are workers; 0 by default. Not in pools whose
    /// number of workers varies or whose tasks stay where they were dealt, nor in micropools.
    pub reserved: usize,
    /// When another task has waited so long, in nanoseconds, a reserved worker that has nothing urgent to do takes one of them, and then none
    /// for as long again. 1 ms by default; `u64::MAX`: never, even if all others are held up.
    pub lend_after_ns: u64,
}

/// What [`Balance::lend_after_ns`] is by default.
const LEND_AFTER_NS: u64 = 1_000_000;

impl Default for Balance {
    fn default() -> Balance {
        Balance {
            stealing: true,
            victims: Victims::Locality,
            inbox: InboxMode::Nearest,
            min_victim_length: 1,
            imbalance: 1,
            min_remote_length: 1,
            max_migrations: 100,
            cooldown_ns: 0,
            retries: 3,
            shedding: false,
            reserved: 0,
            lend_after_ns: LEND_AFTER_NS,
        }
    }
}

impl Balance {
    /// Whether tasks may leave the inbox they were dealt to at all.
    pub(super) fn moves_tasks(&self) -> bool {
        self.stealing && self.max_migrations != 0
    }

    /// Whether any worker may take any task that is not bound, at any time.
    pub(super) fn is_plain(&self) -> bool {
        !self.holds_back()
            && self.min_remote_length <= 1
            && self.cooldown_ns == 0
            && !self.shedding
            && self.reserved == 0
    }

    /// Whether some task may have to wait for the worker it was dealt to, although others are free.
    pub(super) fn holds_back(&self) -> bool {
        !self.moves_tasks() || self.min_victim_length > 1 || self.imbalance > 1
    }

    /// Tries a steal again as often as is allowed.
    pub(super) fn persist<T>(&self, mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
        for _ in 0..=self.retries {
            match steal() {
                Steal::Got(job) => return Some(job),
                Steal::Empty => return None,
                Steal::Lost => {}
            }
        }
        None
    }
}
