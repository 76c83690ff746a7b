//! What a queue of many producers and consumers is to the models: a trait, the real queues behind it, and a watch which
//! judges every operation. The wrong queues of `wrong_queue.rs` stand behind the same trait.

use core::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, Ordering::Relaxed};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::protocol::sharded::ShardedQueue;
use vgpu_pool::sync::{AtomicU32, RELAXED, Site, UnsafeCell, fence};

#[cfg(feature = "loom")]
use loom::thread;
#[cfg(feature = "shuttle")]
use shuttle::thread;

/// A queue of numbers from 1 upwards. `home` is where a sharded one starts to look.
pub trait Mpmc: Send + Sync + 'static {
    /// Adds; `false` when full.
    fn push(&self, home: usize, element: usize) -> bool;
    /// Adds this element and the next, as many as there is room for; says how many.
    fn push_two(&self, home: usize, element: usize) -> usize {
        [element, element + 1].into_iter().take_while(|&element| self.push(home, element)).count()
    }
    /// Takes.
    fn pop(&self, home: usize) -> Option<usize>;
    /// Whether there is reason not to sleep.
    fn has_work(&self) -> bool;
}

fn word(element: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(element)).expect("elements are numbered from 1")
}

impl Mpmc for Shard<u8> {
    fn push(&self, _home: usize, element: usize) -> bool {
        Shard::push(self, word(element)).is_ok()
    }
    fn push_two(&self, _home: usize, element: usize) -> usize {
        Shard::push_many(self, &[word(element), word(element + 1)])
    }
    fn pop(&self, _home: usize) -> Option<usize> {
        Shard::pop(self).map(|word| word.as_ptr().addr())
    }
    fn has_work(&self) -> bool {
        Shard::has_work(self)
    }
}

impl Mpmc for ShardedQueue<u8> {
    fn push(&self, home: usize, element: usize) -> bool {
        ShardedQueue::push(self, home, word(element)).is_ok()
    }
    fn push_two(&self, home: usize, element: usize) -> usize {
        ShardedQueue::push_many(self, home, &[word(element), word(element + 1)])
    }
    fn pop(&self, home: usize) -> Option<usize> {
        ShardedQueue::pop(self, home).map(|word| word.as_ptr().addr())
    }
    fn has_work(&self) -> bool {
        ShardedQueue::has_work(self)
    }
}

/// Who does what: `[prefix_]before|thread[_thread...]`.
///
/// `u` is a push, `b` a push of two together, and `o` a pop; what stands before `|` happens before the threads start. Prefixes: `s2_` two shards of
/// capacity 2, thread `i` at home in shard `i & 1`; `c4_` one shard of capacity 4; none: one shard of capacity 2. Elements
/// are numbered in the order in which the pushes are written.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub shards: usize,
    pub capacity: usize,
    pub before: String,
    pub threads: Vec<String>,
}

impl Scenario {
    pub fn parse(name: &str) -> Scenario {
        let mut parts = name.split('_').peekable();
        let prefix = parts.next_if(|part| ["s2", "c4"].contains(part)).unwrap_or("");
        let (shards, capacity) = match prefix {
            "s2" => (2, 2),
            "c4" => (1, 4),
            _ => (1, 2),
        };
        let rest = parts.collect::<Vec<_>>().join("_");
        let (before, threads) = rest.split_once('|').unwrap_or(("", &rest));
        Scenario { shards, capacity, before: before.into(), threads: threads.split('_').map(String::from).collect() }
    }

    /// The real queue, sized for this.
    pub fn shard(&self) -> Shard<u8> {
        Shard::new(Allocator::SYSTEM, self.capacity).unwrap()
    }

    /// The real queue of several shards.
    pub fn sharded(&self) -> ShardedQueue<u8> {
        ShardedQueue::new(Allocator::SYSTEM, self.shards, self.capacity).unwrap()
    }

    fn pushes(operations: &str) -> usize {
        operations.matches('u').count() + 2 * operations.matches('b').count()
    }

    /// The number before the first that thread `which` pushes.
    pub fn first_element(&self, which: usize) -> usize {
        Self::pushes(&self.before) + self.threads[..which].iter().map(|thread| Self::pushes(thread)).sum::<usize>()
    }
}

/// Which thread the first is. loom treats the first thread of a model differently enough to try both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    FirstOnMain,
    AllSpawned,
}

