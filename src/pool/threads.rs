//! The pool's threads: how many, where, and the hooks around them.

use super::Pool;
use super::chosen::chosen_cpus;
use super::config::{Config, HookFn, Hooks, MAX_INBOX_CAPACITY, MAX_WORKERS, Pinning, WhenFull};
use super::core::Core;
use super::kept::Kept;
use super::log::{Level, say};
use super::seats::Seats;
use crate::error::{Error, Result, Status, error};
use crate::memory::plot::Plots;
use crate::os::alloc::{Array, List, Owned};
use crate::os::clock;
use crate::os::thread::{self, Options, Pin, Thread};
use crate::topology::Topology;
use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr;

/// How many bytes of a name prefix are used: the rest of the 15 a thread's name may have is for its number.
const PREFIX: usize = 8;

/// What a worker's thread is started with.
#[derive(Debug)]
struct Start {
    core: *const Core,
    index: usize,
    hooks: Hooks,
    name: [u8; PREFIX],
}

// SAFETY: the core outlives the thread, which is joined before the core is freed.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

impl Start {
    /// Calls a hook on the calling thread, which is the worker.
    fn call(&self, hook: Option<HookFn>) {
        if let Some(hook) = hook {
            // SAFETY: whoever set the hook vouched for calling it on the workers' threads.
            unsafe { hook(self.hooks.context, self.index as u32) };
        }
    }
}

/// The running threads of a pool.
#[derive(Debug)]
pub(super) struct Threads {
    running: List<Thread>,
    /// Read by each thread as it starts.
    starts: Array<Start>,
    unpinned: usize,
}

impl Threads {
    pub(super) fn unpinned(&self) -> usize {
        self.unpinned
    }

    /// Calls the hooks of a worker whose thread is lent: the calling one, as it comes and as it goes.
    pub(super) fn at_end_of_stay(&self, index: usize, arrives: bool) {
        if let Some(start) = self.starts.get(index) {
            start.call(if arrives { start.hooks.on_start } else { start.hooks.on_stop });
        }
    }

    /// Ends the part of a maker, which is the calling thread.
    pub(super) fn leave_maker(&self) {
        if let [start] = &*self.starts {
            start.call(start.hooks.on_stop);
        }
    }

    pub(super) fn join(&mut self) {
        while let Some(thread) = self.running.pop() {
            thread.join();
        }
    }
}

extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: the pool keeps the starts until its threads are joined.
    let (start, core) = unsafe {
        let start = &*start.cast::<Start>();
        (start, &*start.core)
    };
    thread::refuse_cancellation();
    let used = start.name.iter().position(|byte| *byte == 0).unwrap_or(PREFIX);
    thread::name_current(core::str::from_utf8(&start.name[..used]).unwrap_or("vgpu-"), start.index);
    start.call(start.hooks.on_start);
    core.run_worker(start.index);
    start.call(start.hooks.on_stop);
    ptr::null_mut()
}

