//! The settings of a pool, as C passes them.

use super::arguments::null;
use super::callbacks::{
    vgpu_allocate_fn, vgpu_allocate_on_node_fn, vgpu_free_fn, vgpu_log_fn, vgpu_wake_fn, vgpu_worker_hook_fn,
};
use super::sized::{self, Sized32};
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, NodeAllocator};
use crate::pool::{
    Balance, Config, Growth, Hooks, InboxMode, Level, Log, OnCaller, Pinning, Victims, WaitPolicy, Wake, WhenFull,
};
use crate::topology::CpuSet;
use core::ffi::{CStr, c_char, c_void};
use core::fmt;
use core::mem;
use core::ptr;

/// Workers run where the system puts them.
pub const VGPU_POOL_NO_PINNING: u32 = 1;
/// A worker that cannot be pinned makes the creation of the pool fail, instead of running unpinned.
pub const VGPU_POOL_REQUIRE_PINNING: u32 = 2;
/// Workers do not block signals.
pub const VGPU_POOL_KEEP_SIGNALS: u32 = 4;
/// Workers take nothing from each other: a task waits for the worker it was dealt to, a forked job for the worker that forked it.
pub const VGPU_POOL_NO_STEALING: u32 = 8;
/// Workers take forked jobs from each other, but no queued tasks.
pub const VGPU_POOL_NO_MIGRATION: u32 = 16;

/// The pool has no threads: its one worker is the thread that makes it, while that thread calls vgpu_pool_pump(), waits for something
/// of the pool, or runs a loop, a graph or a product in it. All threads may submit; that one alone may pump and destroy the pool.
/// See on_wake. num_workers is 0 or 1, inbox_full is VGPU_INBOX_FULL_ERROR, and nobody is pinned.
pub const VGPU_POOL_ON_CALLER: u32 = 32;
/// With VGPU_POOL_ON_CALLER, for tests: the order of tasks and forks is drawn from replay_seed, among those that a pool with threads
/// may take. The same seed gives the same order, as long as the pool's own thread alone submits.
pub const VGPU_POOL_REPLAY: u32 = 64;
/// A worker with too much to do sheds some of it into a queue for all while somebody is idle, and the others take from its inbox only when they
/// have found nothing else for 60 us. Of tasks of VGPU_PRIORITY_NORMAL. Not together with settings by which tasks stay where they
/// were dealt. Measure whether it pays.
pub const VGPU_POOL_SHEDDING: u32 = 128;

/// A full inbox makes submitting fail with VGPU_ERROR_QUEUE_FULL. The default.
pub const VGPU_INBOX_FULL_ERROR: u32 = 0;
/// A full inbox makes submitting last until there is room; meanwhile the caller runs queued tasks, oldest first.
pub const VGPU_INBOX_FULL_BLOCK: u32 = 1;
/// A full inbox makes the caller run the task itself, at once.
pub const VGPU_INBOX_FULL_RUN: u32 = 2;

/// A worker that waits runs whatever there is: first jobs of its own, then those of the worker it waits for, then any. What it
/// runs may be a stranger. So do not wait with a lock held that other tasks take; and if a stranger may wait for the running task,
/// choose another policy, since the one cannot go on before the other. The default.
///
/// Whatever is chosen, a worker that waits for a future runs its task itself if nobody has begun it. And when all workers of a
/// pool wait, and one of them for what may not have been begun, the last to come helps, since there is nobody else left who could.
/// Threads that are not workers sleep.
pub const VGPU_WAIT_HELP_ANY: u32 = 0;
/// A worker that waits runs jobs of the worker it waits for, which were forked on behalf of what it waits for, and sleeps when
/// there are none.
pub const VGPU_WAIT_HELP_OWN: u32 = 1;
/// A worker that waits sleeps.
pub const VGPU_WAIT_BLOCK: u32 = 2;

/// A worker that looks for work goes to its neighbours first: hardware threads of its core, then behind its L2 cache, its L3 cache, in
/// its NUMA node, then node by node as far as they are. The default.
pub const VGPU_VICTIMS_LOCALITY: u32 = 0;
/// It begins with a random worker.
pub const VGPU_VICTIMS_RANDOM: u32 = 1;
/// It begins with the worker that has the most: 4 for each queued task of the highest priority, 3 for the next, 2 and 1.
pub const VGPU_VICTIMS_LOAD: u32 = 2;

