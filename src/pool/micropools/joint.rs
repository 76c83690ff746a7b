//! What joins micropools: who may bring a task in, and how one goes from pool to pool.
//!
//! # Places
//! Each micropool has a number of places, and a task that comes in through it takes one of them, which it keeps until it is
//! done, in whatever micropools it runs meanwhile. A task lies in its place; what goes through the queues is the place's address.
//! When no place is free the task does not come in: that is an error, or the submitter waits outside.
//!
//! # Why nobody waits with a task in hand
//! Two pools whose queues are full and whose workers wait until the other has room wait for ever. Here each pool's queue has
//! room for all places of the set, and no task is in more than one queue: so there is room for a task that is handed over,
//! always, and a worker that hands over goes on at once. What bounds the queues is the number of places; what is refused or
//! made to wait is a newcomer, who has nothing that others wait for.
//!
//! A ring may look full for a moment although it is not: when it has come around to a slot whose taker has claimed it and not
//! yet emptied it ([`queue`](crate::protocol::queue)). That taker waits for nobody, so it is waited for.
//!
//! # What it is built from
//! A place's contents pass from thread to thread through the turns of the pools' queues, and back through those of the ring
//! of free places. The count of tasks is a [`Shutdown`] as a pool has it. So there is no ordering here. Models:
//! `verification/loom/micropools.rs`.

use super::place::{MicropoolTask, Place, Stage};
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Array};
use crate::os::{clock, fork};
use crate::pool::blocks::Kept;
use crate::pool::config::WhenFull;
use crate::pool::core::{Core, refusal};
use crate::protocol::CacheLine;
use crate::protocol::first::First;
use crate::protocol::queue::Shard;
use crate::protocol::shutdown::Shutdown;
use crate::sync::{AtomicU32, futex_wait, spin_loop};
use core::iter;
use core::ptr::{self, NonNull};

/// Who waits for a place looks for one this often, at first and in the end.
const SHORTEST_NAP_NS: u64 = 20_000;
const LONGEST_NAP_NS: u64 = 1_000_000;

/// One micropool, as the others see it.
#[derive(Debug)]
struct Member {
    core: *const Core,
    /// Its free places.
    free: Shard<Place>,
}

/// What joins the micropools of a set.
#[derive(Debug)]
pub struct Joint {
    members: Array<Member>,
    places: Array<CacheLine<Kept<Place>>>,
    gate: Shutdown,
    failure: First<Error>,
    when_full: WhenFull,
    allocator: Allocator,
    generation: u32,
}

// SAFETY: the cores it points to may be used by any thread, and outlive it.
unsafe impl Send for Joint {}
// SAFETY: as above.
unsafe impl Sync for Joint {}

impl Joint {
    /// A joint of these pools, each with its number of places, to be [opened](Self::open) where it stays. Each pool's inbox has room in a
    /// shard for all places together.
    ///
    /// # Safety
    /// The joint lives until the pools' workers have ended, and the pools' cores live as long; nobody submits to them by other ways.
    pub unsafe fn new<'c>(
        allocator: Allocator,
        when_full: WhenFull,
        pools: impl Iterator<Item = (&'c Core, usize)> + Clone,
    ) -> Result<Joint> {
        let mut cores = pools.clone();
        let members = Array::from_fn(allocator, pools.clone().count(), |_| {
            let (core, places) = cores.next().map_or((ptr::null(), 0), |(core, places)| (ptr::from_ref(core), places));
            Ok(Member { core, free: Shard::new(allocator, places.max(2).next_power_of_two())? })
        })?;
        let mut homes = pools.enumerate().flat_map(|(home, (_, places))| iter::repeat_n(home, places));
        let count = homes.clone().count();
        let places =
            Array::from_fn(allocator, count, |_| Ok(CacheLine(Kept::new(Place::new(homes.next().unwrap_or(0))))))?;
        let gate = Shutdown::new();
        Ok(Joint { members, places, gate, failure: First::new(), when_full, allocator, generation: fork::generation() })
    }

    /// Lays the places out.
    ///
    /// # Safety
    /// Called once, before anything else; the joint does not move after.
    pub unsafe fn open(&self) {
        for place in self.places.iter() {
            place.value.join(self);
            // There is room for all.
            let _ = self.members[place.value.home()].free.push(NonNull::from(&place.value));
        }
    }

    pub(super) fn allocator(&self) -> Allocator {
        self.allocator
    }

    fn core(&self, micropool: usize) -> &Core {
        // SAFETY: the cores outlive the joint.
        unsafe { &*self.members[micropool].core }
    }

    /// The number of the micropool that has this core.
    pub(super) fn of_core(&self, core: &Core) -> usize {
        self.members.iter().position(|member| ptr::eq(member.core, core)).unwrap_or(0)
    }

    /// Fails for a number that no micropool has.
    pub(super) fn check(&self, micropool: usize) -> Result<()> {
        if micropool < self.members.len() {
            return Ok(());
        }
        Err(error!(
            InvalidArgument,
            "micropool {micropool} was named, and there are {}; they count from 0 in the order in which they were given",
            self.members.len()
        ))
    }

