//! What a work-stealing deque is to the models: a trait, the real deque behind it, and a watch which judges every
//! operation. The wrong deques of `wrong_deque.rs` stand behind the same trait and run through the same models.

use core::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::deque::Deque;
pub use vgpu_pool::protocol::deque::Steal;
use vgpu_pool::sync::{RELAXED, UnsafeCell, fence};

#[cfg(feature = "loom")]
use loom::thread;
#[cfg(feature = "shuttle")]
use shuttle::thread;

/// A deque of numbers from 1 upwards.
pub trait StealDeque: Send + Sync + 'static {
    /// Adds at the bottom; `false` when full.
    ///
    /// # Safety
    /// The calling thread is the owner.
    unsafe fn push(&self, element: usize) -> bool;
    /// Takes from the bottom.
    ///
    /// # Safety
    /// The calling thread is the owner.
    unsafe fn pop(&self) -> Option<usize>;
    /// Takes from the top. A thief of batches puts what it got besides into `more`, oldest first.
    fn steal(&self, more: &mut Vec<usize>) -> Steal<usize>;
}

impl StealDeque for Deque<u8> {
    unsafe fn push(&self, element: usize) -> bool {
        let word = NonNull::new(ptr::without_provenance_mut(element)).expect("elements are numbered from 1");
        // SAFETY: the caller is the owner.
        unsafe { Deque::push(self, word) }.is_ok()
    }
    unsafe fn pop(&self) -> Option<usize> {
        // SAFETY: the caller is the owner.
        unsafe { Deque::pop(self) }.map(|word| word.as_ptr().addr())
    }
    fn steal(&self, _more: &mut Vec<usize>) -> Steal<usize> {
        match Deque::steal(self) {
            Steal::Got(word) => Steal::Got(word.as_ptr().addr()),
            Steal::Empty => Steal::Empty,
            Steal::Lost => Steal::Lost,
        }
    }
}

/// The real deque, sized for a scenario.
pub fn real(scenario: &Scenario) -> Deque<u8> {
    Deque::new(Allocator::SYSTEM, scenario.capacity, scenario.max_capacity).unwrap()
}

/// Who does what: `[prefix_]before|owner_thief[_thief2]`.
///
/// `u` is a push and `o` a pop; what stands before `|` happens before the thieves start; a number is how often that thief
/// tries to steal. Prefixes: `g_` capacity 2, growing to 4; `g1_` capacity 1, growing to 4; `w_` capacity 2, bounded; `w1_`
/// capacity 1, bounded; none: capacity 8, more than any of these scenarios pushes.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub capacity: usize,
    pub max_capacity: usize,
    pub before: String,
    pub owner: String,
    pub thieves: Vec<usize>,
}

impl Scenario {
    pub fn parse(name: &str) -> Scenario {
        let mut parts = name.split('_').peekable();
        let prefix = parts.next_if(|part| ["g", "g1", "w", "w1"].contains(part)).unwrap_or("");
        let (capacity, max_capacity) = match prefix {
            "g" => (2, 4),
            "g1" => (1, 4),
            "w" => (2, 2),
            "w1" => (1, 1),
            _ => (8, 8),
        };
        let operations = parts.next().expect("a scenario names the owner's operations");
        let (before, owner) = operations.split_once('|').unwrap_or(("", operations));
        let thieves = parts.map(|steals| steals.parse().expect("a thief is a number of steals")).collect();
        Scenario { capacity, max_capacity, before: before.into(), owner: owner.into(), thieves }
    }

    fn pushes(&self) -> usize {
        self.before.matches('u').count() + self.owner.matches('u').count()
    }
}

/// Which thread the owner is. loom treats the first thread of a model differently enough to try both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    OwnerOnMain,
    OwnerSpawned,
}

/// A deque and what is known about its elements, which the operations are judged by. The counters are plain atomics of
/// `std`: the checkers do not see them, so they neither order nor interleave anything.
struct Watch<D> {
    deque: D,
    /// The job behind element `i + 1`: written before its push, emptied by whoever takes it. loom sees a race.
    payload: Vec<UnsafeCell<usize>>,
    taken: Vec<AtomicUsize>,
    stolen: Vec<AtomicBool>,
    /// Pops begun and steals done.
    removals: AtomicUsize,
}

// SAFETY: the cells are what the model is about: whoever takes an element has its cell alone, or the deque is wrong.
unsafe impl<D: Send> Send for Watch<D> {}
// SAFETY: as above.
unsafe impl<D: Sync> Sync for Watch<D> {}

impl<D> Watch<D> {
    fn take(&self, element: usize, by_thief: bool) {
        assert!((1..=self.payload.len()).contains(&element), "{element} was never pushed");
        let i = element - 1;
        assert_eq!(self.taken[i].fetch_add(1, Relaxed), 0, "{element} was taken twice");
        self.stolen[i].store(by_thief, Relaxed);
        self.payload[i].with_mut(|job| {
            // SAFETY: the element was taken once, so its job is this thread's alone.
            let job = unsafe { job.replace(0) };
            assert_eq!(job, element + 100, "the job behind {element} is not visible");
        });
    }
}

/// The owner's end.
pub struct Owner<D> {
    watch: Arc<Watch<D>>,
    capacity: usize,
    pushed: usize,
    /// Pushed and, as far as the owner knows, still there.
    present: Vec<usize>,
    /// What was present when a pop came back with nothing: all of it must have been stolen.
    missed: Vec<usize>,
    /// Whether to offer the checker a scheduling point before each operation: a fence that orders nothing. Without it,
    /// stock loom does not interrupt a first thread that starts with loads, and misses half of the outcomes.
    pauses: bool,
}

