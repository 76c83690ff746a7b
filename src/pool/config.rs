//! What a pool is made from.

use super::balance::Balance;
use super::log::Log;
use crate::os::alloc::{Allocator, NodeAllocator};
use crate::protocol::run_queue::Growth;
use crate::topology::{CpuSet, Topology};
use core::ffi::c_void;

/// Whether workers are pinned to CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pinning {
    /// Each worker is pinned to a CPU of its own; where the system refuses, the worker runs unpinned and is counted.
    #[default]
    Preferred,
    /// Each worker is pinned; where the system refuses, making the pool fails.
    Required,
    /// Workers run where the system puts them.
    Off,
}

/// What submitting does when the inbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The call fails with [`QueueFull`](crate::error::Status::QueueFull).
    #[default]
    Error,
    /// The call lasts until there is room; meanwhile the caller runs queued tasks, oldest first.
    Block,
    /// The caller runs the task itself, at once.
    Run,
}

/// What a worker does while it waits: for a future, for a group, or for a fork that another worker has stolen. Threads that
/// are not workers sleep.
///
/// Whatever is chosen, a worker that waits for a future runs its task itself if nobody has begun it. And when all workers of a
/// pool wait, and one of them for what may not have been begun, the last to come helps as [`HelpAny`](Self::HelpAny) does, since
/// there is nobody else left who could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WaitPolicy {
    /// It runs whatever there is: first jobs of its own, then those of the worker it waits for, then any. What it runs may be
    /// a stranger. So do not wait with a lock held that other tasks take; and if a stranger may wait for the running task, choose
    /// another policy, since the one cannot go on before the other.
    #[default]
    HelpAny,
    /// It runs jobs of the worker it waits for, which were forked on behalf of what it waits for, and sleeps when there are
    /// none.
    HelpOwn,
    /// It sleeps.
    Block,
}

/// Called, with the context it was given, when a task comes to a pool that runs on its maker. It must neither unwind nor wait.
pub type WakeFn = unsafe extern "C-unwind" fn(context: *mut c_void);

/// A function and its context; see [`OnCaller::wake`].
#[derive(Clone, Copy, Debug)]
pub struct Wake {
    /// Called from any thread.
    pub call: WakeFn,
    /// Passed to it.
    pub context: *mut c_void,
}

// SAFETY: the context is passed on, never looked at; whoever sets it vouches for its use on any thread.
unsafe impl Send for Wake {}
// SAFETY: as above.
unsafe impl Sync for Wake {}

/// How a pool without threads works, on the thread that makes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnCaller {
    /// Called by whoever submits the first task since the maker last looked, so that its event loop pumps; and by the maker, when it
    /// leaves tasks in the queue. May come for nothing.
    pub wake: Option<Wake>,
    /// Draws the order of tasks and forks among those that a pool with threads may take: the same seed, the same order, as
    /// long as the maker alone submits.
    pub seed: Option<u64>,
}

/// A function called on each worker's thread, with the context it was given and the worker's index. It must not unwind.
pub type HookFn = unsafe extern "C-unwind" fn(context: *mut c_void, worker: u32);

/// Functions called when a worker starts and ends, works and sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Called on the worker's thread before its first task.
    pub on_start: Option<HookFn>,
    /// Called on the worker's thread after its last task.
    pub on_stop: Option<HookFn>,
    /// Called before each task, and before each forked job that the worker took out of a deque; for a profiler. A thread from
    /// outside that runs a task because the inbox is full passes `u32::MAX`.
    pub on_work_begin: Option<HookFn>,
    /// Called after it. Such calls are nested as the pieces of work are.
    pub on_work_end: Option<HookFn>,
    /// Called before the worker goes to sleep.
    pub on_park: Option<HookFn>,
    /// Called when it has slept.
    pub on_unpark: Option<HookFn>,
    /// Passed to all.
    pub context: *mut c_void,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks {
            on_start: None,
            on_stop: None,
            on_work_begin: None,
            on_work_end: None,
            on_park: None,
            on_unpark: None,
            context: core::ptr::null_mut(),
        }
    }
}

// SAFETY: the context is passed on, never looked at; whoever sets it vouches for its use on the workers' threads.
unsafe impl Send for Hooks {}
// SAFETY: as above.
unsafe impl Sync for Hooks {}

/// How many tasks one shard of the inbox holds unless told otherwise. There is a shard for each worker.
pub const DEFAULT_INBOX_CAPACITY: usize = 4096;
/// How many pieces of work may stand on a worker's stack, each started in a wait of the one before, unless told otherwise.
pub const DEFAULT_HELP_DEPTH: u32 = 128;
/// The most workers a pool may have.
pub const MAX_WORKERS: usize = 4096;
/// The most tasks a shard may hold.
pub const MAX_INBOX_CAPACITY: usize = 1 << 24;

