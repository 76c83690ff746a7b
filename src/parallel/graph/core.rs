//! The shared part of a graph: how a run begins, what becomes of a vertex, how rounds follow each other, and how a run ends.

use super::OnFailure;
use super::arena::Arena;
use super::body::Choice;
use super::ready::{List as ReadyList, NO_CONDITION, Station};
use super::regions::{Regions, Rounds};
use super::run::Run;
use super::runner::run_list;
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Array, List, Owned};
use crate::os::fork;
use crate::pool::core::Core as PoolCore;
use crate::pool::{Destination, Future, Task, Work, Worker, drop_quietly, panic_error};
use crate::protocol::arrivals::{Arrivals, Arrived};
use crate::protocol::countdown::Countdown;
use crate::protocol::first::First;
use crate::protocol::run_gate::RunGate;
use crate::sync::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind};
/// The task that begins a run, which lies in the graph.
type RootTask = Task<Root, ()>;

/// The shared part of a graph.
#[derive(Debug)]
pub(super) struct Core {
    stations: List<Station>,
    /// What the stations' closures lie in; dropped after them.
    _arena: Arena,
    successors: Array<u32>,
    regions: Regions,
    on_failure: OnFailure,
    pub(super) gate: RunGate,
    /// The vertices that this round has not settled yet.
    pub(super) round: Arrivals,
    rounds: UnsafeCell<Rounds>,
    /// One while a run is in progress.
    pub(super) running: Countdown,
    failure: First<Error>,
    /// The task that has begun this run, if one has. It is that of the one who ends the run.
    launched: UnsafeCell<Option<Future<()>>>,
    root: UnsafeCell<MaybeUninit<RootTask>>,
}

// SAFETY: the cells are those of whoever began the run; see `run_gate`.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

/// Memory for the shared part of a graph.
pub(super) type Room = Owned<MaybeUninit<Core>>;

/// The work of the task that begins a run.
struct Root(NonNull<Core>);

// SAFETY: a graph's shared part is for any thread.
unsafe impl Send for Root {}

impl Work<()> for Root {
    fn run(self, worker: &Worker) -> Result<()> {
        // SAFETY: a graph outlives the task that lies in it.
        unsafe { self.0.as_ref() }.run_roots(worker);
        Ok(())
    }

    fn discard(self) {
        unreachable!("nobody has a handle to cancel it with");
    }
}

impl Core {
    /// Room for the shared part of a graph.
    pub(super) fn room(allocator: Allocator) -> Result<Room> {
        Owned::new(allocator, MaybeUninit::uninit())
    }

    pub(super) fn new(
        room: Room,
        (stations, arena): (List<Station>, Arena),
        successors: Array<u32>,
        (regions, rounds): (Regions, Rounds),
        on_failure: OnFailure,
    ) -> Owned<Core> {
        let allocator = stations.allocator();
        let place = Owned::into_raw(room).cast::<Core>();
        let core = Core {
            stations,
            _arena: arena,
            successors,
            regions,
            on_failure,
            gate: RunGate::new(),
            round: Arrivals::new(0),
            rounds: UnsafeCell::new(rounds),
            running: Countdown::new(),
            failure: First::new(),
            launched: UnsafeCell::new(None),
            root: UnsafeCell::new(MaybeUninit::uninit()),
        };
        // SAFETY: the room was made for it, with this allocator, and is nobody else's.
        let mut core = unsafe {
            place.write(core);
            Owned::from_raw(allocator, place)
        };
        core.stations.iter_mut().for_each(|station| station.graph = place.as_ptr());
        core
    }

    /// How many vertices there are.
    pub(super) fn vertices(&self) -> usize {
        self.stations.len()
    }

    /// Fails in a forked child that has inherited a run, which will never end there.
    pub(super) fn check_process(&self) -> Result<()> {
        if !self.gate.is_running_elsewhere(fork::generation()) {
            return Ok(());
        }
        Err(error!(
            Forked,
            "this process is a forked child, and the graph was running in its parent when that forked; build another graph here"
        ))
    }