/// Makes a pool; see [`Pool::new`].
pub(super) fn start(config: &Config<'_>) -> Result<Pool> {
    check_sizes(config)?;
    let detected;
    let topology = match config.topology {
        Some(topology) => topology,
        None => {
            detected = Topology::detect(config.allocator)?;
            &detected
        }
    };
    let chosen = chosen_cpus(config, topology)?;
    let restricted;
    let topology = match &chosen {
        Some(chosen) => {
            restricted = topology.only(config.allocator, chosen)?;
            &restricted
        }
        None => topology,
    };
    // Where a thread runs that is pinned to no one CPU.
    let anywhere = chosen.as_ref().map_or(Pin::Inherited, |chosen| Pin::Cpus(chosen.as_words()));
    let on_caller = config.on_caller.is_some();
    let pinning = if on_caller { Pinning::Off } else { config.pinning };
    let regular = match config.workers {
        0 if on_caller => 1,
        0 => topology.default_worker_count(),
        workers => workers,
    };
    let regular = regular.min(MAX_WORKERS - config.spare_workers - config.host_seats);
    check_reserved(config, regular)?;
    let own = regular + config.spare_workers;
    let workers = own + config.host_seats;
    let mut placement = topology.placement(regular)?;
    for spare in 0..workers - regular {
        placement.cpus.push(placement.cpus[spare % regular])?;
    }
    let seats = Seats::of(config.allocator, topology, &placement, pinning != Pinning::Off)?;
    let plots = lay_out(config, pinning, topology, &seats, regular)?;
    let mut core = Owned::new(config.allocator, Core::seated(workers, config, seats, plots)?)?;
    if pinning != Pinning::Off {
        core.statistics_mut().set_places(topology, &placement);
    }
    for spare in regular..workers {
        // Whoever they stand in for, the system finds them a CPU; so it does for threads that are lent.
        core.statistics().set_loose(spare);
        core.seats().unpin(spare);
    }
    for seat in own..workers {
        core.statistics().of(seat).sleeping.start(clock::monotonic_ns());
    }
    // Where the number of workers is fixed it is what was asked for, whatever the quota.
    if config.topology.is_none() && core.sleep().roster().varies() {
        core.governor_mut().follow(List::from_slice(config.allocator, b"/")?);
    }
    let mut name = [0; PREFIX];
    let used = config.name_prefix.floor_char_boundary(PREFIX);
    name[..used].copy_from_slice(&config.name_prefix.as_bytes()[..used]);
    let core_ptr = ptr::from_ref(&*core);
    let starts = Array::from_fn(config.allocator, workers, |index| {
        Ok(Start { core: core_ptr, index, hooks: config.hooks, name })
    })?;
    let running = List::with_capacity(config.allocator, workers)?;
    let caches = *topology.caches();
    tell(config, topology, regular, placement.oversubscribed && !on_caller);
    let kept = Owned::new(config.allocator, Kept::new(config.allocator)?)?;

    // From here on dropping the pool stops whatever was started.
    let mut pool =
        Pool { threads: Threads { running, starts, unpinned: 0 }, core: ManuallyDrop::new(core), kept, caches };
    if on_caller {
        pool.core.settle();
        pool.threads.starts[0].call(config.hooks.on_start);
        return Ok(pool);
    }
    for index in 0..own {
        let pin = match pinning {
            _ if index >= regular => anywhere,
            Pinning::Off => anywhere,
            Pinning::Preferred | Pinning::Required => Pin::Cpu(placement.cpus[index]),
        };
        let argument = ptr::from_ref(&pool.threads.starts[index]).cast_mut().cast();
        let options = Options { stack_size: config.stack_size, pin, block_signals: !config.keep_signals };
        // SAFETY: the start, and the core it points to, live until the thread is joined.
        let spawn = |options| unsafe { Thread::spawn(options, run, argument) };
        let thread = match spawn(options) {
            Err(error) if error.status() == Status::Affinity && pinning == Pinning::Preferred => {
                say(config.log, Level::Warning, format_args!("worker {index} runs unpinned: {error}"));
                pool.threads.unpinned += 1;
                pool.core.statistics().set_loose(index);
                pool.core.seats().unpin(index);
                match spawn(Options { pin: anywhere, ..options }) {
                    Err(error) if error.status() == Status::Affinity => {
                        spawn(Options { pin: Pin::Inherited, ..options })
                    }
                    result => result,
                }
            }
            result => result,
        };
        pool.threads.running.push(thread.map_err(|error| with_count(error, index, own))?)?;
    }
    Ok(pool)
}

/// Memory on their nodes for workers that are going to be pinned, where there are several nodes. What a program allocates itself lies
/// where the program puts it.
fn lay_out(config: &Config<'_>, pinning: Pinning, topology: &Topology, seats: &Seats, workers: usize) -> Result<Plots> {
    if let Some(host) = config.node_allocator {
        return Plots::of_host(config.allocator, host, workers, |worker| seats.known_node_of(worker));
    }
    if pinning == Pinning::Off || topology.nodes().len() == 1 || !config.allocator.is_system() {
        return Ok(Plots::none(config.allocator));
    }
    let node_of = |worker| seats.number_of(seats.node_of(worker));
    let (plots, refusal) = Plots::on_nodes(config.allocator, topology, workers, node_of)?;
    if let Some(refusal) = refusal {
        say(config.log, Level::Info, format_args!("the memory of some workers is not on their nodes: {refusal}"));
    }
    Ok(plots)
}

