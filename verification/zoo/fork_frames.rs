//! Forks whose left side panics. What the fork put on its frame may still be in use by a thief.

use crate::model::{Model, tells_apart};
use crate::storage::Storage;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::completion::Completion;
use vgpu_pool::protocol::deque::{Deque, Steal};

/// The right way: the frame goes when the right side was taken back, or is done.
const RIGHT: u8 = 0;
/// The panic goes on at once.
const LEAVES_AT_ONCE: u8 = 1;
/// The panic goes on when the right side was taken back or, so it is thought, has been run: it was taken.
const LEAVES_WHEN_TAKEN: u8 = 2;
/// The thief says that it is done when it begins.
const DONE_TOO_EARLY: u8 = 3;
/// A right side that panics is caught outside of what says that it is done.
const CATCHES_OUTSIDE: u8 = 4;

/// What a fork leaves on its frame: the right side, which here is all that is there to do, and whether it is done.
struct Frame {
    done: Completion<()>,
    right: Completion<()>,
}

impl Frame {
    fn new() -> Frame {
        Frame { done: Completion::new(), right: Completion::new() }
    }

    /// The right side, which panics when it has done what it was there for.
    fn right(&self) {
        // SAFETY: run once; loom says when not.
        unsafe { self.right.set(()) }.wake_blocked();
        // Without the message that a panic prints.
        resume_unwind(Box::new("as asked"))
    }

    fn is_done(&self) {
        // SAFETY: once.
        unsafe { self.done.set(()) }.wake_blocked();
    }

    fn run_by_thief(&self, design: u8) {
        match design {
            DONE_TOO_EARLY => {
                self.is_done();
                let _ = catch_unwind(AssertUnwindSafe(|| self.right()));
            }
            CATCHES_OUTSIDE => {
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    self.right();
                    self.is_done();
                }));
            }
            _ => {
                let _ = catch_unwind(AssertUnwindSafe(|| self.right()));
                self.is_done();
            }
        }
    }
}

/// The worker forks, its left side panics, and the frame is used for something else.
fn fork<const DESIGN: u8>(deque: &Deque<Storage<Frame>>, storage: &Storage<Frame>) -> u64 {
    // SAFETY: this thread is the owner.
    unsafe { deque.push(NonNull::from(storage)) }.unwrap();
    let left = catch_unwind(|| resume_unwind(Box::new("as asked")));
    assert!(left.is_err());
    // SAFETY: as above.
    let stolen = DESIGN == LEAVES_AT_ONCE || unsafe { deque.pop() }.is_none();
    if stolen && DESIGN != LEAVES_AT_ONCE && DESIGN != LEAVES_WHEN_TAKEN {
        storage.get().done.wait(None);
    }
    // A look that changes nothing, but is a reason for loom to stop the thief before it uses the frame.
    let _ = storage.get().done.is_done();
    storage.reuse(Frame::new());
    u64::from(stolen)
}

/// A fork whose both sides panic, and a thief.
///
/// Outcomes: the right side was taken back (0), or stolen (1).
const fn both_panic<const DESIGN: u8>() -> Model {
    Model {
        group: "fork",
        name: "fork, steal, panic",
        threads: 2,
        operations: 3,
        bound: 4,
        outcomes: &[0, 1],
        run: &run_both_panic::<DESIGN>,
    }
}
fn run_both_panic<const DESIGN: u8>() -> u64 {
    let deque = Arc::new(Deque::<Storage<Frame>>::new(Allocator::SYSTEM, 2, 2).unwrap());
    let storage = Storage::new(Frame::new());
    let thief = {
        let (deque, storage) = (deque.clone(), storage.clone());
        thread::spawn(move || {
            if let Steal::Got(frame) = deque.steal() {
                // SAFETY: the storage outlives its contents, which is what the model is about.
                unsafe { frame.as_ref() }.get().run_by_thief(DESIGN);
            }
            drop(storage);
        })
    };
    let worker = thread::spawn(move || fork::<DESIGN>(&deque, &storage));
    let outcome = worker.join().unwrap();
    thief.join().unwrap();
    outcome
}

fn right() -> Model {
    both_panic::<RIGHT>().of("of fork_frames.rs, without a mistake")
}

#[test]
fn a_panic_must_wait_for_the_thief() {
    tells_apart("panic leaves its fork at once", both_panic::<LEAVES_AT_ONCE>(), right());
}

#[test]
fn taken_is_not_done() {
    tells_apart("panic leaves a fork whose right side was taken", both_panic::<LEAVES_WHEN_TAKEN>(), right());
}

#[test]
fn done_is_said_last() {
    tells_apart("thief is done before it has run", both_panic::<DONE_TOO_EARLY>(), right());
}

#[test]
fn a_right_side_that_panics_is_done() {
    tells_apart("right side that panics is never done", both_panic::<CATCHES_OUTSIDE>(), right());
}
