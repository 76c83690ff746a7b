//! Graphs that can run, and runs in progress, as programs have them.

use super::core::Core;
use crate::error::Result;
use crate::os::alloc::Owned;
use crate::pool::Pool;
use crate::pool::core::Core as PoolCore;
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};

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

impl<'env> Graph<'env> {
    pub(super) fn new(core: Owned<Core>) -> Graph<'env> {
        Graph { core: ManuallyDrop::new(core), closures: PhantomData }
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> usize {
        self.core.vertices()
    }

    /// How many vertices the last run has skipped, because of a failure or because it was cancelled. What no condition chose is
    /// not among them.
    pub fn skipped(&self) -> usize {
        self.core.gate.skipped() as usize
    }

    /// Whether a run is in progress.
    pub fn is_running(&self) -> bool {
        self.core.gate.is_running()
    }

    /// Fails in a forked child that has inherited a run.
    pub(crate) fn check_process(&self) -> Result<()> {
        self.core.check_process()
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
        let run = Run::new(&self.core, pool);
        // Part of a wait, as are the vertices that it may help with afterwards.
        worker.nested(worker.reach(), || self.core.run_roots(worker));
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
        Run::new(&self.core, pool).wait()
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
        // A forked child leaves alone what was in use at the fork.
        if self.check_process().is_err() {
            return;
        }
        // Only a run whose handle was left alone is in progress here.
        if self.core.gate.is_running() {
            self.core.wait_unattended();
        }
        // SAFETY: the graph ends here, and no run uses it.
        unsafe { ManuallyDrop::drop(&mut self.core) }
    }
}

/// A run in progress. Dropping it waits for its end.
#[derive(Debug)]
#[must_use = "a run that is dropped at once is waited for, and cannot tell whether it failed"]
pub struct Run<'g> {
    graph: &'g Core,
    pool: &'g PoolCore,
}

impl<'g> Run<'g> {
    pub(super) fn new(graph: &'g Core, pool: &'g PoolCore) -> Run<'g> {
        Run { graph, pool }
    }

    /// Whether every vertex has run or was skipped. Does not block.
    pub fn is_done(&self) -> bool {
        self.graph.running.is_zero()
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
        self.pool.wait(&self.graph.running, None);
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
            self.pool.wait(&self.graph.running, None);
            // SAFETY: as in `wait`. The failure is lost.
            drop(unsafe { self.graph.end() });
        }
    }
}