/// A queue and what is known about its elements. The counters are plain atomics of `std`, which the checkers do not see.
struct Watch<Q> {
    queue: Q,
    capacity: usize,
    /// Whether one producer's elements come out in order.
    ordered: bool,
    /// Elements that are there before the threads start.
    floor: usize,
    /// The task behind element `i + 1`: written before its push, emptied by whoever takes it. loom sees a race.
    payload: Vec<UnsafeCell<usize>>,
    /// Who pushed element `i + 1`, plus one; 0 when it was not accepted.
    pushed_by: Vec<AtomicUsize>,
    taken: Vec<AtomicUsize>,
    pushes_begun: AtomicUsize,
    pops_begun: AtomicUsize,
}

// SAFETY: the cells are what the model is about: whoever takes an element has its cell alone, or the queue is wrong.
unsafe impl<Q: Send> Send for Watch<Q> {}
// SAFETY: as above.
unsafe impl<Q: Sync> Sync for Watch<Q> {}

/// One thread's end.
struct Party<Q> {
    watch: Arc<Watch<Q>>,
    home: usize,
    next: usize,
    /// Elements which this thread knows to be gone.
    popped: usize,
    /// Of the watch's pops, this thread's own.
    pops_begun: usize,
    /// The newest element seen of each producer.
    newest: Vec<usize>,
}

impl<Q: Mpmc> Party<Q> {
    fn push(&mut self) -> usize {
        self.next += 1;
        let (watch, element) = (&self.watch, self.next);
        watch.pushes_begun.fetch_add(1, Relaxed);
        watch.pushed_by[element - 1].store(self.home + 1, Relaxed);
        // SAFETY: nobody can know of this element before it is pushed.
        watch.payload[element - 1].with_mut(|task| unsafe { *task = element + 100 });
        if watch.queue.push(self.home, element) {
            return element;
        }
        watch.pushed_by[element - 1].store(0, Relaxed);
        // A pop by another that is not over holds its slot, and so hides the free ones behind it.
        let other_pops = watch.pops_begun.load(Relaxed) - self.pops_begun;
        let claimed = watch.pushes_begun.load(Relaxed) - 1 - self.popped;
        let full = claimed >= watch.capacity || other_pops > 0;
        assert!(full, "spurious full: {claimed} of {} places were claimed", watch.capacity);
        0
    }

    fn push_two(&mut self) -> usize {
        let (watch, first) = (&self.watch, self.next + 1);
        self.next += 2;
        watch.pushes_begun.fetch_add(2, Relaxed);
        for element in [first, first + 1] {
            watch.pushed_by[element - 1].store(self.home + 1, Relaxed);
            // SAFETY: nobody can know of this element before it is pushed.
            watch.payload[element - 1].with_mut(|task| unsafe { *task = element + 100 });
        }
        let pushed = watch.queue.push_two(self.home, first);
        for element in first + pushed..first + 2 {
            watch.pushed_by[element - 1].store(0, Relaxed);
        }
        let other_pops = watch.pops_begun.load(Relaxed) - self.pops_begun;
        let claimed = watch.pushes_begun.load(Relaxed) - (2 - pushed) - self.popped;
        let full = pushed == 2 || claimed >= watch.capacity || other_pops > 0;
        assert!(full, "spurious full: {claimed} of {} places were claimed", watch.capacity);
        pushed
    }

    fn pop(&mut self) -> usize {
        self.watch.pops_begun.fetch_add(1, Relaxed);
        self.pops_begun += 1;
        let Some(element) = self.watch.queue.pop(self.home) else {
            let begun = self.watch.pops_begun.load(Relaxed) - 1;
            let floor = self.watch.floor;
            assert!(begun >= floor, "spurious empty: {floor} were there, {begun} other pops had begun");
            return 0;
        };
        let watch = &self.watch;
        assert!((1..=watch.payload.len()).contains(&element), "{element} was never pushed");
        let producer = watch.pushed_by[element - 1].load(Relaxed);
        assert_ne!(producer, 0, "{element} was not accepted, and yet it came out");
        assert_eq!(watch.taken[element - 1].fetch_add(1, Relaxed), 0, "{element} was taken twice");
        watch.payload[element - 1].with_mut(|task| {
            // SAFETY: the element was taken once, so its task is this thread's alone.
            let task = unsafe { task.replace(0) };
            assert_eq!(task, element + 100, "the task behind {element} is not visible");
        });
        let newest = &mut self.newest[producer - 1];
        assert!(!watch.ordered || element > *newest, "{element} came out after {newest} of the same producer");
        *newest = element;
        self.popped += 1;
        element
    }

    fn run(&mut self, operations: &str) -> Vec<usize> {
        let mut digits = vec![];
        for operation in operations.chars() {
            // A scheduling point for the checker, see `Owner::pauses` in `steal_deque.rs`.
            fence(RELAXED);
            digits.push(match operation {
                'u' => self.push(),
                'b' => self.push_two(),
                'o' => self.pop(),
                _ => unreachable!("no such operation"),
            });
        }
        digits
    }
}

