//! A place for a task: where its work lies while it waits, and who runs it.
//!
//! A place is one block for the whole life of a task. While the task runs, its work has been moved out to the worker's stack,
//! so that the place has room for what the task hands on. Hence handing over allocates nothing, unless the work is large.

use super::joint::Joint;
use crate::error::{Error, Result};
use crate::os::alloc::Owned;
use crate::pool::detached::{Entry, Front, Table};
use crate::pool::task::{drop_quietly, panic_error};
use crate::pool::worker::Worker;
use crate::sync::UnsafeCell;
use core::cell::Cell;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Work of up to so many words lies in the place itself; room for more is allocated.
const ROOM: usize = 8;

/// The work of one stage of a task: what it does in one micropool.
pub(crate) trait Stage: Send {
    /// Does it.
    fn run(self, task: MicropoolTask<'_>) -> Result<()>;
    /// Called instead when it is not done.
    fn discard(self);
}

impl<F: FnOnce(MicropoolTask<'_>) -> Result<()> + Send> Stage for F {
    fn run(self, task: MicropoolTask<'_>) -> Result<()> {
        self(task)
    }
    fn discard(self) {}
}

/// How to deal with the work in a place.
#[derive(Clone, Copy, Debug)]
struct Kind {
    run: unsafe fn(&Place, MicropoolTask<'_>) -> Result<()>,
    discard: unsafe fn(&Place),
}

#[derive(Debug)]
struct Contents {
    kind: Option<Kind>,
    /// Where the task goes on when its running stage is over.
    onward: Option<usize>,
    room: MaybeUninit<[usize; ROOM]>,
}

/// A place for a task.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Place {
    front: Front,
    /// Where the place is kept when it is free.
    home: usize,
    joint: Cell<*const Joint>,
    contents: UnsafeCell<Contents>,
}

// SAFETY: a place is used by whoever has taken it out of a queue, one thread at a time.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

static TABLE: Table = Table::of_kept::<Place>(Place::run, Place::discard_entry);

impl Place {
    /// A free place of this micropool.
    pub(super) fn new(home: usize) -> Place {
        let contents = Contents { kind: None, onward: None, room: MaybeUninit::uninit() };
        Place { front: Front::new(&TABLE), home, joint: Cell::new(ptr::null()), contents: UnsafeCell::new(contents) }
    }

    /// Makes it one of this joint, before anybody uses it.
    pub(super) fn join(&self, joint: &Joint) {
        self.joint.set(joint);
    }

    pub(super) fn home(&self) -> usize {
        self.home
    }

    fn joint(&self) -> &Joint {
        // SAFETY: the places are the joint's.
        unsafe { &*self.joint.get() }
    }

    /// Puts work into the place. It comes back when there is no memory for it.
    ///
    /// # Safety
    /// The place is the caller's alone and has no work in it.
    pub(super) unsafe fn put<S: Stage + 'static>(&self, work: S) -> core::result::Result<(), (Error, S)> {
        let kind = if fits::<S>() {
            // SAFETY: by contract the place is ours, and the work fits.
            self.contents.with_mut(|contents| unsafe { (&raw mut (*contents).room).cast::<S>().write(work) });
            Kind { run: Place::run_here::<S>, discard: Place::discard_here::<S> }
        } else {
            let mut room = match Owned::new_with(self.joint().allocator(), MaybeUninit::<S>::uninit) {
                Ok(room) => room,
                Err(error) => return Err((error, work)),
            };
            room.write(work);
            let address = Owned::into_raw(room);
            // SAFETY: as above; a pointer fits.
            self.contents.with_mut(|contents| unsafe {
                (&raw mut (*contents).room).cast::<NonNull<MaybeUninit<S>>>().write(address)
            });
            Kind { run: Place::run_boxed::<S>, discard: Place::discard_boxed::<S> }
        };
        // SAFETY: as above.
        self.contents.with_mut(|contents| unsafe { (*contents).kind = Some(kind) });
        Ok(())
    }

    /// # Safety
    /// The place is the caller's alone, and such work lies in it, which is gone after.
    unsafe fn take_here<S>(&self) -> S {
        // SAFETY: by contract.
        self.contents.with_mut(|contents| unsafe {
            (*contents).kind = None;
            (&raw const (*contents).room).cast::<S>().read()
        })
    }

    /// # Safety
    /// As [`take_here`](Self::take_here), for work that needed room of its own.
    unsafe fn take_boxed<S>(&self) -> S {
        // SAFETY: by contract the address of the work is what lies here, and nobody else has it.
        unsafe {
            let room: NonNull<MaybeUninit<S>> = self.take_here();
            let work = room.as_ref().assume_init_read();
            drop(Owned::from_raw(self.joint().allocator(), room));
            work
        }
    }

    unsafe fn run_here<S: Stage>(&self, task: MicropoolTask<'_>) -> Result<()> {
        // SAFETY: called for such work alone.
        unsafe { self.take_here::<S>() }.run(task)
    }

