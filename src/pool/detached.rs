//! Tasks that nobody holds: those of groups, and those submitted without a wish to hear of them.
//!
//! Such a task cannot be cancelled and keeps no outcome, so it needs neither state nor completion nor references: whoever
//! takes it out of the queue is its only user. Small ones fit a cache line, and their memory goes home to the submitter
//! ([`blocks`](super::blocks)).
//!
//! What is left to do after such a task is to count it off: from its group and from the pool. Two atomic operations
//! on lines that the submitter writes all the time cost more than a small task does, so a worker pays its [`Dues`] for many
//! tasks together. The rule that keeps this invisible: *dues are outstanding only while their holder runs a task of the same
//! group, or picks the next one.* That task is counted, so neither count could have reached zero. The dues are paid
//! before anything else is run, and before a call that helped goes back to its caller.

use super::blocks::{Returns, Shape};
use super::core::Core;
use super::group::GroupCore;
use super::inbox::Destination;
use super::task::{Work, drop_quietly, panic_error};
use super::trace::Kind;
use super::worker::Worker;
use crate::error::Result;
use crate::sync::UnsafeCell;
use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What every queued task begins with.
#[derive(Debug)]
pub(crate) struct Entry {
    /// How to deal with it when nobody holds it; a task that is held has a [`Header`](super::task::Header).
    pub(crate) detached: Option<&'static Table>,
}

/// The functions of one type of detached task.
#[derive(Debug)]
pub(crate) struct Table {
    run: unsafe fn(NonNull<Entry>, &Worker) -> Result<()>,
    discard: unsafe fn(NonNull<Entry>),
    shape: Shape,
}

impl Table {
    /// The functions of a kind of task whose block is not the pool's, and which `run` may queue again or free: it is not
    /// touched after. `discard` drops such a task unrun.
    pub(crate) const fn of_kept<T>(
        run: unsafe fn(NonNull<Entry>, &Worker) -> Result<()>,
        discard: unsafe fn(NonNull<Entry>),
    ) -> Table {
        Table { run, discard, shape: Shape::of::<T>() }
    }
}

/// The part of a detached task that does not depend on its work.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Front {
    entry: Entry,
    /// The group, or null. Alive until this task is counted off there.
    group: *const GroupCore,
}

impl Front {
    /// That of a task without a group.
    pub(crate) const fn new(table: &'static Table) -> Front {
        Front { entry: Entry { detached: Some(table) }, group: ptr::null() }
    }
}

/// A detached task.
#[repr(C)]
pub(crate) struct Detached<W> {
    front: Front,
    work: UnsafeCell<MaybeUninit<W>>,
}

impl<W: Work<()>> Detached<W> {
    /// The memory it needs.
    pub(crate) const SHAPE: Shape = Shape::of::<Detached<W>>();
    const TABLE: &'static Table = &Table { run: Self::run, discard: Self::discard, shape: Self::SHAPE };

    /// Makes a task in a block.
    ///
    /// # Safety
    /// `place` is from a source of [`SHAPE`](Self::SHAPE), and nothing was put there since.
    #[inline(always)]
    pub(crate) unsafe fn write(place: NonNull<u8>, group: *const GroupCore, work: W) -> NonNull<Entry> {
        let front = Front { entry: Entry { detached: Some(Self::TABLE) }, group };
        // SAFETY: by contract there is room.
        unsafe { place.cast::<Self>().write(Detached { front, work: UnsafeCell::new(MaybeUninit::new(work)) }) };
        place.cast()
    }

    /// # Safety
    /// The task is this thread's alone; it is a `Detached<W>`, and only its memory is left after.
    unsafe fn take_work(task: NonNull<Entry>) -> W {
        let task = task.cast::<Self>();
        // SAFETY: by contract nobody else reads or writes it, now or later.
        unsafe {
            let work = task.as_ref().work.with_mut(|work| (*work).assume_init_read());
            task.drop_in_place();
            work
        }
    }

    /// # Safety
    /// As [`take_work`](Self::take_work).
    unsafe fn run(task: NonNull<Entry>, worker: &Worker) -> Result<()> {
        // SAFETY: by contract.
        let work = unsafe { Self::take_work(task) };
        catch_unwind(AssertUnwindSafe(|| work.run(worker))).unwrap_or_else(|payload| {
            let error = panic_error(&payload);
            drop_quietly(payload);
            Err(error)
        })
    }

    /// # Safety
    /// As [`take_work`](Self::take_work).
    unsafe fn discard(task: NonNull<Entry>) {
        // SAFETY: by contract.
        drop_quietly(unsafe { Self::take_work(task) });
    }
}

/// A detached task that came out of the queue.
#[derive(Debug)]
pub(crate) struct Taken {
    entry: NonNull<Entry>,
    table: &'static Table,
    from: Destination,
}

impl Taken {
    /// # Safety
    /// The caller took the entry out of a queue, or never put it into one, and gives it to the result; the table is its own.
    pub(crate) unsafe fn adopt(entry: NonNull<Entry>, table: &'static Table, from: Destination) -> Taken {
        Taken { entry, table, from }
    }

    /// Where it lay, or was to lie.
    pub(crate) fn from(&self) -> Destination {
        self.from
    }

