//! A latch that is set, waited for and freed: whoever sets it must not touch it once a waiter can be back.

use crate::model::Model;
use loom::thread;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use vgpu_pool::protocol::completion::Completion;
use vgpu_pool::protocol::countdown::Countdown;
use vgpu_pool::protocol::task_state::TaskState;
use vgpu_pool::sync::UnsafeCell;

/// Storage that somebody else owns as soon as its waiter is back.
///
/// loom does not watch freed memory. But it takes the making of an atomic for an exclusive access, and complains of every
/// access by another thread with nothing to order it after. So the waiter does not free: it puts a new value in.
pub(crate) struct Storage<T>(std::cell::UnsafeCell<MaybeUninit<T>>);

// SAFETY: shared references only, and loom watches what happens behind them.
unsafe impl<T> Sync for Storage<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Storage<T> {}

impl<T> Storage<T> {
    pub(crate) fn new(value: T) -> Arc<Storage<T>> {
        Arc::new(Storage(std::cell::UnsafeCell::new(MaybeUninit::new(value))))
    }

    pub(crate) fn get(&self) -> &T {
        // SAFETY: always initialised. That nobody uses what was there before is what the models are about.
        unsafe { (*self.0.get()).assume_init_ref() }
    }

    /// The storage is used for something else.
    pub(crate) fn reuse(&self, value: T) {
        // SAFETY: as above.
        unsafe {
            ptr::drop_in_place((*self.0.get()).as_mut_ptr());
            (*self.0.get()).write(value);
        }
    }
}

/// Something that is set once and waited for.
pub(crate) trait Latch: Send + Sync + Sized + 'static {
    /// What it is, or stands for.
    const PROTOCOL: &str;
    fn new() -> Self;
    fn is_set(&self) -> bool;
    fn wait(&self);
    fn set(&self);
}

impl Latch for Completion<()> {
    const PROTOCOL: &str = "completion";
    fn new() -> Completion<()> {
        Completion::new()
    }
    fn is_set(&self) -> bool {
        self.is_done()
    }
    fn wait(&self) {
        assert!(Completion::wait(self, None));
    }
    fn set(&self) {
        // SAFETY: the models set once.
        unsafe { Completion::set(self, ()) }.wake_blocked();
    }
}

impl Latch for Countdown {
    const PROTOCOL: &str = "countdown";
    fn new() -> Countdown {
        let countdown = Countdown::new();
        countdown.add(1, false).unwrap();
        countdown
    }
    fn is_set(&self) -> bool {
        self.is_zero()
    }
    fn wait(&self) {
        assert!(Countdown::wait(self, None));
    }
    fn set(&self) {
        self.finish(1).wake_blocked();
    }
}

impl Latch for TaskState {
    const PROTOCOL: &str = "task_state";
    fn new() -> TaskState {
        TaskState::new(2, 0)
    }
    fn is_set(&self) -> bool {
        self.is_sole()
    }
    fn wait(&self) {
        self.wait_until_sole();
    }
    fn set(&self) {
        self.release().wake_owner();
    }
}

/// A latch and what is done before it is set.
struct Scene<L> {
    latch: L,
    work: UnsafeCell<u64>,
}

impl<L: Latch> Scene<L> {
    fn new() -> Scene<L> {
        Scene { latch: L::new(), work: UnsafeCell::new(0) }
    }
    fn set(&self) {
        // SAFETY: nobody looks before the latch is set; loom checks.
        self.work.with_mut(|work| unsafe { *work = 7 });
        self.latch.set();
    }
    /// Waits, and says whether there was no need to.
    fn wait(&self) -> bool {
        let early = self.latch.is_set();
        self.latch.wait();
        // SAFETY: the latch is set; loom checks.
        assert_eq!(self.work.with(|work| unsafe { *work }), 7);
        early
    }
}

/// Set against wait against free.
///
/// Outcomes: the waiter found the latch set (1), or waited (0).
pub(crate) const fn freed<L: Latch>() -> Model {
    Model {
        group: L::PROTOCOL,
        name: "set, wait, free",
        threads: 2,
        operations: 3,
        bound: 4,
        outcomes: &[0, 1],
        run: &run_freed::<L>,
    }
}
fn run_freed<L: Latch>() -> u64 {
    let storage = Storage::new(Scene::<L>::new());
    let waiter = {
        let storage = storage.clone();
        thread::spawn(move || {
            let early = storage.get().wait();
            storage.reuse(Scene::new());
            u64::from(early)
        })
    };
    let setter = thread::spawn(move || storage.get().set());
    setter.join().unwrap();
    waiter.join().unwrap()
}

/// Two threads wait for one latch.
///
/// Outcomes: each found it set or waited, independently.
pub(crate) const fn two_waiters<L: Latch>() -> Model {
    Model {
        group: L::PROTOCOL,
        name: "two waiters",
        threads: 3,
        operations: 5,
        bound: 3,
        outcomes: &[0, 1, 2, 3],
        run: &run_two_waiters::<L>,
    }
}
fn run_two_waiters<L: Latch>() -> u64 {
    let scene = Storage::new(Scene::<L>::new());
    let waiters = [1, 2].map(|number| {
        let scene = scene.clone();
        thread::spawn(move || number * u64::from(scene.get().wait()))
    });
    let setter = thread::spawn(move || scene.get().set());
    setter.join().unwrap();
    waiters.into_iter().map(|waiter| waiter.join().unwrap()).sum()
}

#[test]
fn a_completion_is_left_alone_once_it_is_done() {
    freed::<Completion<()>>().verify();
}

#[test]
fn a_countdown_is_left_alone_once_it_is_zero() {
    freed::<Countdown>().verify();
}

#[test]
fn a_task_is_left_alone_by_who_has_let_go() {
    freed::<TaskState>().verify();
}

#[test]
fn a_completion_wakes_both_waiters() {
    two_waiters::<Completion<()>>().verify();
}

#[test]
fn a_countdown_wakes_both_waiters() {
    two_waiters::<Countdown>().verify();
}