    /// Fails in a forked child.
    pub(super) fn check_process(&self) -> Result<()> {
        self.core(0).check_process()
    }

    /// Fails on a worker of the set.
    pub(super) fn refuse_on_own_worker(&self, what: &str) -> Result<()> {
        (0..self.members.len()).try_for_each(|micropool| self.core(micropool).refuse_on_own_worker(what))
    }

    /// See [`Micropools::submit`](super::Micropools::submit).
    pub fn submit<F>(&self, to: usize, task: F) -> Result<()>
    where
        F: FnOnce(MicropoolTask<'_>) -> Result<()> + Send + 'static,
    {
        self.submit_stage(to, task)
    }

    pub(crate) fn submit_stage<S: Stage + 'static>(&self, to: usize, task: S) -> Result<()> {
        self.check(to)?;
        self.check_process()?;
        let is_inside = (0..self.members.len()).any(|micropool| self.core(micropool).current_worker().is_some());
        let accepted = if is_inside { self.gate.accept_inside(1) } else { self.gate.accept_visit(1) };
        accepted.map_err(refusal)?;
        let result = self.free_place(to, !is_inside && self.when_full == WhenFull::Block).and_then(|place| {
            // SAFETY: taken off the ring of free places, so it is this thread's alone, and empty.
            match unsafe { place.as_ref().put(task) } {
                Ok(()) => {
                    // SAFETY: it has work now, and is given away.
                    unsafe { self.queue(to, place) };
                    Ok(())
                }
                Err((error, task)) => {
                    drop(task);
                    self.keep(place);
                    Err(error)
                }
            }
        });
        if result.is_err() {
            self.gate.finish(1).wake_blocked();
        }
        if !is_inside {
            // The last touch of the set from outside.
            self.gate.leave().wake_blocked();
        }
        result
    }

    fn free_place(&self, home: usize, waits: bool) -> Result<NonNull<Place>> {
        let mut nap_ns = SHORTEST_NAP_NS;
        loop {
            if let Some(place) = self.members[home].free.pop() {
                return Ok(place);
            }
            if !waits {
                return Err(error!(
                    QueueFull,
                    "all places of micropool {home} are taken; wait for tasks to finish, or give it more of them"
                ));
            }
            // Whoever frees a place is not made to look who waits outside.
            let never = AtomicU32::new(0);
            futex_wait(&never, 0, Some(clock::monotonic_ns() + nap_ns));
            nap_ns = (nap_ns * 2).min(LONGEST_NAP_NS);
        }
    }

    /// Keeps a place that is empty.
    fn keep(&self, place: NonNull<Place>) {
        // SAFETY: the places live as long as the joint.
        let free = &self.members[unsafe { place.as_ref() }.home()].free;
        while free.push(place).is_err() {
            spin_loop();
        }
    }

    /// Queues the task in a place.
    ///
    /// # Safety
    /// The place is the caller's, with work in it, and is given away.
    unsafe fn queue(&self, to: usize, place: NonNull<Place>) {
        // SAFETY: a place begins with an entry, and its table is its own. The cores live until all workers have ended, and then no
        // call from outside is under way, since it is counted.
        while !unsafe { self.core(to).receive(place.cast()) } {
            spin_loop();
        }
    }

    /// A stage has ended: the task goes on elsewhere, or is done.
    ///
    /// # Safety
    /// The place is the caller's, and is given away.
    pub(super) unsafe fn settle(&self, place: NonNull<Place>, outcome: Result<()>, onward: Option<usize>) {
        match (outcome, onward) {
            // SAFETY: by contract; what is handed over has work in it.
            (Ok(()), Some(to)) => return unsafe { self.queue(to, place) },
            (Ok(()), None) => {}
            (Err(error), _) => {
                // SAFETY: by contract.
                unsafe { place.as_ref().clear() };
                self.failure.offer(error);
            }
        }
        self.keep(place);
        // The last touch of the set, but for the pool whose worker this is: that one is joined.
        self.gate.finish(1).wake_blocked();
    }

    /// Waits until no task is in the set, and gives the first failure.
    ///
    /// # Safety
    /// Nobody submits from outside meanwhile, and one thread at a time waits.
    pub(crate) unsafe fn wait_all(&self) -> Result<()> {
        self.check_process()?;
        self.refuse_on_own_worker("waiting for all tasks")?;
        self.core(0).wait(self.gate.in_flight(), None);
        // SAFETY: the count was seen at zero, so whoever offered is done.
        unsafe { self.failure.take() }.map_or(Ok(()), Err)
    }

    /// Takes no more tasks from outside, and waits until those in the set are done. The pools can be closed after.
    pub fn close(&self) {
        if self.generation == fork::generation() {
            self.gate.close();
            self.gate.in_flight().wait(None);
        }
    }
}