    unsafe fn run_boxed<S: Stage>(&self, task: MicropoolTask<'_>) -> Result<()> {
        // SAFETY: as above.
        unsafe { self.take_boxed::<S>() }.run(task)
    }

    unsafe fn discard_here<S: Stage>(&self) {
        // SAFETY: as above.
        unsafe { self.take_here::<S>() }.discard();
    }

    unsafe fn discard_boxed<S: Stage>(&self) {
        // SAFETY: as above.
        unsafe { self.take_boxed::<S>() }.discard();
    }

    /// Drops the work in the place, if there is some.
    ///
    /// # Safety
    /// The place is the caller's alone.
    pub(super) unsafe fn clear(&self) {
        // SAFETY: by contract.
        let kind = self.contents.with_mut(|contents| unsafe {
            (*contents).onward = None;
            (*contents).kind
        });
        if let Some(kind) = kind {
            // SAFETY: the kind is that of the work.
            let discard = || unsafe { (kind.discard)(self) };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(discard)) {
                drop_quietly(payload);
            }
        }
    }

    /// Runs the task that a worker took out of its pool's inbox.
    ///
    /// # Safety
    /// `entry` begins a place, which is the caller's alone; it is not after.
    unsafe fn run(entry: NonNull<Entry>, worker: &Worker) -> Result<()> {
        let place = entry.cast::<Place>();
        // SAFETY: by contract, and what was queued has work in it.
        let (joint, outcome, onward) = unsafe {
            let here = place.as_ref();
            let kind = here.contents.with(|contents| (*contents).kind);
            let task = MicropoolTask { worker, place: here };
            let stage = || kind.map_or(Ok(()), |kind| (kind.run)(here, task));
            let outcome = catch_unwind(AssertUnwindSafe(stage)).unwrap_or_else(|payload| {
                let error = panic_error(&payload);
                drop_quietly(payload);
                Err(error)
            });
            let onward = here.contents.with_mut(|contents| (*contents).onward.take());
            (here.joint.get(), outcome, onward)
        };
        // SAFETY: the joint outlives its pools' workers; the place is given away.
        unsafe { (*joint).settle(place, outcome, onward) };
        // What went wrong is told there.
        Ok(())
    }

    unsafe fn discard_entry(entry: NonNull<Entry>) {
        // SAFETY: by contract the place is the caller's.
        unsafe { entry.cast::<Place>().as_ref().clear() };
    }
}

const fn fits<S>() -> bool {
    mem::size_of::<S>() <= mem::size_of::<[usize; ROOM]>() && mem::align_of::<S>() <= mem::align_of::<usize>()
}

/// A running task of a set of micropools, as it sees itself.
#[derive(Debug)]
pub struct MicropoolTask<'t> {
    worker: &'t Worker,
    place: &'t Place,
}

impl<'t> MicropoolTask<'t> {
    /// The worker that runs it. What is forked there is run in this micropool.
    pub fn worker(&self) -> &'t Worker {
        self.worker
    }

    /// The number of the micropool in which it runs.
    pub fn micropool(&self) -> usize {
        self.place.joint().of_core(self.worker.core())
    }

    /// Says how the task goes on: when its running stage has returned, `next` is queued in micropool `to`, behind what is queued
    /// there. The task keeps its place in the set, so this never waits, and never fails for want of room in the other's queue.
    ///
    /// If the running stage fails after all, `next` is dropped.
    ///
    /// Errors, with the task and `next` handed back: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a number
    /// that no micropool has; [`OutOfMemory`](crate::error::Status::OutOfMemory), which only work larger than 64 bytes can meet.
    pub fn hand_over<F>(self, to: usize, next: F) -> core::result::Result<(), (Error, Self, F)>
    where
        F: FnOnce(MicropoolTask<'_>) -> Result<()> + Send + 'static,
    {
        self.hand_over_stage(to, next)
    }

    pub(crate) fn hand_over_stage<S: Stage + 'static>(
        self,
        to: usize,
        next: S,
    ) -> core::result::Result<(), (Error, Self, S)> {
        if let Err(error) = self.place.joint().check(to) {
            return Err((error, self, next));
        }
        // SAFETY: a running task's place is its worker's, and its work was moved out. This consumes the only handle.
        match unsafe { self.place.put(next) } {
            Ok(()) => {
                // SAFETY: as above.
                self.place.contents.with_mut(|contents| unsafe { (*contents).onward = Some(to) });
                Ok(())
            }
            Err((error, next)) => Err((error, self, next)),
        }
    }

    /// Submits another task to the set. It does not wait for room, whatever the set was told: those who would make it may wait for
    /// this task.
    ///
    /// Errors: as [`Micropools::submit`](super::Micropools::submit).
    pub fn submit<F>(&self, to: usize, task: F) -> Result<()>
    where
        F: FnOnce(MicropoolTask<'_>) -> Result<()> + Send + 'static,
    {
        self.place.joint().submit(to, task)
    }

    #[cfg(feature = "capi")]
    pub(crate) fn check(&self, to: usize) -> Result<()> {
        self.place.joint().check(to)
    }
}