    /// Takes the graph for one run.
    pub(super) fn begin(&self, pool: &PoolCore) -> Result<()> {
        pool.check_process()?;
        self.check_process()?;
        if !self.gate.begin(pool.generation()) {
            return Err(error!(
                AlreadyStarted,
                "a graph was to be run that is running already; wait for that run first, or build a second graph"
            ));
        }
        let added = self.running.add(1, true);
        debug_assert_eq!(added, Ok(()), "there was no run");
        Ok(())
    }

    /// Begins a run on another thread.
    ///
    /// # Safety
    /// The run is ended before the graph, what its closures borrow, or the pool are gone.
    pub(super) unsafe fn launch<'g>(&'g self, pool: &'g PoolCore) -> Result<Run<'g>> {
        self.begin(pool)?;
        let place = self.root.with_mut(|place| place);
        // SAFETY: the place is the run's, which waits for the task before it ends.
        match unsafe { pool.submit_in(place, Destination::USUAL, Root(NonNull::from(self))) } {
            // SAFETY: the run is this thread's until it is ended.
            Ok(root) => self.launched.with_mut(|launched| unsafe { *launched = Some(root) }),
            Err(error) => {
                self.running.finish(1).wake_blocked();
                self.gate.end();
                return Err(error);
            }
        }
        Ok(Run::new(self, pool))
    }

    /// Ends a run, and says how it went.
    ///
    /// # Safety
    /// The run is the caller's, and the count was seen at zero.
    pub(super) unsafe fn end(&self) -> Result<()> {
        // SAFETY: by contract.
        if let Some(root) = self.launched.with_mut(|launched| unsafe { (*launched).take() }) {
            // It has run: whoever ran it is about to let go, so there is nothing to help with.
            root.task().header().state.wait_until_sole();
        }
        // SAFETY: whoever offered has counted off since.
        let failure = unsafe { self.failure.take() };
        let skipped = self.gate.skipped();
        self.gate.end();
        match (failure, skipped) {
            (Some(error), _) => Err(error),
            (None, 0) => Ok(()),
            (None, skipped) => Err(error!(
                Cancelled,
                "the run of a graph was cancelled before {skipped} of its vertices had started; run it again to have all of them"
            )),
        }
    }

    /// Ends a run whose handle was left alone.
    pub(super) fn wait_unattended(&mut self) {
        // SAFETY: nobody else has the graph.
        let launched = self.launched.with(|launched| unsafe { (*launched).as_ref() });
        match (launched.and_then(|root| PoolCore::of_this_thread(root.task().core())), Worker::current()) {
            (Some(own), _) => own.wait(&self.running, None),
            (None, Some(worker)) => worker.wait_until_foreign(&self.running, None),
            (None, None) => self.running.wait(None),
        };
        // SAFETY: nobody else has the graph, and the count was seen at zero.
        drop(unsafe { self.end() });
    }

    /// Runs what nothing comes before, and all that follows.
    pub(super) fn run_roots(&self, worker: &Worker) {
        worker.core().count_run(worker);
        // SAFETY: before the run has its first vertex, all are this thread's.
        unsafe {
            self.rounds.with_mut(|rounds| (*rounds).begin());
            run_list(self, worker, self.start_round());
        }
    }

    /// The vertices that the next round begins with.
    ///
    /// # Safety
    /// No round is in progress, and the next one has been chosen by the calling thread.
    pub(super) unsafe fn start_round(&self) -> ReadyList {
        let mut list = ReadyList::new();
        let mut vertices = 0;
        // SAFETY: between two rounds everything is the calling thread's.
        let regions = self.rounds.with(|rounds| unsafe { (*rounds).now() });
        for &region in regions {
            vertices += self.regions.sizes[region as usize];
            for &head in self.regions.heads_of(region) {
                // SAFETY: as above.
                unsafe { list.push(&self.stations[head as usize]) };
            }
        }
        self.round.expect(vertices);
        list
    }

