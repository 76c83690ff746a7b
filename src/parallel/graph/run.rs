//! Running a graph: who settles which vertex, and how a run ends.

use super::OnFailure;
use super::ready::{List as ReadyList, Station};
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Array, List, Owned};
use crate::os::fork;
use crate::pool::core::Core as PoolCore;
use crate::pool::{Future, Job, Pool, Shelf, Task, Work, Worker, drop_quietly, panic_error};
use crate::protocol::arrivals::Arrived;
use crate::protocol::countdown::Countdown;
use crate::protocol::first::First;
use crate::protocol::run_gate::RunGate;
use crate::sync::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A list longer than this is cut before it is shelved, so that its holder and a thief do not take turns at one list for each of
/// its vertices.
const CHUNK: u32 = 32;
/// A worker shelves so many lists at most; a further one is joined to the newest. Its deque need not grow for them.
const SHELVED: usize = 16;

/// A graph that was checked: see the [module](super) for how it runs. Dropping it waits for a run in progress.
///
/// All methods may be called from any thread at a time.
#[derive(Debug)]
pub struct Graph<'env> {
    core: ManuallyDrop<Owned<Core>>,
    closures: PhantomData<dyn FnMut() + Send + 'env>,
}

// SAFETY: closures are `Send`; see `Core` for the rest.
unsafe impl Send for Graph<'_> {}
// SAFETY: as above. A shared graph runs a closure on one thread at a time.
unsafe impl Sync for Graph<'_> {}

/// The task that begins a run, which lies in the graph.
type RootTask = Task<Root, ()>;

/// The shared part of a graph.
#[derive(Debug)]
pub(super) struct Core {
    stations: List<Station>,
    successors: Array<u32>,
    roots: List<u32>,
    on_failure: OnFailure,
    gate: RunGate,
    /// The vertices that this run has not settled yet.
    unsettled: Countdown,
    failure: First<Error>,
    launched: UnsafeCell<Launched>,
    root: UnsafeCell<MaybeUninit<RootTask>>,
}

// SAFETY: the cells are those of whoever began the run; see `run_gate`.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

/// What the one that began a run keeps until it ends it.
#[derive(Debug)]
struct Launched {
    root: Option<Future<()>>,
    generation: u32,
}

impl<'env> Graph<'env> {
    /// Room for the shared part of a graph.
    pub(super) fn room(allocator: Allocator) -> Result<Room> {
        Owned::new(allocator, MaybeUninit::uninit())
    }

    pub(super) fn new(
        room: Room,
        stations: List<Station>,
        successors: Array<u32>,
        roots: List<u32>,
        on_failure: OnFailure,
    ) -> Graph<'env> {
        let allocator = stations.allocator();
        let place = Owned::into_raw(room).cast::<Core>();
        let core = Core {
            stations,
            successors,
            roots,
            on_failure,
            gate: RunGate::new(),
            unsettled: Countdown::new(),
            failure: First::new(),
            launched: UnsafeCell::new(Launched { root: None, generation: 0 }),
            root: UnsafeCell::new(MaybeUninit::uninit()),
        };
        // SAFETY: the room was made for it, with this allocator, and is nobody else's.
        let mut core = unsafe {
            place.write(core);
            Owned::from_raw(allocator, place)
        };
        core.stations.iter_mut().for_each(|station| station.graph = place.as_ptr());
        Graph { core: ManuallyDrop::new(core), closures: PhantomData }
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> usize {
        self.core.stations.len()
    }

    /// How many vertices the last run has skipped, because of a failure or because it was cancelled.
    pub fn skipped(&self) -> usize {
        self.core.gate.skipped() as usize
    }

    /// Whether a run is in progress.
    pub fn is_running(&self) -> bool {
        self.core.gate.is_running()
    }