/// Runs a scenario once under the checker at hand and returns the digits of its outcome, thread by thread, one for each
/// operation after `|`: the element that a push added or a pop took, 0 when it was refused or found nothing, and how many of
/// two were added.
pub fn run<Q: Mpmc>(queue: Q, scenario: &Scenario, layout: Layout) -> Vec<usize> {
    let threads = &scenario.threads;
    let elements = scenario.first_element(threads.len());
    let floor = Scenario::pushes(&scenario.before) - scenario.before.matches('o').count();
    let counters = || (0..elements).map(|_| AtomicUsize::new(0)).collect();
    let watch = Arc::new(Watch {
        queue,
        capacity: scenario.capacity * scenario.shards,
        ordered: scenario.shards == 1,
        floor,
        payload: (0..elements).map(|_| UnsafeCell::new(0)).collect(),
        pushed_by: counters(),
        taken: counters(),
        pushes_begun: AtomicUsize::new(0),
        pops_begun: AtomicUsize::new(0),
    });
    let party = |home: usize, next: usize, popped: usize| Party {
        watch: watch.clone(),
        home,
        next,
        popped,
        pops_begun: 0,
        newest: vec![0; threads.len() + 1],
    };
    // The thread that sets up and clears away counts as a producer of its own; it is at home in shard 0.
    let setup = |popped: usize| party(threads.len(), 0, popped);
    let popped = scenario.before.matches('o').count();
    setup(0).run(&scenario.before);
    watch.pops_begun.store(0, Relaxed);
    let start = |which: usize| party(which, scenario.first_element(which), popped);
    let first_spawned = usize::from(layout == Layout::FirstOnMain);
    let handles: Vec<_> = (first_spawned..threads.len())
        .map(|which| {
            let (mut party, operations) = (start(which), threads[which].clone());
            thread::spawn(move || party.run(&operations))
        })
        .collect();
    let mut digits = vec![];
    if layout == Layout::FirstOnMain {
        digits.extend(start(0).run(&threads[0]));
    }
    digits.extend(handles.into_iter().flat_map(|handle| handle.join().unwrap()));
    let mut rest = setup(popped);
    while rest.pop() != 0 {}
    for i in 0..elements {
        let accepted = usize::from(watch.pushed_by[i].load(Relaxed) != 0);
        assert_eq!(watch.taken[i].load(Relaxed), accepted, "{}: takings (left), accepted pushes (right)", i + 1);
    }
    digits
}

/// Between the announcement of a sleeper and its last look, and between a push and the producer's look for sleepers.
pub const AGAINST_SLEEP: Site = Site::new("model.AGAINST_SLEEP", Ordering::SeqCst, "the look follows the announcement");

/// A thread that is about to sleep announces it and looks for work once more; every producer pushes once and looks for
/// sleepers. Somebody must notice: there was work, or a producer saw the sleeper. With `robbed`, an element is there from
/// the start and another thread takes one, so that the sleeper may look at a slot that has moved on.
///
/// The digits: whether the sleeper found work, then for each producer whether it saw the sleeper.
pub fn run_sleeper<Q: Mpmc>(queue: Q, producers: usize, robbed: bool) -> Vec<usize> {
    let shared = Arc::new((queue, AtomicU32::new(0)));
    if robbed {
        assert!(shared.0.push(0, 9));
    }
    // Pauses: see `Owner::pauses` in `steal_deque.rs`.
    let handles: Vec<_> = (0..producers)
        .map(|which| {
            let shared = shared.clone();
            thread::spawn(move || {
                fence(RELAXED);
                assert!(shared.0.push(which, which + 1), "there is room for every push");
                fence(AGAINST_SLEEP);
                shared.1.load(RELAXED) as usize
            })
        })
        .collect();
    let robber = robbed.then(|| {
        let shared = shared.clone();
        thread::spawn(move || {
            fence(RELAXED);
            assert!(shared.0.pop(0).is_some(), "an element was there");
        })
    });
    let sleeper = thread::spawn({
        let shared = shared.clone();
        move || {
            fence(RELAXED);
            shared.1.store(1, RELAXED);
            fence(AGAINST_SLEEP);
            usize::from(shared.0.has_work())
        }
    });
    let mut digits = vec![sleeper.join().unwrap()];
    digits.extend(handles.into_iter().map(|handle| handle.join().unwrap()));
    robber.into_iter().for_each(|handle| handle.join().unwrap());
    assert!(digits.contains(&1), "a sleeper and the work for it have missed each other");
    digits
}

/// The digits as one number with a leading 1.
pub fn outcome(digits: &[usize]) -> u64 {
    digits.iter().fold(1, |number, &digit| number * 10 + digit as u64)
}