    /// Runs the task; it is counted off when the worker pays its dues.
    ///
    /// # Safety
    /// The pool is alive: this thread is a worker of it, or keeps it alive otherwise until the dues are paid.
    pub(crate) unsafe fn run(self, worker: &Worker) {
        let (core, dues) = (worker.core(), worker.dues());
        // SAFETY: the task is this thread's, and begins with its front.
        let group = unsafe { self.entry.cast::<Front>().as_ref() }.group;
        if dues.group.get() != group {
            dues.pay(core);
            dues.group.set(group);
        }
        let span = worker.begin_span(Kind::Task);
        // SAFETY: taken once, and the table fits.
        let outcome = unsafe { (self.table.run)(self.entry, worker) };
        worker.end_span(span, Kind::Task);
        worker.counters().executed.add(1);
        if let Err(error) = outcome {
            // SAFETY: the group lives until the task is counted off.
            if let Some(group) = unsafe { group.as_ref() } {
                group.first_failure.offer(error);
            }
        }
        // Whatever was run inside has been paid for.
        dues.group.set(group);
        // SAFETY: nobody uses the block any more, and it is of this shape.
        unsafe { core.blocks().free(self.entry.cast(), self.table.shape, &mut dues.returns.borrow_mut()) };
        dues.finished.set(dues.finished.get() + 1);
        if dues.finished.get() >= MOST_DUES {
            dues.pay(core);
        }
    }

    /// Drops the task without running it.
    ///
    /// # Safety
    /// The pool is alive.
    pub(crate) unsafe fn discard(self, core: &Core) {
        let mut returns = Returns::default();
        // SAFETY: the task is this thread's, the table fits, and nobody uses the block after.
        unsafe {
            (self.table.discard)(self.entry);
            core.blocks().free(self.entry.cast(), self.table.shape, &mut returns);
        }
        core.blocks().give_back(&mut returns);
    }
}

/// A worker pays after so many tasks.
const MOST_DUES: u32 = 64;

/// Tasks of one group that a worker has run and not counted off, and their blocks.
#[derive(Debug)]
pub(crate) struct Dues {
    group: Cell<*const GroupCore>,
    finished: Cell<u32>,
    returns: RefCell<Returns>,
}

impl Dues {
    /// None.
    pub(crate) fn new() -> Dues {
        Dues { group: Cell::new(ptr::null()), finished: Cell::new(0), returns: RefCell::default() }
    }

    /// Sends the blocks home and counts the tasks off.
    #[inline]
    pub(crate) fn pay(&self, core: &Core) {
        if self.finished.get() != 0 {
            self.pay_some(core);
        }
    }

    fn pay_some(&self, core: &Core) {
        let finished = self.finished.replace(0);
        core.blocks().give_back(&mut self.returns.borrow_mut());
        // SAFETY: a group lives until its tasks are counted off.
        if let Some(group) = unsafe { self.group.get().as_ref() } {
            group.finish(core, finished);
        }
        // The last touch of the pool, which may go from here on unless this is one of its workers.
        core.shutdown().finish(finished).wake_blocked();
    }
}

/// Made tasks on their way into the queue. What is left when this is dropped is dropped unrun.
pub(crate) struct Batch<'c, const N: usize> {
    core: &'c Core,
    entries: [MaybeUninit<NonNull<Entry>>; N],
    begin: usize,
    end: usize,
    to: Destination,
}

impl<'c, const N: usize> Batch<'c, N> {
    /// An empty one, of tasks that go to one place.
    #[inline(always)]
    pub(crate) fn new(core: &'c Core, to: Destination) -> Batch<'c, N> {
        Batch { core, entries: [const { MaybeUninit::uninit() }; N], begin: 0, end: 0, to }
    }

    /// Where its tasks go.
    #[inline(always)]
    pub(crate) fn to(&self) -> Destination {
        self.to
    }

    /// Whether there is no room for another.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.end == N
    }

    /// Adds a task. There is room.
    ///
    /// # Safety
    /// The task is of this pool, in a block of its own, and in no queue.
    #[inline(always)]
    pub(crate) unsafe fn add(&mut self, entry: NonNull<Entry>) {
        self.entries[self.end].write(entry);
        self.end += 1;
    }

    /// What is left, oldest first.
    #[inline(always)]
    pub(crate) fn left(&self) -> &[NonNull<Entry>] {
        let left = &self.entries[self.begin..self.end];
        // SAFETY: those between begin and end are written.
        unsafe { core::slice::from_raw_parts(left.as_ptr().cast(), left.len()) }
    }

    /// Leaves the oldest to the queue.
    #[inline(always)]
    pub(crate) fn pushed(&mut self, count: usize) {
        self.begin += count;
    }

    /// The oldest, to be run at once.
    pub(crate) fn next(&mut self) -> Option<Taken> {
        let entry = *self.left().first()?;
        self.begin += 1;
        // SAFETY: it was in no queue, and its table is its own.
        unsafe { entry.as_ref().detached.map(|table| Taken::adopt(entry, table, self.to)) }
    }
}

impl<const N: usize> Drop for Batch<'_, N> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.begin != self.end {
            while let Some(task) = self.next() {
                // SAFETY: the pool outlives this.
                unsafe { task.discard(self.core) };
            }
        }
    }
}