    /// Runs the graph on the workers of `pool`, and returns when every vertex has run or was skipped. On a worker of the pool,
    /// which may be in a vertex of another graph, that worker runs vertices itself, and then waits for the others as its
    /// [policy](crate::pool::WaitPolicy) says. Nothing is allocated.
    ///
    /// Errors: the first failure of a vertex, with a panic as [`Panic`](crate::error::Status::Panic);
    /// [`Cancelled`](crate::error::Status::Cancelled) if [`cancel`](Self::cancel) came before the last vertex had started;
    /// [`AlreadyStarted`](crate::error::Status::AlreadyStarted) if a run is in progress, which goes on;
    /// [`StackLimit`](crate::error::Status::StackLimit) on a worker whose stack is almost used up; and those of
    /// [`Pool::submit`]. After these last three no vertex has run.
    pub fn run(&self, pool: &Pool) -> Result<()> {
        self.run_in(pool.core())
    }

    /// As [`run`](Self::run), in the shared part of a pool.
    pub fn run_in(&self, pool: &PoolCore) -> Result<()> {
        let Some(worker) = pool.current_worker() else {
            // SAFETY: waited for right here.
            return unsafe { self.core.launch(pool) }?.wait();
        };
        worker.check_stack()?;
        self.core.begin(pool)?;
        let run = Run { graph: &self.core, pool };
        // Part of a wait, as are the vertices that it may help with afterwards.
        worker.nested(|| self.core.run_roots(worker));
        run.wait()
    }

    /// Cancels the run in progress: what has not started is skipped. False when there is no run. Does not wait.
    pub fn cancel(&self) -> bool {
        self.core.gate.cancel()
    }

    /// Runs the graph, as [`run_in`](Self::run_in), with nobody to wait for it yet.
    ///
    /// # Safety
    /// [`finish`](Self::finish) is called before the pool ends.
    #[cfg(feature = "capi")]
    pub(crate) unsafe fn start(&self, pool: &PoolCore) -> Result<()> {
        // SAFETY: the caller's contract.
        unsafe { self.core.launch(pool)? }.leave();
        Ok(())
    }

    /// Waits for the run that [`start`](Self::start) began, and says how it ended.
    ///
    /// # Safety
    /// There is one, `pool` is its pool, and no other thread does this.
    #[cfg(feature = "capi")]
    pub(crate) unsafe fn finish(&self, pool: &PoolCore) -> Result<()> {
        Run { graph: &self.core, pool }.wait()
    }
}

impl Graph<'static> {
    /// Begins to run the graph on the workers of `pool`, and returns at once. Nothing is allocated.
    ///
    /// Errors: as [`run`](Self::run), but for those of the vertices, which come out of [`Run::wait`].
    pub fn launch<'g>(&'g self, pool: &'g Pool) -> Result<Run<'g>> {
        self.launch_in(pool.core())
    }

    /// As [`launch`](Self::launch), in the shared part of a pool.
    pub fn launch_in<'g>(&'g self, pool: &'g PoolCore) -> Result<Run<'g>> {
        // SAFETY: the graph's drop waits for a run that was left alone, and its closures borrow nothing.
        unsafe { self.core.launch(pool) }
    }
}

impl Drop for Graph<'_> {
    fn drop(&mut self) {
        // Only a run whose handle was left alone is in progress here.
        if self.core.gate.is_running() && !self.core.wait_unattended() {
            return;
        }
        // SAFETY: the graph ends here, and no run uses it.
        unsafe { ManuallyDrop::drop(&mut self.core) }
    }
}

/// Memory for the shared part of a graph.
pub(super) type Room = Owned<MaybeUninit<Core>>;

/// A run in progress. Dropping it waits for its end.
#[derive(Debug)]
#[must_use = "a run that is dropped at once is waited for, and cannot tell whether it failed"]
pub struct Run<'g> {
    graph: &'g Core,
    pool: &'g PoolCore,
}

