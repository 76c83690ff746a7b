//! The protocols of one word under shuttle: parker, completion, countdown, task state, first and shutdown, with more threads
//! than loom can take. The queues have files of their own, and the event count runs as part of the pool.

use crate::schedules::verify;
use shuttle::thread::{self, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vgpu_pool::protocol::completion::{Callback, Completion, Registered};
use vgpu_pool::protocol::countdown::Countdown;
use vgpu_pool::protocol::first::First;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::protocol::shutdown::Shutdown;
use vgpu_pool::protocol::task_state::TaskState;

/// Schedules that each model gets from each scheduler.
const SCHEDULES: usize = 2_000;

fn spawn<T: Send + Sync + 'static>(shared: &Arc<T>, action: impl FnOnce(&T) + Send + 'static) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || action(&shared))
}

fn join(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_permit_is_never_lost() {
    verify("parker", SCHEDULES, || {
        let shared = Arc::new((Parker::new(), AtomicUsize::new(0)));
        let mut threads = vec![];
        for _ in 0..4 {
            threads.push(spawn(&shared, |(parker, given)| {
                given.fetch_add(1, Relaxed);
                parker.unpark();
            }));
        }
        // Each permit is announced by a number, so whoever sleeps before the last number would sleep for ever.
        while shared.1.load(Relaxed) < 4 {
            shared.0.park(None);
        }
        join(threads);
    });
}

#[test]
fn everybody_who_waits_for_an_outcome_gets_it() {
    verify("completion", SCHEDULES, || {
        let shared = Arc::new((Completion::<usize>::new(), AtomicUsize::new(0)));
        let mut threads = vec![];
        for _ in 0..3 {
            threads.push(spawn(&shared, |(completion, _)| {
                assert!(completion.wait(None));
                // SAFETY: waited for, and nobody takes it.
                assert_eq!(unsafe { completion.peek(|value| *value) }, 42);
            }));
        }
        for _ in 0..2 {
            threads.push(spawn(&shared, |(completion, calls)| {
                unsafe fn call(calls: *mut ()) {
                    // SAFETY: the counter lives until all threads are joined.
                    unsafe { &*calls.cast::<AtomicUsize>() }.fetch_add(1, Relaxed);
                }
                let callback = Callback { call, data: std::ptr::from_ref(calls).cast_mut().cast() };
                // SAFETY: the storage lives until all threads are joined.
                match unsafe { completion.register_callback(callback) } {
                    // SAFETY: not called by the setter.
                    Registered::TooLate => unsafe { (callback.call)(callback.data) },
                    Registered::Left => {}
                    // The other one's stands for both.
                    Registered::Occupied => {}
                }
            }));
        }
        // SAFETY: set once.
        let wakeups = unsafe { shared.0.set(42) };
        wakeups.wake_blocked();
        if wakeups.has_callback() {
            // SAFETY: announced, and taken once.
            let callback = unsafe { shared.0.take_callback() }.unwrap();
            // SAFETY: as the registrar vouched.
            unsafe { (callback.call)(callback.data) };
        }
        join(threads);
        assert_eq!(shared.1.load(Relaxed), 1);
    });
}

#[test]
fn a_count_is_zero_when_all_have_finished() {
    verify("countdown", SCHEDULES, || {
        let shared = Arc::new((Countdown::new(), AtomicUsize::new(0)));
        shared.0.add(1, false).unwrap();
        let mut threads = vec![];
        for _ in 0..3 {
            threads.push(spawn(&shared, |(countdown, left)| {
                // Refused, or counted before the one outside the loop lets go.
                if countdown.add(2, false).is_ok() {
                    for _ in 0..2 {
                        left.fetch_add(1, Relaxed);
                        countdown.finish(1).wake_blocked();
                    }
                }
            }));
        }
        for _ in 0..2 {
            threads.push(spawn(&shared, |(countdown, _)| assert!(countdown.wait(None))));
        }
        shared.0.close();
        shared.0.finish(1).wake_blocked();
        assert!(shared.0.wait(None));
        let seen = shared.1.load(Relaxed);
        assert!(shared.0.is_closed() && seen.is_multiple_of(2));
        join(threads);
        // What was refused after the zero never finished anything.
        assert_eq!(shared.1.load(Relaxed), seen);
    });
}

#[test]
fn a_task_is_started_or_cancelled_by_one_and_freed_by_one() {
    verify("task state", SCHEDULES, || {
        // Four references and the owner of the storage.
        let shared = Arc::new((TaskState::new(5, 0), AtomicUsize::new(0), AtomicUsize::new(0)));
        let mut threads = vec![];
        for i in 0..4 {
            threads.push(spawn(&shared, move |(state, claims, uses)| {
                if if i % 2 == 0 { state.start() } else { state.cancel() } {
                    claims.fetch_add(1, Relaxed);
                }
                uses.fetch_add(1, Relaxed);
                let released = state.release();
                assert!(!released.is_last());
                released.wake_owner();
            }));
        }
        shared.0.wait_until_sole();
        assert_eq!(shared.1.load(Relaxed), 1);
        assert_eq!(shared.2.load(Relaxed), 4);
        assert!(shared.0.release().is_last());
        join(threads);
    });
}

#[test]
fn one_offer_is_kept() {
    verify("first", SCHEDULES, || {
        let shared = Arc::new((First::new(), Countdown::new()));
        shared.1.add(4, false).unwrap();
        let threads = (1..=4)
            .map(|offer| {
                spawn(&shared, move |(first, done)| {
                    first.offer(offer);
                    assert!(first.is_taken());
                    done.finish(1).wake_blocked();
                })
            })
            .collect();
        assert!(shared.1.wait(None));
        // SAFETY: all who offer have finished.
        let kept = unsafe { shared.0.take() }.unwrap();
        assert!((1..=4).contains(&kept));
        join(threads);
    });
}

#[test]
fn the_gate_closes_once_and_after_everybody() {
    verify("shutdown", SCHEDULES, || {
        let shared = Arc::new((Shutdown::new(), AtomicUsize::new(0), AtomicUsize::new(0)));
        let mut threads = vec![];
        for _ in 0..3 {
            threads.push(spawn(&shared, |(gate, accepted, finished)| {
                if gate.accept_visit(1).is_ok() {
                    accepted.fetch_add(1, Relaxed);
                    assert!(!gate.is_terminated());
                    // A task that submits another, which is allowed behind the closed gate too.
                    gate.accept_inside(1).unwrap();
                    gate.leave().wake_blocked();
                    assert!(!gate.is_terminated());
                    gate.finish(1).wake_blocked();
                    finished.fetch_add(1, Relaxed);
                    gate.finish(1).wake_blocked();
                }
            }));
        }
        let closers = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let (shared, closers) = (shared.clone(), closers.clone());
            threads.push(thread::spawn(move || {
                if shared.0.close() {
                    closers.fetch_add(1, Relaxed);
                    assert!(shared.0.in_flight().wait(None));
                    assert_eq!(shared.1.load(Relaxed), shared.2.load(Relaxed));
                    shared.0.terminate();
                }
            }));
        }
        join(threads);
        assert!(shared.0.is_terminated());
        assert_eq!(closers.load(Relaxed), 1);
    });
}
