//! Loops in which a thread from outside takes part: the code of `src/parallel/crew.rs` over a core on threads of the model.

use crate::fork_stack::{Place, dawdle, with_pool};
use crate::model::Model;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use vgpu_pool::parallel::crew::for_each_with_caller;
use vgpu_pool::pool::core::Core;
use vgpu_pool::protocol::completion::Completion;

/// A loop of two indices, of which each writes a place on the caller's stack. Says whose seats they had: of the first index, and twice that of
/// the second.
fn two_indices<const SLOW: bool>(core: &Core, members: usize) -> u64 {
    let seat_of = [Place::new(), Place::new()];
    for_each_with_caller(core, members, 2, &|seat, i: usize| {
        if SLOW && seat != 0 {
            // Long enough for the caller to be done, and to have looked for the end of this in vain.
            dawdle();
        }
        seat_of[i].write(1 + seat as u64);
        Ok(())
    })
    .unwrap();
    let [first, second] = seat_of.map(|place| place.read());
    assert!(first != 0 && second != 0, "each index was run");
    first - 1 + 2 * (second - 1)
}

/// The caller and one worker.
///
/// Outcomes: the caller ran both, each its own, the worker both.
const LOOP: Model = Model {
    group: "crew",
    name: "a caller and a worker",
    threads: 2,
    operations: 4,
    bound: 2,
    outcomes: &[0, 2, 3],
    run: &a_loop::<false>,
};
fn a_loop<const SLOW: bool>() -> u64 {
    with_pool(1, |core| two_indices::<SLOW>(core, 2))
}

/// The same with a worker so slow that the caller has to wait for its call.
///
/// Outcomes: the caller ran both, or each its own.
const SLOW: Model = Model { name: "a caller and a slow worker", outcomes: &[0, 2], run: &a_loop::<true>, ..LOOP };

#[test]
fn a_loop_with_its_caller_ends_when_all_calls_have() {
    LOOP.verify();
    SLOW.verify();
}

/// The only worker is busy until the loop is done.
///
/// One outcome: the caller ran both.
const BUSY: Model = Model { name: "a caller and a worker who is busy", bound: 1, outcomes: &[0], run: &busy, ..LOOP };
fn busy() -> u64 {
    with_pool(1, |core| {
        let done = Arc::new(Completion::new());
        let awaited = done.clone();
        let task = core.try_submit(move |_| Ok(awaited.wait(None))).unwrap();
        let outcome = two_indices::<false>(core, 2);
        // SAFETY: nobody else sets it.
        unsafe { done.set(()) }.wake_blocked();
        assert!(task.get().unwrap());
        outcome
    })
}

#[test]
fn a_loop_with_its_caller_waits_for_nobody_who_is_busy_elsewhere() {
    BUSY.verify();
}

/// The caller's call panics, while the worker is perhaps in the middle of another.
///
/// Outcomes: how many the worker ran.
const PANIC: Model = Model { name: "a caller that panics and a worker", outcomes: &[0, 1, 2], run: &panic, ..LOOP };
fn panic() -> u64 {
    with_pool(1, |core| {
        let ran = [Place::new(), Place::new()];
        let loop_with_caller = || {
            for_each_with_caller(core, 2, 2, &|seat, i: usize| {
                if seat == 0 {
                    resume_unwind(Box::new("as asked"));
                }
                ran[i].write(1);
                Ok(())
            })
        };
        let panicked = catch_unwind(AssertUnwindSafe(loop_with_caller)).is_err();
        let count = ran.iter().map(Place::read).sum();
        assert_eq!(panicked, count < 2, "the caller panics unless the worker leaves it nothing");
        count
    })
}

#[test]
fn a_caller_that_panics_leaves_no_call_running() {
    PANIC.verify();
}