impl Run<'_> {
    /// Whether every vertex has run or was skipped. Does not block.
    pub fn is_done(&self) -> bool {
        self.graph.unsettled.is_zero()
    }

    /// Cancels the run: what has not started is skipped. Does not wait.
    pub fn cancel(&self) {
        self.graph.gate.cancel();
    }

    /// Waits until every vertex has run or was skipped; a worker of the pool helps meanwhile, as far as its
    /// [policy](crate::pool::WaitPolicy) allows. Not for a vertex of the same run, which would wait for itself.
    ///
    /// Errors: the first failure of a vertex; [`Cancelled`](crate::error::Status::Cancelled) if a vertex was skipped because
    /// the run was cancelled; [`Forked`](crate::error::Status::Forked) in a forked child.
    pub fn wait(self) -> Result<()> {
        self.pool.check_process()?;
        self.pool.wait(&self.graph.unsettled, None);
        // SAFETY: this is the run's handle, and the count was seen at zero.
        let outcome = unsafe { self.graph.end() };
        self.leave();
        outcome
    }

    /// Leaves the run to somebody else.
    fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // In a forked child nobody would end it.
        if self.pool.check_process().is_ok() {
            self.pool.wait(&self.graph.unsettled, None);
            // SAFETY: as in `wait`. The failure is lost.
            drop(unsafe { self.graph.end() });
        }
    }
}

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
    /// Takes the graph for one run.
    fn begin(&self, pool: &PoolCore) -> Result<()> {
        pool.check_process()?;
        if !self.gate.begin() {
            return Err(error!(
                AlreadyStarted,
                "a graph was to be run that is running already; wait for that run first, or build a second graph"
            ));
        }
        let launched = Launched { root: None, generation: pool.generation() };
        // SAFETY: the run is this thread's until it is ended.
        self.launched.with_mut(|place| unsafe { *place = launched });
        let added = self.unsettled.add(self.stations.len() as u32, true);
        debug_assert_eq!(added, Ok(()), "a graph has no more vertices than can be counted");
        Ok(())
    }

    /// Begins a run on another thread.
    ///
    /// # Safety
    /// The run is ended before the graph, what its closures borrow, or the pool are gone.
    unsafe fn launch<'g>(&'g self, pool: &'g PoolCore) -> Result<Run<'g>> {
        self.begin(pool)?;
        if !self.stations.is_empty() {
            let place = self.root.with_mut(|place| place);
            // SAFETY: the place is the run's, which waits for the task before it ends.
            match unsafe { pool.submit_in(place, Root(NonNull::from(self))) } {
                // SAFETY: as in `begin`.
                Ok(root) => self.launched.with_mut(|place| unsafe { (*place).root = Some(root) }),
                Err(error) => {
                    self.unsettled.finish(self.stations.len() as u32).wake_blocked();
                    self.gate.end();
                    return Err(error);
                }
            }
        }
        Ok(Run { graph: self, pool })
    }

    /// Ends a run, and says how it went.
    ///
    /// # Safety
    /// The run is the caller's, and the count was seen at zero.
    unsafe fn end(&self) -> Result<()> {
        // SAFETY: as in `begin`.
        if let Some(root) = self.launched.with_mut(|launched| unsafe { (*launched).root.take() }) {
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
                "the run of a graph was cancelled, and {skipped} of its {} vertices were skipped; run it again to have all of them",
                self.stations.len()
            )),
        }
    }

    /// Ends a run whose handle was left alone. False in a forked child, where it has no end.
    fn wait_unattended(&mut self) -> bool {
        // SAFETY: nobody else has the graph.
        if self.launched.with(|launched| unsafe { (*launched).generation }) != fork::generation() {
            return false;
        }
        match Worker::current() {
            Some(worker) => worker.wait_until_foreign(&self.unsettled, None),
            None => self.unsettled.wait(None),
        };
        // SAFETY: nobody else has the graph, and the count was seen at zero.
        drop(unsafe { self.end() });
        true
    }

    /// Runs what nothing comes before, and all that this makes ready.
    fn run_roots(&self, worker: &Worker) {
        if self.stations.is_empty() {
            return;
        }
        worker.core().count_run(worker);
        let mut list = ReadyList::new();
        for &root in self.roots.iter() {
            // SAFETY: before the run has its first vertex, all are this thread's.
            unsafe { list.push(&self.stations[root as usize]) };
        }
        // SAFETY: as above.
        unsafe { run_list(self, worker, list) };
    }

    fn successors(&self, vertex: &Station) -> &[u32] {
        // SAFETY: both are in the list of vertices.
        let index = unsafe { ptr::from_ref(vertex).offset_from(self.stations.as_ptr()) } as usize;
        let end = self.stations.get(index + 1).map_or(self.successors.len(), |next| next.first_successor as usize);
        &self.successors[vertex.first_successor as usize..end]
    }

    /// Runs a vertex or skips it, and tells its successors. Those that are ready then are the caller's: one by itself, which is to
    /// be settled next, and the others.
    ///
    /// # Safety
    /// The calling thread has the vertex.
    unsafe fn settle(&self, worker: &Worker, vertex: &Station, skipped: &mut u32) -> (Option<&Station>, ReadyList) {
        // SAFETY: by contract nobody else is here.
        let mut failed = vertex.place.with(|place| unsafe { (*place).failed });
        let rest_is_skipped = self.on_failure == OnFailure::SkipRest && self.failure.is_taken();
        if failed || rest_is_skipped || self.gate.is_cancelled() {
            *skipped += 1;
            failed = true;
        } else {
            // SAFETY: as above.
            let call = || vertex.body.with_mut(|body| unsafe { (*body).call(worker) });
            let outcome = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
                let error = panic_error(&payload);
                drop_quietly(payload);
                Err(error)
            });
            // What this vertex has chosen is not for the next one.
            worker.set_wait_policy(worker.core().wait_policy());
            if let Err(error) = outcome {
                self.failure.offer(error);
                failed = true;
            }
        }
        let (mut next, mut others) = (None, ReadyList::new());
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
}