/// Each thread that submits has an inbox that is its own as long as there are no more threads than workers. The default.
pub const VGPU_INBOX_NEAREST: u32 = 0;
/// Tasks from outside, or whole batches of them, are dealt to the workers in turn.
pub const VGPU_INBOX_ROUND_ROBIN: u32 = 1;
/// There is one inbox for all.
pub const VGPU_INBOX_SHARED: u32 = 2;

/// A full inbox doubles: first in, first out. The default.
pub const VGPU_GROWTH_VERTICAL: u32 = 0;
/// A full inbox gets a second queue beside the first, and so on, at most 64; tasks may overtake each other.
pub const VGPU_GROWTH_HORIZONTAL: u32 = 1;

/// Of what is said to on_log: what was asked could not be done.
pub const VGPU_LOG_ERROR: u32 = 1;
/// It was done otherwise than asked.
pub const VGPU_LOG_WARNING: u32 = 2;
/// It is worth knowing.
pub const VGPU_LOG_INFO: u32 = 3;

/// In steal_retries: a thief that was beaten to a job goes on to the next victim.
pub const VGPU_STEAL_NO_RETRY: u32 = u32::MAX;

/// One of several by its number; `name` is what was set to it.
pub(super) fn choice<T: Copy>(name: &str, number: u32, choices: &[(&str, T)]) -> Result<T> {
    if let Some((_, choice)) = choices.get(number as usize) {
        return Ok(*choice);
    }
    struct Choices<'a, T>(&'a [(&'a str, T)]);
    impl<T> fmt::Display for Choices<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (i, (word, _)) in self.0.iter().enumerate() {
                let comma = match i {
                    0 => "",
                    last if last + 1 == self.0.len() => " and ",
                    _ => ", ",
                };
                write!(f, "{comma}{i} ({word})")?;
            }
            Ok(())
        }
    }
    Err(error!(InvalidArgument, "{name} is {number}; the choices are {}", Choices(choices)))
}

/// A way to wait, by its number.
pub(super) fn wait_policy(name: &str, number: u32) -> Result<WaitPolicy> {
    choice(
        name,
        number,
        &[("help any", WaitPolicy::HelpAny), ("help own", WaitPolicy::HelpOwn), ("block", WaitPolicy::Block)],
    )
}

/// An order of victims, by its number.
pub(super) fn victims(name: &str, number: u32) -> Result<Victims> {
    choice(name, number, &[("locality", Victims::Locality), ("random", Victims::Random), ("load", Victims::Load)])
}

/// A mode of the inbox, by its number.
pub(super) fn inbox_mode(name: &str, number: u32) -> Result<InboxMode> {
    choice(
        name,
        number,
        &[("nearest", InboxMode::Nearest), ("round robin", InboxMode::RoundRobin), ("shared", InboxMode::Shared)],
    )
}

