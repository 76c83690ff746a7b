//! The checked half of `sync`: the same face over loom or shuttle. Never part of an ordinary build.

use super::{AtomicU32, FutexWait, Site};
use core::cell::Cell;
use core::sync::atomic::Ordering;
use std::sync::Mutex as StdMutex;

#[cfg(feature = "loom")]
use loom as checker;
#[cfg(not(feature = "loom"))]
use shuttle as checker;

use checker::sync::{Condvar, Mutex};

pub(super) mod atomic {
    #[cfg(feature = "loom")]
    pub(in super::super) use loom::sync::atomic::*;
    #[cfg(not(feature = "loom"))]
    pub(in super::super) use shuttle::sync::atomic::*;
}

// Both checkers run every thread of a model on one thread of the system, so these belong to the running model alone.
std::thread_local! {
    static WEAKENED: Cell<Option<(&'static str, Ordering)>> = const { Cell::new(None) };
    static SPURIOUS: Cell<bool> = const { Cell::new(false) };
}

/// Gives the site of this name another ordering in the models that this thread runs from now on; `None` undoes it.
pub fn weaken(mutant: Option<(&'static str, Ordering)>) {
    WEAKENED.with(|weakened| weakened.set(mutant));
}

/// Lets weak compare-and-exchange fail without cause, in the models that this thread runs from now on.
pub fn spurious_failures(on: bool) {
    SPURIOUS.with(|spurious| spurious.set(on));
}

pub(super) fn effective(site: &Site) -> Ordering {
    match WEAKENED.with(Cell::get) {
        Some((name, ordering)) if name == site.name => ordering,
        _ => site.ordering,
    }
}

checker::lazy_static! {
    static ref KERNEL: Kernel = Kernel::default();
    static ref FENCE_GATE: Condvar = Condvar::new();
}

/// The kernel's side of a futex: the lock of the hash bucket and the waiters in it.
#[derive(Default)]
struct Kernel {
    bucket: Mutex<Bucket>,
    changed: Condvar,
}

#[derive(Default)]
struct Bucket {
    waiters: Vec<(usize, u64)>,
    next_ticket: u64,
}

/// The checkers' condition variables never wake without cause and loom's never time out, so neither does this.
pub(super) fn futex_wait(word: &AtomicU32, expected: u32, _deadline_ns: Option<u64>) -> FutexWait {
    let mut bucket = KERNEL.bucket.lock().unwrap();
    // The kernel compares with a plain load under the bucket's lock.
    if word.0.load(Ordering::Relaxed) != expected {
        return FutexWait::Awake;
    }
    let ticket = bucket.next_ticket;
    bucket.next_ticket += 1;
    bucket.waiters.push((word as *const AtomicU32 as usize, ticket));
    while bucket.waiters.iter().any(|waiter| waiter.1 == ticket) {
        bucket = KERNEL.changed.wait(bucket).unwrap();
    }
    FutexWait::Awake
}

pub(super) fn futex_wake(word: *const AtomicU32, count: u32) {
    let mut bucket = KERNEL.bucket.lock().unwrap();
    let mut left = count;
    bucket.waiters.retain(|waiter| {
        let wake = waiter.0 == word as usize && left > 0;
        left -= u32::from(wake);
        !wake
    });
    drop(bucket);
    KERNEL.changed.notify_all();
}

pub(super) fn fence(ordering: Ordering) {
    // Nobody waits here: notifying is a scheduling point that touches no memory of the model.
    FENCE_GATE.notify_all();
    if ordering != Ordering::Relaxed {
        atomic::fence(ordering);
    }
}

pub(super) fn spin_loop() {
    checker::thread::yield_now();
}

#[cfg(feature = "loom")]
pub(super) fn fail_spuriously() -> bool {
    use std::sync::atomic::AtomicBool;
    // loom has no coin to toss. Every other attempt fails: each retry path is taken, and replays stay deterministic.
    loom::lazy_static! { static ref FAIL: AtomicBool = AtomicBool::new(false); }
    SPURIOUS.with(Cell::get) && !FAIL.fetch_xor(true, Ordering::Relaxed)
}

#[cfg(not(feature = "loom"))]
pub(super) fn fail_spuriously() -> bool {
    use shuttle::rand::Rng;
    SPURIOUS.with(Cell::get) && shuttle::rand::thread_rng().gen_bool(0.1)
}

checker::thread_local! {
    pub(super) static THREAD_SLOT: Cell<usize> = Cell::new(0);
    pub(super) static MAKER_SLOT: Cell<usize> = Cell::new(0);
}

/// The same in every execution: a model must not depend on addresses.
pub(super) fn thread_key() -> usize {
    #[cfg(feature = "loom")]
    return 0;
    #[cfg(not(feature = "loom"))]
    shuttle::current::me().into()
}

/// One round.
#[derive(Debug)]
pub(super) struct Budget {
    rounds: u32,
}

impl Budget {
    pub(super) fn new(_ns: u64) -> Budget {
        Budget { rounds: 1 }
    }
    pub(super) fn is_spent(&mut self) -> bool {
        let spent = self.rounds == 0;
        self.rounds = self.rounds.saturating_sub(1);
        spent
    }
    pub(super) fn last_ns(&self) -> u64 {
        0
    }
}

/// A cell whose accesses loom watches for races. Shuttle is sequentially consistent and does not look for races.
#[derive(Debug, Default)]
pub struct UnsafeCell<T> {
    #[cfg(feature = "loom")]
    cell: loom::cell::UnsafeCell<T>,
    #[cfg(not(feature = "loom"))]
    cell: core::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    /// A new cell.
    pub fn new(value: T) -> UnsafeCell<T> {
        #[cfg(feature = "loom")]
        let cell = loom::cell::UnsafeCell::new(value);
        #[cfg(not(feature = "loom"))]
        let cell = core::cell::UnsafeCell::new(value);
        UnsafeCell { cell }
    }
    /// Reads through a shared pointer.
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        #[cfg(feature = "loom")]
        return self.cell.with(read);
        #[cfg(not(feature = "loom"))]
        read(self.cell.get())
    }
    /// Writes through a unique pointer.
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(feature = "loom")]
        return self.cell.with_mut(write);
        #[cfg(not(feature = "loom"))]
        write(self.cell.get())
    }
}