/// Runs a list that a worker took from a deque.
///
/// # Safety
/// The job was made of a list, and taken by this thread.
pub(super) unsafe extern "C" fn run_job(job: NonNull<Job>, worker: &Worker) {
    // SAFETY: by contract.
    unsafe {
        let list = ReadyList::from_job(job);
        run_list(list.graph(), worker, list);
    }
}

/// Settles the vertices of a list, and what they make ready, until there is nothing left here, and counts them off. A graph
/// that nobody else holds may be gone then.
///
/// # Safety
/// The vertices are of this graph, and the calling thread's.
unsafe fn run_list(graph: *const Core, worker: &Worker, list: ReadyList) {
    let mut runner = Runner { worker, shelf: Shelf::new(worker), unshelved: ReadyList::new(), settled: 0, skipped: 0 };
    // SAFETY: until its vertices are counted off below the graph is there.
    unsafe {
        runner.run(&*graph, list);
        if runner.skipped > 0 {
            (*graph).gate.skip(runner.skipped);
        }
        // The last touch of the graph.
        let finished = (*graph).unsettled.finish(runner.settled);
        worker.core().finish_run(finished);
    }
}

/// A worker's loop through the vertices that it has.
struct Runner<'w> {
    worker: &'w Worker,
    shelf: Shelf<'w>,
    /// What there was no room for in the deque.
    unshelved: ReadyList,
    settled: u32,
    skipped: u32,
}

impl Runner<'_> {
    /// # Safety
    /// The vertices are of this graph, and the calling thread's.
    unsafe fn run(&mut self, graph: &Core, mut list: ReadyList) {
        // SAFETY: what is in a list or on the shelf, and was not stolen, is this thread's.
        unsafe {
            while let Some(first) = list.take_first() {
                if list.len() >= CHUNK {
                    let rest = list.cut(CHUNK - 1);
                    self.put(rest);
                }
                self.put(list);
                let mut next = Some(first);
                while let Some(vertex) = next {
                    let others;
                    (next, others) = graph.settle(self.worker, vertex, &mut self.skipped);
                    self.settled += 1;
                    self.put(others);
                }
                list = match self.shelf.take() {
                    Some(job) => ReadyList::from_job(job),
                    None => mem::replace(&mut self.unshelved, ReadyList::new()),
                };
            }
        }
    }

    /// Puts a list where others can take it.
    ///
    /// # Safety
    /// The vertices are the calling thread's.
    unsafe fn put(&mut self, list: ReadyList) {
        // SAFETY: the first's by contract; what is taken from the shelf is this thread's.
        unsafe {
            if list.is_empty() {
                return;
            }
            let mut whole = list;
            if self.shelf.len() >= SHELVED
                && let Some(job) = self.shelf.take()
            {
                let newer = mem::replace(&mut whole, ReadyList::from_job(job));
                whole.append(newer);
            }
            match whole.as_job() {
                Some(job) if self.shelf.put(job) => {}
                _ => self.unshelved.append(whole),
            }
        }
    }
}
