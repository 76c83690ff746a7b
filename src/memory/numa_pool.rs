//! A thread for each node, started on first use and pinned to the node for life, that allocates for whoever asks.
//!
//! A request goes into the node's queue ([`Shard`]) and its result comes back through a [`Handover`]. The first request of a node
//! starts its thread ([`LazyStart`]), later ones wake it ([`Parker`]). Whoever tires of waiting leaves: then the thread frees
//! the result, or does not begin. Dropping the pool ends and joins its threads.

use crate::error::{Error, Result, Status, error};
use crate::memory::cuda::{CudaMemory, Driver, Pin};
use crate::memory::first_touch::Caller;
use crate::memory::gpu::{self, GpuNode, PciAddress};
use crate::memory::node::{NodeMemory, Place, Request};
use crate::os::alloc::{Allocator, List, Owned};
use crate::os::thread::{self, Options, Thread, name_current, refuse_cancellation};
use crate::os::{affinity, clock, fork};
use crate::protocol::handover::Handover;
use crate::protocol::lazy_start::LazyStart;
use crate::protocol::parker::Parker;
use crate::protocol::queue::Shard;
use crate::sync::{AtomicU32, RELAXED, UnsafeCell};
use crate::topology::Topology;
use core::ffi::c_void;
use core::ptr::NonNull;

/// Requests that wait for one node at the same time; more are refused.
const QUEUE: usize = 64;

const SECOND: u64 = 1_000_000_000;

/// How long a request waits unless told otherwise: 10 s, and 1 s for every GiB, but no longer than 300 s. In nanoseconds.
pub fn patience_ns(bytes: usize) -> u64 {
    let gibibytes = (bytes as u64).div_ceil(1 << 30);
    (10 * SECOND).saturating_add(gibibytes.saturating_mul(SECOND)).min(300 * SECOND)
}

/// What a node's thread is asked for.
enum What {
    Node(Request),
    Cuda { driver: Driver, ordinal: u32, node: u32, bytes: usize, pin: Pin },
}

/// What it makes.
enum Made {
    Node(NodeMemory),
    Cuda(CudaMemory),
}

/// A request on its way. The block is the requester's or the thread's, as the handover says.
struct Job {
    what: What,
    handover: Handover<Result<Made>>,
}

/// A node's thread and what leads to it.
struct Seat {
    /// The index of the node whose CPUs the thread runs on.
    home: usize,
    queue: Shard<Job>,
    parker: Parker,
    start: LazyStart,
    closing: AtomicU32,
    /// Written by the requester that starts the thread, read when the pool is dropped.
    thread: UnsafeCell<Option<Thread>>,
    machine: NonNull<Topology>,
    allocator: Allocator,
}

// SAFETY: the thread's handle has one writer, the requester whose claim started it, and one reader, the drop of the pool,
// which is alone; the topology is only read, and outlives the seats; the rest is protocols.
unsafe impl Send for Seat {}
// SAFETY: as above.
unsafe impl Sync for Seat {}

/// A thread for each node with memory or CPUs.
pub struct NumaPool {
    seats: List<Owned<Seat>>,
    machine: Owned<Topology>,
    allocator: Allocator,
    generation: u32,
}

impl NumaPool {
    /// A pool for this machine. No thread is started yet.
    ///
    /// # Errors
    /// `OutOfMemory`; `Affinity` when the system will not tell which CPUs may be used.
    pub fn new(allocator: Allocator) -> Result<NumaPool> {
        NumaPool::with_topology(allocator, Topology::detect(allocator)?)
    }

