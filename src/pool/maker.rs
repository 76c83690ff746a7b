//! A pool without threads: its one worker is the thread that made it.
//!
//! That thread is the worker while it pumps, waits for something of the pool or runs something in it, and a thread like any other in
//! between. All may submit; so that the maker's event loop hears of it, the first task after a stay calls the program.
//!
//! # Why no task is left lying
//! The argument is [`LazyStart`]'s, with the event loop for the server: who has queued a task claims the call, and calls unless it was
//! claimed; the maker releases the claim and then looks at the queues. Where it leaves while they hold something, as a pump
//! does whose budget is spent, it claims the call itself.
//!
//! # Who may touch what
//! The maker alone: everything here but the claim. A thread knows its pools by a list that begins in a word of its own, so that a
//! future can be asked whether it is of one of them without touching a pool that may be gone. Since only the maker ends such a pool,
//! what is in its list is alive.

use super::config::{OnCaller, Wake};
use super::core::Core;
use super::replay::Replay;
use super::worker::Worker;
use crate::error::{Result, error};
use crate::os::alloc::Allocator;
use crate::os::{clock, thread};
use crate::protocol::lazy_start::LazyStart;
use crate::sync::maker_slot;
use core::cell::Cell;
use core::ptr;

/// What a pool knows of the thread that made it and works for it.
#[derive(Debug)]
pub(crate) struct Maker {
    wake: Option<Wake>,
    called: LazyStart,
    replay: Option<Replay>,
    /// The lowest address of the maker's stack, which the system takes its time to tell.
    stack_bottom: usize,
    /// The pool, from its settling on, and the pool before it in the maker's list.
    core: Cell<*const Core>,
    older: Cell<*const Maker>,
}

// SAFETY: the claim is a protocol; the rest is touched by the maker alone.
unsafe impl Send for Maker {}
// SAFETY: as above.
unsafe impl Sync for Maker {}

impl Maker {
    /// The calling thread, as the maker of a pool.
    pub(crate) fn new(allocator: Allocator, settings: &OnCaller) -> Result<Maker> {
        Ok(Maker {
            wake: settings.wake,
            called: LazyStart::new(),
            replay: settings.seed.map(|seed| Replay::new(allocator, seed)).transpose()?,
            stack_bottom: thread::stack_bottom(),
            core: Cell::new(ptr::null()),
            older: Cell::new(ptr::null()),
        })
    }

    /// How the orders of tasks and forks are chosen, if they are.
    pub(crate) fn replay(&self) -> Option<&Replay> {
        self.replay.as_ref()
    }

    /// The calling thread's pools, the newest first.
    fn of_this_thread<'a>() -> impl Iterator<Item = &'a Maker> {
        // SAFETY: what is in a thread's list was put there by it, and is taken out by it before it goes.
        let next = |maker: *const Maker| unsafe { maker.as_ref() };
        let newest = next(ptr::with_exposed_provenance(maker_slot::get()));
        core::iter::successors(newest, move |maker| next(maker.older.get()))
    }

    /// Puts the pool into the calling thread's list.
    fn settle(&self, core: &Core) {
        self.core.set(core);
        self.older.set(ptr::with_exposed_provenance(maker_slot::get()));
        maker_slot::set(ptr::from_ref(self).expose_provenance());
    }

    /// Takes it out again.
    fn leave(&self) {
        match Maker::of_this_thread().find(|maker| ptr::eq(maker.older.get(), self)) {
            Some(newer) => newer.older.set(self.older.get()),
            None => maker_slot::set(self.older.get().expose_provenance()),
        }
    }

    /// Calls the program unless it was called since the maker last looked.
    fn call(&self) {
        if let Some(wake) = self.wake
            && self.called.claim()
        {
            // SAFETY: whoever set the function vouched for calling it from any thread.
            unsafe { (wake.call)(wake.context) }
        }
    }
}

