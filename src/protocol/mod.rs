//! The concurrency protocols: everything two threads touch, each small enough to be model-checked.
//!
//! No file here calls the operating system, knows a topology or decides a policy. Each opens with its states, who writes
//! what, the interleaving that would break a naive version and the argument why this one holds; then comes its table of
//! ordering sites. The models that check it stand under `verification/`, where each site is shown to be needed.
//!
//! | protocol | what it promises |
//! |---|---|
//! | [`deque`] | each pushed job is taken exactly once, by its owner or by one thief |
//! | [`fork_stack`] | a fork costs no atomic operation, and its job is public before anybody could wait for it in vain |
//! | [`queue`] | each pushed task is taken exactly once, first in, first out |
//! | [`run_queue`] | the same of a queue that grows when it is full |
//! | [`shedding`] | what a loaded worker moves to a queue for all fits there and is taken once |
//! | [`sharded`] | the same of several, in order within a bound where they have their turns |
//! | [`lanes`] | the same for several priorities, at the price of one while one is used |
//! | [`parker`] | one thread sleeps, a permit given before or during the sleep is not lost |
//! | [`event_count`] | no worker sleeps while there is work that nobody looks for |
//! | [`event_log`] | what was recorded is read whole, and only when its session is over |
//! | [`roster`] | workers lose and get places while they work, and no work waits for one that has none |
//! | [`completion`] | a result is set once, and whoever waits for it wakes and sees it |
//! | [`countdown`] | a count reaches zero, and whoever waits for that wakes and sees all that was counted |
//! | [`arrivals`] | a vertex is started once, by the last of its predecessors, and sees what all of them did |
//! | [`run_gate`] | a graph runs once at a time, and only a run in progress is cancelled |
//! | [`task_state`] | a task is started or cancelled, never both, and its storage outlives every use |
//! | [`shares`] | each index of a loop is taken once, and nobody leaves while one is untaken |
//! | [`budget`] | what many take never exceeds a limit, and who is refused would have exceeded it |
//! | [`free_list`] | a block freed by another thread goes home, and has one user at a time |
//! | [`first`] | of several failures the first is kept |
//! | [`handover`] | a result goes to its requester, or back to the server that made it, never to both or neither |
//! | [`lazy_start`] | the first request starts the server, and no request waits for one that was not started |
//! | [`last_helper`] | when all workers wait, one of them helps |
//! | [`door`] | a handle leads to what is there, or learns that it is gone |
//! | [`shutdown`] | what was accepted runs, what comes too late is refused, and then the workers leave |

pub mod arrivals;
pub mod budget;
pub mod completion;
pub mod countdown;
pub mod deque;
pub mod door;
pub mod event_count;
pub mod event_log;
pub mod first;
pub mod fork_stack;
pub mod free_list;
pub mod handover;
pub mod lanes;
pub mod last_helper;
pub mod lazy_start;
pub mod parker;
pub mod queue;
pub mod roster;
pub mod run_gate;
pub mod run_queue;
pub mod sharded;
pub mod shares;
pub mod shedding;
pub mod shutdown;
pub mod task_state;

use crate::sync::Site;

/// Keeps a value on cache lines of its own: 128 bytes, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CacheLine<T>(pub T);

impl<T> core::ops::Deref for CacheLine<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Every ordering site of every protocol.
pub const SITES: &[&[Site]] = &[
    deque::SITES,
    queue::SITES,
    run_queue::SITES,
    parker::SITES,
    event_count::SITES,
    event_log::SITES,
    completion::SITES,
    countdown::SITES,
    task_state::SITES,
    free_list::SITES,
    arrivals::SITES,
    run_gate::SITES,
    handover::SITES,
    lazy_start::SITES,
    door::SITES,
];