    /// Ends a round, and starts with what its conditions have chosen. False when they have chosen nothing: the run is over.
    ///
    /// # Safety
    /// The calling thread has counted off the last vertex of the round.
    pub(super) unsafe fn choose_round(&self) -> bool {
        self.rounds.with_mut(|rounds| {
            // SAFETY: between two rounds everything is the calling thread's.
            let rounds = unsafe { &mut *rounds };
            rounds.choose_by(|region, choose| {
                for condition in self.regions.conditions_of(region) {
                    // SAFETY: as above.
                    let choice = condition.choice.with(|choice| unsafe { *choice });
                    let successors = self.successors(&self.stations[condition.vertex as usize]);
                    choice.numbers().for_each(|number| choose(successors[number]));
                }
            });
            !rounds.now().is_empty()
        })
    }

    fn index_of(&self, vertex: &Station) -> usize {
        // SAFETY: both are in the list of vertices.
        unsafe { ptr::from_ref(vertex).offset_from(self.stations.as_ptr()) as usize }
    }

    fn successors(&self, vertex: &Station) -> &[u32] {
        let (first, end) = vertex.successors;
        &self.successors[first as usize..end as usize]
    }

    /// Runs a vertex or skips it, and tells its successors. Those that are ready then are the caller's: one by itself, which is to
    /// be settled next, and the others. What a condition has chosen is ready when the round has ended.
    ///
    /// # Safety
    /// The calling thread has the vertex.
    pub(super) unsafe fn settle(
        &self,
        worker: &Worker,
        vertex: &Station,
        skipped: &mut u32,
    ) -> (Option<&Station>, ReadyList) {
        // SAFETY: by contract nobody else is here.
        let mut failed = vertex.place.with(|place| unsafe { (*place).failed });
        let rest_is_skipped = self.on_failure == OnFailure::SkipRest && self.failure.is_taken();
        let choice = if failed || rest_is_skipped || self.gate.is_cancelled() {
            *skipped += 1;
            None
        } else {
            // SAFETY: as above.
            unsafe { self.call(worker, vertex) }
        };
        failed |= choice.is_none();
        let (mut next, mut others) = (None, ReadyList::new());
        if vertex.condition != NO_CONDITION {
            let place = &self.regions.conditions[vertex.condition as usize].choice;
            // SAFETY: whoever has the condition has its choice.
            place.with_mut(|place| unsafe { *place = choice.unwrap_or_default() });
            return (next, others);
        }
        for &index in self.successors(vertex) {
            let successor = &self.stations[index as usize];
            let Arrived::Last { failed } = successor.arrivals.arrive(failed, successor.predecessors) else { continue };
            // SAFETY: the last to arrive has the vertex.
            unsafe {
                successor.place.with_mut(|place| (*place).failed = failed);
                match next {
                    None => next = Some(successor),
                    Some(_) => others.push(successor),
                }
            }
        }
        (next, others)
    }

    /// Calls a vertex's closure. A panic is a failure, and so is a choice that there is not; a failure is kept, and gives `None`.
    /// It never leaves this function by value: an error is long to move.
    ///
    /// # Safety
    /// The calling thread has the vertex.
    #[inline]
    unsafe fn call(&self, worker: &Worker, vertex: &Station) -> Option<Choice> {
        let call = || {
            // SAFETY: by contract nobody else is here.
            let choice = vertex.body.with_mut(|body| match unsafe { (*body).call(worker) } {
                Ok(choice) => Some(choice),
                Err(error) => {
                    self.failure.offer(error);
                    None
                }
            })?;
            self.check_choice(vertex, choice)
        };
        let choice = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
            self.failure.offer(panic_error(&payload));
            drop_quietly(payload);
            None
        });
        // What this vertex has chosen is not for the next one.
        worker.set_wait_policy(worker.core().wait_policy());
        choice
    }

    /// The choice, if there is one like it.
    #[inline]
    fn check_choice(&self, vertex: &Station, choice: Choice) -> Option<Choice> {
        let Some(largest) = choice.largest() else { return Some(choice) };
        let count = self.successors(vertex).len();
        if largest < count {
            return Some(choice);
        }
        self.failure.offer(error!(
            InvalidArgument,
            "condition #{} chose successor {largest} and has {count}, numbered from 0 in the order of its edges",
            self.index_of(vertex)
        ));
        None
    }
}