impl<D: StealDeque> Owner<D> {
    fn new(deque: D, scenario: &Scenario) -> Owner<D> {
        let n = scenario.pushes();
        let watch = Watch {
            deque,
            payload: (0..n).map(|_| UnsafeCell::new(0)).collect(),
            taken: (0..n).map(|_| AtomicUsize::new(0)).collect(),
            stolen: (0..n).map(|_| AtomicBool::new(false)).collect(),
            removals: AtomicUsize::new(0),
        };
        let capacity = scenario.max_capacity;
        Owner { watch: Arc::new(watch), capacity, pushed: 0, present: vec![], missed: vec![], pauses: false }
    }

    fn push(&mut self) {
        let element = self.pushed + 1;
        let payload = &self.watch.payload[self.pushed];
        // SAFETY: nobody can know of this element before it is pushed.
        payload.with_mut(|job| unsafe { *job = element + 100 });
        // SAFETY: there is one `Owner`, and this is it.
        if unsafe { self.watch.deque.push(element) } {
            self.pushed += 1;
            self.present.push(element);
        } else {
            assert!(self.present.len() >= self.capacity, "spurious full: at most {} present", self.present.len());
        }
    }

    fn pop(&mut self) -> usize {
        self.watch.removals.fetch_add(1, Relaxed);
        // SAFETY: there is one `Owner`, and this is it.
        let Some(element) = (unsafe { self.watch.deque.pop() }) else {
            self.missed.append(&mut self.present);
            return 0;
        };
        self.watch.take(element, false);
        assert_eq!(self.present.pop(), Some(element), "the owner's pop (left) did not take the newest (right)");
        element
    }

    fn run(&mut self, operations: &str) -> Vec<usize> {
        let mut popped = vec![];
        for operation in operations.chars() {
            if self.pauses {
                fence(RELAXED);
            }
            match operation {
                'u' => self.push(),
                'o' => popped.push(self.pop()),
                _ => unreachable!("no such operation"),
            }
        }
        popped
    }

    /// Takes what is left, after which every element must have been taken once.
    fn finish(mut self) {
        while self.pop() != 0 {}
        for i in 0..self.pushed {
            assert_eq!(self.watch.taken[i].load(Relaxed), 1, "{} was lost", i + 1);
        }
        for &element in &self.missed {
            let stolen = self.watch.stolen[element - 1].load(Relaxed);
            assert!(stolen, "a pop found nothing while {element} was there");
        }
    }
}

/// A thief, which knows that `floor` elements were there before it started.
struct Thief<D> {
    watch: Arc<Watch<D>>,
    floor: usize,
    newest: usize,
    got: usize,
    lost: usize,
}

impl<D: StealDeque> Thief<D> {
    fn got(&mut self, element: usize) {
        self.watch.removals.fetch_add(1, Relaxed);
        assert!(element > self.newest, "a thief got {element} after {}", self.newest);
        self.newest = element;
        self.got += 1;
        self.watch.take(element, true);
    }

    /// One digit of the outcome.
    fn steal(&mut self) -> usize {
        let mut more = vec![];
        match self.watch.deque.steal(&mut more) {
            Steal::Got(element) => {
                self.got(element);
                more.into_iter().for_each(|element| self.got(element));
                element
            }
            Steal::Empty => {
                let removals = self.watch.removals.load(Relaxed);
                assert!(removals >= self.floor, "spurious empty: {} were there, {removals} removals", self.floor);
                0
            }
            Steal::Lost => {
                let others = self.watch.removals.load(Relaxed) - self.got;
                assert!(others > self.lost, "spurious loss number {}: {others} removals by others", self.lost + 1);
                self.lost += 1;
                9
            }
        }
    }
}

/// Runs a scenario once under the checker at hand and returns the digits of its outcome: the owner's pops, then each
/// thief's steals. 0: nothing there, 9: lost.
pub fn run<D: StealDeque>(deque: D, scenario: &Scenario, layout: Layout) -> Vec<usize> {
    let mut owner = Owner::new(deque, scenario);
    let mut digits = owner.run(&scenario.before);
    let floor = owner.present.len();
    let thieves: Vec<_> = scenario
        .thieves
        .iter()
        .map(|&steals| {
            let mut thief = Thief { watch: owner.watch.clone(), floor, newest: 0, got: 0, lost: 0 };
            thread::spawn(move || (0..steals).map(|_| thief.steal()).collect::<Vec<_>>())
        })
        .collect();
    let operations = scenario.owner.clone();
    owner.pauses = layout == Layout::OwnerOnMain;
    let join = |thief: thread::JoinHandle<Vec<usize>>| thief.join().unwrap();
    let stolen: Vec<usize>;
    match layout {
        Layout::OwnerOnMain => {
            digits.extend(owner.run(&operations));
            stolen = thieves.into_iter().flat_map(join).collect();
        }
        Layout::OwnerSpawned => {
            let spawned = thread::spawn(move || (owner.run(&operations), owner));
            stolen = thieves.into_iter().flat_map(join).collect();
            let (popped, back) = spawned.join().unwrap();
            digits.extend(popped);
            owner = back;
        }
    }
    digits.extend(stolen);
    owner.finish();
    digits
}

/// The digits as one number with a leading 1, as golden.md writes outcomes.
pub fn outcome(digits: &[usize]) -> u64 {
    digits.iter().fold(1, |number, &digit| number * 10 + digit as u64)
}