/// The settings of a pool. Begin with vgpu_pool_config_init(); zero always means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_pool_config {
    /// The size of this struct as the program was compiled; set by vgpu_pool_config_init().
    pub struct_size: u32,
    /// VGPU_POOL_ flags, or 0.
    pub flags: u32,
    /// How many workers, at most 4096; 0: as many as the process may use at a time, by its CPU mask and its cgroup's quota.
    pub num_workers: u32,
    /// How many tasks the inbox holds for each worker, rounded up to a power of two; 0: 4096.
    pub inbox_capacity: u32,
    /// What submitting does when the inbox is full: one of VGPU_INBOX_FULL_.
    pub inbox_full: u32,
    /// How workers wait: one of VGPU_WAIT_.
    pub wait_policy: u32,
    /// Stack of each worker in bytes, at least 64 KiB; 0: 2 MiB.
    pub stack_size: usize,
    /// Workers' threads are named with this and their number; at most 8 bytes of UTF-8. NULL: "vgpu-".
    pub name_prefix: *const c_char,
    /// Called on each worker's thread before its first task; may be NULL.
    pub on_worker_start: vgpu_worker_hook_fn,
    /// Called on each worker's thread after its last task; may be NULL.
    pub on_worker_stop: vgpu_worker_hook_fn,
    /// Passed to both, and to the other hooks.
    pub worker_user_data: *mut c_void,
    /// Where the pool's memory comes from, and where it goes back to: both or neither.
    pub allocate: vgpu_allocate_fn,
    /// See allocate.
    pub free: vgpu_free_fn,
    /// Passed to both.
    pub allocator_context: *mut c_void,
    /// How deep VGPU_WAIT_HELP_ANY goes: a worker that has started so many tasks and jobs, each in a wait of the one before,
    /// waits as with VGPU_WAIT_HELP_OWN; 0: 128.
    pub help_depth: u32,
    /// To whom a worker goes first that looks for work: one of VGPU_VICTIMS_.
    pub victims: u32,
    /// Called before each task, and before each forked job that the worker took from the public ones; for a profiler. A thread from
    /// outside that runs a task because the inbox is full passes UINT32_MAX. May be NULL, as the next ones.
    pub on_work_begin: vgpu_worker_hook_fn,
    /// Called after it. Such calls are nested as the pieces of work are.
    pub on_work_end: vgpu_worker_hook_fn,
    /// Called before the worker goes to sleep.
    pub on_park: vgpu_worker_hook_fn,
    /// Called when it has slept.
    pub on_unpark: vgpu_worker_hook_fn,
    /// What becomes of tasks submitted from outside: one of VGPU_INBOX_NEAREST, _ROUND_ROBIN and _SHARED.
    pub inbox_mode: u32,
    /// An inbox with fewer tasks is left to its worker, however long that is busy; 0: 1, which leaves nothing.
    pub min_victim_length: u32,
    /// A worker whose load is not so far above the thief's keeps its tasks; the load counts 4, 3, 2 or 1 for each task, by priority; 0: 1.
    pub imbalance: u32,
    /// How often a thief that was beaten to a job tries the same victim again at once; 0: 3; VGPU_STEAL_NO_RETRY: never.
    pub steal_retries: u32,
    /// How long a thief leaves the worker alone from whom it took a task last, in nanoseconds.
    pub steal_cooldown_ns: u64,
    /// How many workers have places at least, where their number follows the load: it begins here, grows when work comes and all that have
    /// places are busy, up to num_workers or to what the process's cgroup grants, and shrinks when the last one has slept for 200 ms.
    /// The others rest. 0: all have places for good.
    pub min_workers: u32,
    /// How many workers there are beyond num_workers, to stand in for those between vgpu_blocking_begin() and vgpu_blocking_end().
    pub spare_workers: u32,
    /// With VGPU_POOL_ON_CALLER, called by whoever submits the first task since the pool's thread last looked, so that its event loop
    /// pumps; and by that thread itself when it leaves tasks in the queue, because a budget is spent. May come for nothing. It must
    /// not wait, pump or destroy: it tells the event loop. May be NULL.
    pub on_wake: vgpu_wake_fn,
    /// Passed to on_wake.
    pub wake_user_data: *mut c_void,
    /// With VGPU_POOL_REPLAY, what the order is drawn from.
    pub replay_seed: u64,
    /// Told what the pool does otherwise than asked, and what it finds out on its own: workers that run unpinned, quotas, a pool that
    /// cannot be made. Called while the pool is made and ended, and by workers on their way to sleep; nothing is locked meanwhile. May be
    /// NULL.
    pub on_log: vgpu_log_fn,
    /// Passed to on_log.
    pub log_user_data: *mut c_void,
    /// What is less bad is not said: one of VGPU_LOG_; 0: VGPU_LOG_WARNING.
    pub log_level: u32,
    /// How many threads of the program may lend themselves as workers at a time; see vgpu_lease_run(). They are the last of the pool's
    /// workers by number. Needs workers that take tasks from each other.
    pub host_seats: u32,
    /// Up to how many tasks for each worker the inbox grows when it is full, rounded up to a power of two; 0, or less than inbox_capacity: it
    /// does not grow. One that doubles holds what was queued before besides, less than that again. Growing allocates in the middle of a submit; without memory the inbox is full.
    pub inbox_limit: u32,
    /// How it grows: one of VGPU_GROWTH_.
    pub inbox_growth: u32,
    /// When a task of less than VGPU_PRIORITY_HIGH has waited so long, in nanoseconds, a reserved worker that has nothing urgent to do takes one
    /// of them, and then none for as long again; 0: 1 ms; UINT64_MAX: never, even if all others are held up.
    pub lend_after_ns: u64,
    /// How many workers, the first ones, are kept for tasks of VGPU_PRIORITY_HIGH and above, so that these need not wait for long tasks to
    /// end; bound tasks, and forked jobs, they take as all do. Fewer than there are workers. Not together with min_workers, spare_workers,
    /// or settings by which tasks stay where they were dealt; nor for micropools.
    pub reserved_workers: u32,
    /// Where the memory comes from that belongs to a worker whose node is known, because it is pinned or there is only one: its deques, and
    /// the blocks of the tasks that it makes. It is passed allocator_context, and the memory goes back by free. All other memory comes from
    /// allocate, which must be set too. NULL: all memory does.
    pub allocate_on_node: vgpu_allocate_on_node_fn,
    /// The CPUs that the pool's threads run on, each of which the process may use: CPU n is bit n % 64 of word n / 64. A thread that is
    /// pinned to no one CPU, because of VGPU_POOL_NO_PINNING or as a spare worker, runs on any of them. NULL: all that the process may use.
    /// Not used after the call. A set of micropools takes none: each of them has its own.
    pub cpus: *const u64,
    /// The NUMA nodes whose CPUs they are, by the system's numbers; each has CPUs that the process may use. With cpus, those of the
    /// nodes' CPUs. NULL: all. Not used after the call. A set of micropools takes none.
    pub nodes: *const u32,
    /// How many words `cpus` has.
    pub num_cpu_words: u32,
    /// How many numbers `nodes` has.
    pub num_nodes: u32,
    /// The inbox, and the public jobs, of a worker on another NUMA node are left to its node's workers while they are fewer, until a thief
    /// has looked for other work for 60 us and found none, or it is the inbox's turn; 0: 1, which makes no difference between nodes.
    pub min_remote_length: u32,
    /// 0.
    pub reserved: u32,
}