/// A value written before it is shared and only read after: a cell, so that loom sees a read that is not ordered after.
#[derive(Debug)]
pub struct Tracked<T>(UnsafeCell<T>);

impl<T: Copy> Tracked<T> {
    /// Wraps the value.
    pub fn new(value: T) -> Tracked<T> {
        Tracked(UnsafeCell::new(value))
    }
    /// The value.
    pub fn get(&self) -> T {
        // SAFETY: nobody writes after `new`.
        self.0.with(|value| unsafe { *value })
    }
}

/// Watches one slot of a queue: a committed read must happen before the slot is written again.
///
/// A relaxed read of an atomic slot leaves no trace that loom could check. So each read makes a cell, which remembers the
/// reader's clock; a committed one is kept, and whoever writes the slot next touches the cell, at which loom complains
/// unless the read happens before the write. This sees the orderings that guard against load buffering, which loom itself
/// does not produce.
#[derive(Debug, Default)]
pub struct SlotOracle {
    committed: StdMutex<Vec<SlotRead>>,
}

/// A read that may or may not be committed.
#[derive(Debug)]
pub struct SlotRead(UnsafeCell<()>);

impl SlotOracle {
    /// A slot nobody has read.
    pub fn new() -> SlotOracle {
        SlotOracle::default()
    }
    /// This thread reads the slot.
    pub fn read(&self) -> SlotRead {
        SlotRead(UnsafeCell::new(()))
    }
    /// The read counted: this thread took the element.
    pub fn commit(&self, read: SlotRead) {
        self.committed.lock().unwrap().push(read);
    }
    /// This thread is about to write the slot.
    pub fn overwrite(&self) {
        let committed = core::mem::take(&mut *self.committed.lock().unwrap());
        for read in &committed {
            read.0.with(|_| ());
        }
    }
}