    /// A pool for the machine described.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn with_topology(allocator: Allocator, machine: Topology) -> Result<NumaPool> {
        fork::watch()?;
        let machine = Owned::new(allocator, machine)?;
        let mut seats = List::with_capacity(allocator, machine.nodes().len())?;
        for index in 0..machine.nodes().len() {
            seats.push(Owned::new(
                allocator,
                Seat {
                    // There is always a node with CPUs.
                    home: machine.nearest_cpus(index).unwrap_or(index),
                    queue: Shard::new(allocator, QUEUE)?,
                    parker: Parker::new(),
                    start: LazyStart::new(),
                    closing: AtomicU32::new(0),
                    thread: UnsafeCell::new(None),
                    machine: NonNull::from(&*machine),
                    allocator,
                },
            )?)?;
        }
        Ok(NumaPool { seats, machine, allocator, generation: fork::generation() })
    }

    /// The machine as the pool sees it.
    pub fn topology(&self) -> &Topology {
        &self.machine
    }

    /// Has memory allocated by the thread of its node; interleaved memory, by that of the first. `timeout_ns` says how long to
    /// wait; `None`: [`patience_ns`]. May be called from any thread.
    ///
    /// # Errors
    /// Those of [`NodeMemory::allocate`]; `TimedOut`; `QueueFull` when 64 requests wait for the node; `ThreadSpawn` when its
    /// thread cannot be started; `Forked` in a child process, which has not the threads.
    pub fn allocate(&self, request: &Request, timeout_ns: Option<u64>) -> Result<NodeMemory> {
        let index = match request.place {
            Place::Interleaved => 0,
            Place::Node(number) => self.index(number)?,
        };
        if request.bytes == 0 {
            return Err(error!(InvalidArgument, "0 bytes were asked for; ask for at least one"));
        }
        match self.ask(index, What::Node(*request), request.bytes, timeout_ns)? {
            Made::Node(memory) => Ok(memory),
            Made::Cuda(_) => Err(error!(Unsupported, "memory of the wrong kind came back")),
        }
    }

    /// The node that memory for a GPU comes from, by the GPU's number for CUDA.
    ///
    /// # Errors
    /// `Unsupported` without a CUDA driver; `InvalidArgument` for a GPU that is not there; `Io`.
    pub fn node_of_gpu(&self, ordinal: u32) -> Result<GpuNode> {
        self.node_of_slot(Driver::open()?.pci_address(ordinal)?)
    }

    /// The node that memory for the GPU in a PCI slot comes from.
    ///
    /// # Errors
    /// `Io` when there is no such device.
    pub fn node_of_slot(&self, address: PciAddress) -> Result<GpuNode> {
        gpu::node_of(&self.machine, address)
    }

    /// Has host memory pinned for GPU `ordinal` by the thread of the GPU's node. See [`allocate`](Self::allocate).
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate); `Unsupported` without a CUDA driver; `InvalidArgument` for a GPU that is not there.
    pub fn allocate_pinned(&self, ordinal: u32, bytes: usize, pin: Pin, timeout_ns: Option<u64>) -> Result<CudaMemory> {
        if bytes == 0 {
            return Err(error!(InvalidArgument, "0 bytes were asked for near GPU {ordinal}; ask for at least one"));
        }
        let driver = Driver::open()?;
        let node = self.node_near(driver.pci_address(ordinal)?)?;
        let what = What::Cuda { driver, ordinal, node, bytes, pin };
        match self.ask(self.index(node)?, what, bytes, timeout_ns)? {
            Made::Cuda(memory) => Ok(memory),
            Made::Node(_) => Err(error!(Unsupported, "memory of the wrong kind came back")),
        }
    }

    /// The node for a GPU that is there, by the driver's word. Where one node has all CPUs it is that one, even if the system shows
    /// no PCI slots, as in some containers.
    fn node_near(&self, address: PciAddress) -> Result<u32> {
        match self.node_of_slot(address) {
            Err(error) if error.status() == Status::Io => {
                let mut with_cpus = self.machine.nodes().iter().filter(|node| !node.cpus.is_empty());
                match (with_cpus.next(), with_cpus.next()) {
                    (Some(only), None) => Ok(only.number),
                    _ => Err(error),
                }
            }
            found => found.map(|found| found.node),
        }
    }

    fn index(&self, number: u32) -> Result<usize> {
        self.machine.node_with_number(number).ok_or_else(|| {
            let count = self.machine.nodes().len();
            let last = self.machine.nodes().last().map_or(0, |node| node.number);
            error!(InvalidArgument, "node {number} was asked for; this machine has {count}, the last of them {last}")
        })
    }

    fn ask(&self, index: usize, what: What, bytes: usize, timeout_ns: Option<u64>) -> Result<Made> {
        if fork::generation() != self.generation {
            return Err(error!(Forked, "the threads of this pool are in the parent process; make a pool in the child"));
        }
        let seat = &self.seats[index];
        let number = self.machine.nodes()[index].number;
        let job = Owned::into_raw(Owned::new(self.allocator, Job { what, handover: Handover::new() })?);
        if let Err(job) = seat.queue.push(job) {
            // SAFETY: nobody else has seen it.
            drop(unsafe { Owned::from_raw(self.allocator, job) });
            return Err(error!(QueueFull, "{QUEUE} requests wait for node {number}; wait for some of them"));
        }
        match seat.start.claim() {
            false => seat.parker.unpark(),
            true => {
                if let Err(error) = seat.launch() {
                    seat.start.release();
                    seat.answer_all(&error);
                }
            }
        }
        let patience = timeout_ns.unwrap_or_else(|| patience_ns(bytes));
        let deadline = clock::monotonic_ns().saturating_add(patience);
        // SAFETY: the block lives until both sides are done with it; this is its requester's one wait.
        match unsafe { job.as_ref().handover.wait(Some(deadline)) } {
            Some(result) => {
                // SAFETY: the handover says that the block is ours.
                drop(unsafe { Owned::from_raw(self.allocator, job) });
                result
            }
            None => Err(error!(
                TimedOut,
                "{bytes} bytes on node {number} were not there after {} ms; ask for less, or wait longer",
                patience / 1_000_000
            )),
        }
    }
}