/// The longest name prefix in bytes.
const MAX_PREFIX: usize = 8;

// SAFETY: `repr(C)`, begins with its size, and zeroes are valid.
unsafe impl Sized32 for vgpu_pool_config {
    const NAME: &'static str = "vgpu_pool_config";
    const DEFAULT: vgpu_pool_config = vgpu_pool_config {
        struct_size: mem::size_of::<vgpu_pool_config>() as u32,
        flags: 0,
        num_workers: 0,
        inbox_capacity: 0,
        inbox_full: VGPU_INBOX_FULL_ERROR,
        wait_policy: VGPU_WAIT_HELP_ANY,
        stack_size: 0,
        name_prefix: ptr::null(),
        on_worker_start: None,
        on_worker_stop: None,
        worker_user_data: ptr::null_mut(),
        allocate: None,
        free: None,
        allocator_context: ptr::null_mut(),
        help_depth: 0,
        victims: VGPU_VICTIMS_LOCALITY,
        on_work_begin: None,
        on_work_end: None,
        on_park: None,
        on_unpark: None,
        inbox_mode: VGPU_INBOX_NEAREST,
        min_victim_length: 0,
        imbalance: 0,
        steal_retries: 0,
        steal_cooldown_ns: 0,
        min_workers: 0,
        spare_workers: 0,
        on_wake: None,
        wake_user_data: ptr::null_mut(),
        replay_seed: 0,
        on_log: None,
        log_user_data: ptr::null_mut(),
        log_level: 0,
        host_seats: 0,
        inbox_limit: 0,
        inbox_growth: VGPU_GROWTH_VERTICAL,
        lend_after_ns: 0,
        reserved_workers: 0,
        allocate_on_node: None,
        cpus: ptr::null(),
        nodes: ptr::null(),
        num_cpu_words: 0,
        num_nodes: 0,
        min_remote_length: 0,
        reserved: 0,
    };
}