impl Core {
    /// Says that the core stays where it is from here on, until [`leave_maker`](Self::leave_maker). By the thread that made it.
    pub fn settle(&self) {
        if let Some(maker) = self.maker() {
            self.statistics().of(0).sleeping.start(clock::monotonic_ns());
            maker.settle(self);
        }
    }

    /// The end of what [`settle`](Self::settle) began.
    pub fn leave_maker(&self) {
        if let Some(maker) = self.maker() {
            maker.leave();
        }
    }

    /// The pool at this address, if the calling thread is its maker. Nothing behind the address is touched if it is not.
    pub(crate) fn of_this_thread<'a>(core: *const Core) -> Option<&'a Core> {
        // SAFETY: what is in a thread's list is alive: only the maker ends its pools.
        Maker::of_this_thread().find(|maker| ptr::eq(maker.core.get(), core)).map(|_| unsafe { &*core })
    }

    /// Whether the calling thread is the one that this pool has for its worker.
    pub(crate) fn is_made_here(&self) -> bool {
        self.maker().is_some() && Core::of_this_thread(self).is_some()
    }

    /// Fails for a pool whose maker is another thread.
    pub(crate) fn refuse_elsewhere(&self, what: &str) -> Result<()> {
        match self.maker() {
            Some(_) if !self.is_made_here() => Err(error!(
                InvalidArgument,
                "{what} on another thread than the one that made the pool, which has no other worker; do it there"
            )),
            _ => Ok(()),
        }
    }

    /// To be called when a thread that is no worker has queued a task.
    #[inline]
    pub(crate) fn call_maker(&self) {
        if let Some(maker) = self.maker() {
            maker.call();
        }
    }

    /// Calls `action` with the calling thread, the maker, as the pool's worker.
    pub(crate) fn stay<R>(&self, action: impl FnOnce(&Worker) -> R) -> R {
        /// The end of a stay, however it comes.
        struct Stay<'c>(&'c Core, Option<&'c Worker>);
        impl Drop for Stay<'_> {
            fn drop(&mut self) {
                self.0.statistics().of(0).sleeping.start(clock::monotonic_ns());
                if self.0.has_work() || self.0.holds_tasks() {
                    self.0.call_maker();
                }
                self.1.inspect(|outer| outer.end_blocking());
            }
        }
        // As a worker of another pool the thread may have forked what it waits for here.
        let outer = Worker::current();
        outer.inspect(|outer| outer.begin_blocking());
        self.statistics().of(0).sleeping.stop(clock::monotonic_ns());
        let mut stack_bottom = 0;
        if let Some(maker) = self.maker() {
            maker.called.release();
            stack_bottom = maker.stack_bottom;
        }
        let _stay = Stay(self, outer);
        Worker::new(self, 0, stack_bottom).run_as_current(action)
    }

    /// See [`Pool::pump`](super::Pool::pump).
    pub fn pump(&self, most: usize, budget_ns: u64) -> Result<usize> {
        if self.maker().is_none() {
            return Err(error!(
                InvalidArgument,
                "the pool has threads of its own, which run its tasks; only a pool made to run on its maker is pumped"
            ));
        }
        self.check_process()?;
        self.refuse_elsewhere("pumping")?;
        let end_ns = match budget_ns {
            0 => u64::MAX,
            budget_ns => clock::monotonic_ns().saturating_add(budget_ns),
        };
        let pump = |worker: &Worker| {
            let mut ran = 0;
            while (most == 0 || ran < most) && (end_ns == u64::MAX || ran == 0 || clock::monotonic_ns() < end_ns) {
                let Some(work) = worker.next_task() else { break };
                ran += usize::from(worker.run(work));
            }
            worker.dues().pay(self);
            ran
        };
        match self.current_worker() {
            Some(worker) => {
                worker.promote_all();
                worker.check_stack()?;
                Ok(pump(worker))
            }
            None => Ok(self.stay(pump)),
        }
    }
}