/// Tells the program what the machine's description leaves to be known.
fn tell(config: &Config<'_>, topology: &Topology, workers: usize, oversubscribed: bool) {
    for note in topology.notes().iter() {
        say(config.log, Level::Info, format_args!("about this machine: {note}"));
    }
    let cpus = topology.cpus().len();
    if oversubscribed {
        let sentence = "share them, and each waits while another runs";
        say(config.log, Level::Warning, format_args!("there are {cpus} CPUs for {workers} workers, which {sentence}"));
    }
    if let Some(quota) = topology.quota()
        && (quota.cpus() as usize) < workers
    {
        let granted = quota.cpus();
        say(
            config.log,
            Level::Warning,
            format_args!("the control groups grant {granted} CPUs, and there are {workers} workers"),
        );
    }
    let nodes = topology.nodes().len();
    say(
        config.log,
        Level::Info,
        format_args!("a pool of {workers} workers, on a machine of {cpus} usable CPUs and {nodes} NUMA nodes"),
    );
}

fn check_sizes(config: &Config<'_>) -> Result<()> {
    if config.workers > MAX_WORKERS {
        return Err(error!(
            InvalidArgument,
            "{} workers were asked for, and a pool has at most {MAX_WORKERS}; 0 means as many as the process may use",
            config.workers
        ));
    }
    if config.spare_workers > MAX_WORKERS - config.workers.max(1) {
        return Err(error!(
            InvalidArgument,
            "{} spare workers were asked for beside {}, and a pool has at most {MAX_WORKERS} of both",
            config.spare_workers,
            config.workers
        ));
    }
    if config.host_seats > MAX_WORKERS - config.workers.max(1) - config.spare_workers {
        return Err(error!(
            InvalidArgument,
            "{} seats for threads that are lent were asked for beside {} workers, and a pool has at most {MAX_WORKERS} of both",
            config.host_seats,
            config.workers + config.spare_workers
        ));
    }
    if config.host_seats != 0 && config.balance.holds_back() {
        return Err(error!(
            InvalidArgument,
            "threads are to be lent to a pool whose workers leave each other's tasks alone, so that a lent one would find none; let tasks move"
        ));
    }
    if config.balance.shedding && config.balance.holds_back() {
        return Err(error!(
            InvalidArgument,
            "workers were to shed tasks that may have to stay where they were dealt; let tasks move, or do without shedding"
        ));
    }
    if config.workers != 0 && config.min_workers > config.workers {
        return Err(error!(
            InvalidArgument,
            "at least {} workers were asked for, and at most {}; the first must not be above the second",
            config.min_workers,
            config.workers
        ));
    }
    if config.on_caller.is_some() {
        check_on_caller(config)?;
    }
    match config.inbox_capacity.max(config.inbox_limit) {
        ..=MAX_INBOX_CAPACITY => Ok(()),
        capacity => Err(error!(
            InvalidArgument,
            "an inbox of {capacity} tasks a worker was asked for, and the most is {MAX_INBOX_CAPACITY}"
        )),
    }
}

fn check_reserved(config: &Config<'_>, workers: usize) -> Result<()> {
    let reserved = config.balance.reserved;
    if reserved == 0 {
        return Ok(());
    }
    if reserved >= workers {
        return Err(error!(
            InvalidArgument,
            "{reserved} workers were to be kept for urgent tasks, of {workers}; at least one must be left for the others"
        ));
    }
    if config.min_workers + config.spare_workers != 0 {
        return Err(error!(
            InvalidArgument,
            "{reserved} workers were to be kept for urgent tasks in a pool whose number of workers varies; leave min_workers and spare_workers 0"
        ));
    }
    if config.balance.holds_back() {
        return Err(error!(
            InvalidArgument,
            "{reserved} workers were to be kept for urgent tasks in a pool where tasks may stay where they were dealt, so that others could not take theirs; let tasks move"
        ));
    }
    Ok(())
}

fn check_on_caller(config: &Config<'_>) -> Result<()> {
    if config.workers > 1 || config.min_workers > 1 || config.spare_workers + config.host_seats != 0 {
        return Err(error!(
            InvalidArgument,
            "a pool that runs on its maker has that one worker, and {} were asked for, {} of them at least, {} to spare and {} lent; leave the numbers 0",
            config.workers,
            config.min_workers,
            config.spare_workers,
            config.host_seats
        ));
    }
    if config.when_full != WhenFull::Error {
        return Err(error!(
            InvalidArgument,
            "a pool that runs on its maker was asked to let others run tasks when its inbox is full; have it say so instead, and make the inbox larger"
        ));
    }
    Ok(())
}

fn with_count(error: Error, started: usize, wanted: usize) -> Error {
    Error::new(error.status(), format_args!("worker {started} of {wanted}: {error}"))
}