impl vgpu_pool_config {
    /// The settings as the pool takes them, with the CPUs that it names.
    ///
    /// # Safety
    /// `name_prefix` is NULL or a terminated string that outlives the result, and so do the nodes; the functions keep what the header asks.
    pub(super) unsafe fn to_config<'a>(self, cpus: Option<&'a CpuSet>) -> Result<Config<'a>> {
        const FLAGS: u32 = VGPU_POOL_NO_PINNING
            | VGPU_POOL_REQUIRE_PINNING
            | VGPU_POOL_KEEP_SIGNALS
            | VGPU_POOL_NO_STEALING
            | VGPU_POOL_NO_MIGRATION
            | VGPU_POOL_ON_CALLER
            | VGPU_POOL_REPLAY
            | VGPU_POOL_SHEDDING;
        if self.flags & !FLAGS != 0 {
            return Err(error!(
                InvalidArgument,
                "vgpu_pool_config.flags is {:#x}; the known flags are {FLAGS:#x}", self.flags
            ));
        }
        let pinning = match self.flags & (VGPU_POOL_NO_PINNING | VGPU_POOL_REQUIRE_PINNING) {
            0 => Pinning::Preferred,
            VGPU_POOL_NO_PINNING => Pinning::Off,
            VGPU_POOL_REQUIRE_PINNING => Pinning::Required,
            _ => {
                return Err(error!(
                    InvalidArgument,
                    "VGPU_POOL_NO_PINNING and VGPU_POOL_REQUIRE_PINNING contradict each other; set one"
                ));
            }
        };
        let when_full = choice(
            "vgpu_pool_config.inbox_full",
            self.inbox_full,
            &[("error", WhenFull::Error), ("block", WhenFull::Block), ("run", WhenFull::Run)],
        )?;
        let inbox_growth = choice(
            "vgpu_pool_config.inbox_growth",
            self.inbox_growth,
            &[("vertical", Growth::Vertical), ("horizontal", Growth::Horizontal)],
        )?;
        let wait_policy = wait_policy("vgpu_pool_config.wait_policy", self.wait_policy)?;
        let usual = Balance::default();
        let balance = Balance {
            stealing: self.flags & VGPU_POOL_NO_STEALING == 0,
            victims: victims("vgpu_pool_config.victims", self.victims)?,
            inbox: inbox_mode("vgpu_pool_config.inbox_mode", self.inbox_mode)?,
            min_victim_length: self.min_victim_length.max(1) as usize,
            imbalance: self.imbalance.max(1) as usize,
            min_remote_length: self.min_remote_length.max(1) as usize,
            max_migrations: if self.flags & VGPU_POOL_NO_MIGRATION == 0 { usual.max_migrations } else { 0 },
            cooldown_ns: self.steal_cooldown_ns,
            retries: match self.steal_retries {
                0 => usual.retries,
                VGPU_STEAL_NO_RETRY => 0,
                retries => retries,
            },
            shedding: self.flags & VGPU_POOL_SHEDDING != 0,
            reserved: self.reserved_workers as usize,
            lend_after_ns: match self.lend_after_ns {
                0 => usual.lend_after_ns,
                patience => patience,
            },
        };
        // SAFETY: the header asks of the functions what this asks.
        let allocator =
            unsafe { host_allocator("vgpu_pool_config", self.allocate, self.free, self.allocator_context)? };
        if self.allocate_on_node.is_some() && self.allocate.is_none() {
            return Err(null("vgpu_pool_config.allocate, although allocate_on_node is set,"));
        }
        // SAFETY: as above.
        let node_allocator =
            self.allocate_on_node.map(|allocate| unsafe { NodeAllocator::from_host(allocate, allocator) });
        // SAFETY: by contract.
        let name_prefix = unsafe { prefix(self.name_prefix)? };
        if self.reserved != 0 {
            return Err(error!(InvalidArgument, "vgpu_pool_config.reserved is {}; leave it 0", self.reserved));
        }
        let nodes = match (self.nodes.is_null(), self.num_nodes) {
            (true, 0) => &[],
            (true, count) => {
                return Err(null(format_args!("vgpu_pool_config.nodes, although num_nodes is {count},")));
            }
            (false, 0) => {
                return Err(error!(
                    InvalidArgument,
                    "vgpu_pool_config.nodes is a list of none; name one at least, or leave it NULL for all"
                ));
            }
            // SAFETY: by contract.
            (false, count) => unsafe { core::slice::from_raw_parts(self.nodes, count as usize) },
        };
        if cpus.is_none() && self.num_cpu_words != 0 {
            return Err(null(format_args!("vgpu_pool_config.cpus, although num_cpu_words is {},", self.num_cpu_words)));
        }
        Ok(Config {
            workers: self.num_workers as usize,
            min_workers: self.min_workers as usize,
            spare_workers: self.spare_workers as usize,
            host_seats: self.host_seats as usize,
            pinning,
            cpus,
            nodes,
            inbox_capacity: self.inbox_capacity as usize,
            inbox_limit: self.inbox_limit as usize,
            inbox_growth,
            when_full,
            wait_policy,
            help_depth: self.help_depth,
            balance,
            stack_size: self.stack_size,
            name_prefix,
            on_caller: self.on_caller()?,
            log: self.log()?,
            keep_signals: self.flags & VGPU_POOL_KEEP_SIGNALS != 0,
            hooks: Hooks {
                on_start: self.on_worker_start,
                on_stop: self.on_worker_stop,
                on_work_begin: self.on_work_begin,
                on_work_end: self.on_work_end,
                on_park: self.on_park,
                on_unpark: self.on_unpark,
                context: self.worker_user_data,
            },
            allocator,
            node_allocator,
            topology: None,
        })
    }
}