impl Drop for NumaPool {
    fn drop(&mut self) {
        if fork::generation() != self.generation {
            return;
        }
        for seat in self.seats.iter() {
            seat.closing.store(1, RELAXED);
            seat.parker.unpark();
        }
        for seat in self.seats.iter() {
            // SAFETY: nobody asks any more, so nobody starts the thread.
            if let Some(thread) = seat.thread.with_mut(|thread| unsafe { (*thread).take() }) {
                thread.join();
            }
        }
    }
}

impl Seat {
    /// Starts the thread. Only the holder of the claim does.
    fn launch(&self) -> Result<()> {
        let options = Options { stack_size: 0, pin: thread::Pin::Inherited, block_signals: true };
        // SAFETY: the seat lives until the pool is dropped, which joins the thread first.
        let thread = unsafe { Thread::spawn(options, run, (&raw const *self).cast_mut().cast()) }?;
        // SAFETY: the claim makes this the one writer, and the pool is dropped after.
        self.thread.with_mut(|place| unsafe { *place = Some(thread) });
        Ok(())
    }

    /// Answers whatever is queued with this error.
    fn answer_all(&self, error: &Error) {
        while let Some(job) = self.queue.pop() {
            self.answer(job, Err(error.clone()));
        }
    }

    fn answer(&self, job: NonNull<Job>, result: Result<Made>) {
        // SAFETY: the job was popped, so this is its server, and delivers once. What comes back is freed with its block.
        if let Some(unwanted) = unsafe { job.as_ref().handover.deliver(result) } {
            drop(unwanted);
            // SAFETY: the requester is gone, so the block is ours.
            drop(unsafe { Owned::from_raw(self.allocator, job) });
        }
    }

    fn make(&self, what: &What) -> Result<Made> {
        // SAFETY: the pool keeps the topology until its threads are joined.
        let machine = unsafe { self.machine.as_ref() };
        // A pin may have been lost since: the CPU taken offline, the process moved. Where it cannot be had back, the kernel's
        // policy places the pages, and the report says where they went.
        let pinned = affinity::pin_to_set(machine.nodes()[self.home].cpus.as_words()).is_ok();
        let caller = if pinned { Caller::TakesPart } else { Caller::Waits };
        match *what {
            What::Node(ref request) => NodeMemory::allocate_from(machine, request, caller).map(Made::Node),
            What::Cuda { driver, ordinal, node, bytes, pin } => {
                CudaMemory::allocate(machine, driver, ordinal, node, bytes, pin).map(Made::Cuda)
            }
        }
    }
}

extern "C" fn run(seat: *mut c_void) -> *mut c_void {
    refuse_cancellation();
    // SAFETY: `launch` passes a seat that outlives the thread.
    let seat = unsafe { &*seat.cast::<Seat>() };
    // SAFETY: as in `make`.
    name_current("vgpu-numa", unsafe { seat.machine.as_ref() }.nodes()[seat.home].number as usize);
    loop {
        while let Some(job) = seat.queue.pop() {
            // SAFETY: the block is alive until the result is delivered, and the request is not written any more.
            let job_ref = unsafe { job.as_ref() };
            let unwanted = job_ref.handover.seems_abandoned() || seat.closing.load(RELAXED) != 0;
            let result = match unwanted {
                true => Err(error!(Closed, "nobody waits for this memory any more")),
                false => seat.make(&job_ref.what),
            };
            seat.answer(job, result);
        }
        if seat.closing.load(RELAXED) != 0 {
            return core::ptr::null_mut();
        }
        seat.parker.park(None);
    }
}

/// The pool of the whole process, made on first use and never dropped. A forked child gets one of its own.
///
/// # Errors
/// Those of [`NumaPool::new`].
pub fn process_wide() -> Result<&'static NumaPool> {
    use core::sync::atomic::{AtomicPtr, Ordering};
    // A pool without threads, published once: release and acquire are all there is to it.
    static POOL: AtomicPtr<NumaPool> = AtomicPtr::new(core::ptr::null_mut());
    let known = POOL.load(Ordering::Acquire);
    // SAFETY: what is published is never freed.
    if let Some(pool) = unsafe { known.as_ref() }
        && pool.generation == fork::generation()
    {
        return Ok(pool);
    }
    let made = Owned::into_raw(Owned::new(Allocator::SYSTEM, NumaPool::new(Allocator::SYSTEM)?)?);
    match POOL.compare_exchange(known, made.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: as above, from now on.
        Ok(_) => Ok(unsafe { made.as_ref() }),
        Err(other) => {
            // SAFETY: ours was not published; the other was, by a thread of this same process.
            unsafe {
                drop(Owned::from_raw(Allocator::SYSTEM, made));
                Ok(&*other)
            }
        }
    }
}