/// The settings of a pool. `Config::default()` suits most.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// How many workers; 0 means as many as the process may use at a time, on the CPUs that are chosen.
    pub workers: usize,
    /// How many of them have places at least, where their number follows the load: it begins here, grows when work comes and all that have
    /// places are busy, up to `workers` or to what the process's cgroup grants, and shrinks when the last one has slept for 200 ms.
    /// The others rest. 0 means that all have places for good.
    pub min_workers: usize,
    /// How many workers there are beyond `workers`, to stand in for those in [blocking regions](super::Worker::blocking).
    pub spare_workers: usize,
    /// How many threads of the program may [lend](super::Pool::lend) themselves as workers at a time. Needs [stealing](Balance), without
    /// which they would find nothing.
    pub host_seats: usize,
    /// Whether they are pinned.
    pub pinning: Pinning,
    /// The CPUs that the pool's threads run on; `None` means all that the process may use. A thread that is pinned to no one CPU, because of
    /// [`Pinning::Off`] or as a spare worker, runs on any of them. Threads that are lent run where they are.
    pub cpus: Option<&'a CpuSet>,
    /// The NUMA nodes whose CPUs they are, by the kernel's numbers; none means all. With `cpus`, those of the nodes' CPUs.
    pub nodes: &'a [u32],
    /// Tasks each shard of the inbox holds, rounded up to a power of two; 0 means [`DEFAULT_INBOX_CAPACITY`].
    pub inbox_capacity: usize,
    /// Up to how many tasks a shard grows that is full, rounded up to a power of two; less than `inbox_capacity`, or 0: it does not grow. A
    /// shard that doubles holds what lies in its older rings besides, less than that again.
    /// Growing takes memory in the middle of a submit; where there is none, the inbox is full.
    pub inbox_limit: usize,
    /// How it grows. [`Growth::Horizontal`] takes at most 64 times `inbox_capacity`.
    pub inbox_growth: Growth,
    /// What submitting does when the inbox is full.
    pub when_full: WhenFull,
    /// How workers wait, unless a task says otherwise.
    pub wait_policy: WaitPolicy,
    /// How deep [`WaitPolicy::HelpAny`] goes: a worker that has started so many pieces of work, each in a wait of the one
    /// before, waits as with [`WaitPolicy::HelpOwn`]. 0 means [`DEFAULT_HELP_DEPTH`].
    pub help_depth: u32,
    /// How queued tasks are shared.
    pub balance: Balance,
    /// Stack of each worker in bytes; 0 means [`DEFAULT_STACK`](crate::os::thread::DEFAULT_STACK).
    pub stack_size: usize,
    /// Workers are named with this and their number; at most 8 bytes are used.
    pub name_prefix: &'a str,
    /// Whether workers may be chosen by the system to handle signals sent to the process.
    pub keep_signals: bool,
    /// A pool without threads: its one worker is the thread that makes it, while that calls [`pump`](super::Pool::pump), waits for something of
    /// the pool, or runs something in it. All threads may submit. Only that thread ends the pool; dropped elsewhere, the pool is left alone
    /// with all that it holds.
    pub on_caller: Option<OnCaller>,
    /// Told what the pool does otherwise than asked, and what it finds out on its own.
    pub log: Option<Log>,
    /// Functions called on the workers' threads.
    pub hooks: Hooks,
    /// Where all memory of the pool comes from.
    pub allocator: Allocator,
    /// Where the memory of workers whose NUMA node is known comes from: their deques, and the blocks of the tasks that they make. `None`: from
    /// `allocator`; or, where that is the system's, from pages on the node.
    pub node_allocator: Option<NodeAllocator>,
    /// The machine; `None` means the one this runs on.
    pub topology: Option<&'a Topology>,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Config {
            workers: 0,
            min_workers: 0,
            spare_workers: 0,
            host_seats: 0,
            pinning: Pinning::default(),
            cpus: None,
            nodes: &[],
            inbox_capacity: 0,
            inbox_limit: 0,
            inbox_growth: Growth::default(),
            when_full: WhenFull::default(),
            wait_policy: WaitPolicy::default(),
            help_depth: 0,
            balance: Balance::default(),
            stack_size: 0,
            name_prefix: "vgpu-",
            keep_signals: false,
            on_caller: None,
            log: None,
            hooks: Hooks::default(),
            allocator: Allocator::SYSTEM,
            node_allocator: None,
            topology: None,
        }
    }
}