impl vgpu_pool_config {
    /// Whom to tell, if anybody.
    fn log(&self) -> Result<Option<Log>> {
        let levels = [
            ("the default", Level::Warning),
            ("errors", Level::Error),
            ("warnings", Level::Warning),
            ("everything", Level::Info),
        ];
        let least = choice("vgpu_pool_config.log_level", self.log_level, &levels)?;
        Ok(self.on_log.map(|call| Log { call, context: self.log_user_data, least }))
    }

    /// How a pool without threads works, if this asks for one.
    fn on_caller(&self) -> Result<Option<OnCaller>> {
        let is_set = |flag: u32| self.flags & flag != 0;
        if !is_set(VGPU_POOL_ON_CALLER) {
            if is_set(VGPU_POOL_REPLAY) || self.on_wake.is_some() {
                return Err(error!(
                    InvalidArgument,
                    "VGPU_POOL_REPLAY or on_wake is set without VGPU_POOL_ON_CALLER, and they are for pools without threads; set that too"
                ));
            }
            return Ok(None);
        }
        Ok(Some(OnCaller {
            wake: self.on_wake.map(|call| Wake { call, context: self.wake_user_data }),
            seed: is_set(VGPU_POOL_REPLAY).then_some(self.replay_seed),
        }))
    }
}

/// The allocator that a config asks for: a host's, or the system's.
///
/// # Safety
/// The functions keep what [`Allocator::from_host`] asks.
pub(super) unsafe fn host_allocator(
    config: &str,
    allocate: vgpu_allocate_fn,
    free: vgpu_free_fn,
    context: *mut c_void,
) -> Result<Allocator> {
    match (allocate, free) {
        (None, None) => Ok(Allocator::SYSTEM),
        // SAFETY: by contract.
        (Some(allocate), Some(free)) => Ok(unsafe { Allocator::from_host(allocate, free, context) }),
        (Some(_), None) => Err(null(format_args!("{config}.free, although allocate is set,"))),
        (None, Some(_)) => Err(null(format_args!("{config}.allocate, although free is set,"))),
    }
}

/// # Safety
/// `text` is NULL or a terminated string that lives for `'a`.
unsafe fn prefix<'a>(text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Ok(Config::default().name_prefix);
    }
    // SAFETY: by contract.
    let bytes = unsafe { CStr::from_ptr(text) };
    match bytes.to_str() {
        Ok(text) if text.len() <= MAX_PREFIX => Ok(text),
        Ok(text) => Err(error!(
            InvalidArgument,
            "vgpu_pool_config.name_prefix has {} bytes; the system keeps 15 of a thread's name, so the prefix may have {MAX_PREFIX}",
            text.len()
        )),
        Err(_) => Err(error!(InvalidArgument, "vgpu_pool_config.name_prefix is not UTF-8")),
    }
}

/// Fills a config with the defaults. Programs call the macro vgpu_pool_config_init(), which knows the size.
///
/// @param config  where to write; NULL does nothing
/// @param size    sizeof(vgpu_pool_config) as the program was compiled; what lies beyond this library's knowledge is zeroed
/// @note Thread safety: any thread, each on its own config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_config_init_sized(config: *mut vgpu_pool_config, size: u32) {
    // SAFETY: the caller vouches for `size` writable bytes.
    unsafe { sized::init(config, size) }
}
