//! The deque and the queue on real threads: ten million operations, every element taken exactly once.
//!
//! `VGPU_SOAK=<operations>` asks for another number; `make soak` runs 10^9.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use core::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::deque::{Deque, Steal};
use vgpu_pool::protocol::sharded::ShardedQueue;

/// Elements in flight at once are told apart by their number within a round of this many.
const ROUND: usize = 1 << 20;

fn operations() -> usize {
    std::env::var("VGPU_SOAK").map_or(10_000_000, |value| value.parse().expect("VGPU_SOAK is a number of operations"))
}

fn word(element: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(element + 1)).expect("not zero")
}

/// One byte an element: how often it was taken.
struct Tally(Vec<AtomicU8>);

impl Tally {
    fn new(elements: usize) -> Tally {
        Tally((0..elements).map(|_| AtomicU8::new(0)).collect())
    }
    fn take(&self, word: NonNull<u8>) {
        let element = word.as_ptr().addr() - 1;
        assert_eq!(self.0[element].fetch_add(1, Relaxed), 0, "{element} was taken twice");
    }
    fn check(&self) {
        let missing = self.0.iter().position(|taken| taken.load(Relaxed) != 1);
        assert_eq!(missing, None, "the first element that was lost");
    }
}

/// Raised when a thread leaves, by the end of its work or by a failed assertion, so that the others do not wait for ever.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A cheap generator: the schedule need not be random, only not regular.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn thief(deque: &Deque<u8>, tally: &Tally, over: &AtomicBool, stolen: &AtomicUsize) {
    let (mut newest, mut got) = (None, 0);
    loop {
        // Read before the steal: what is there when the owner has finished must be taken.
        let last = over.load(Relaxed);
        match deque.steal() {
            Steal::Got(word) => {
                assert!(Some(word) > newest, "a thief got an older element after a newer one");
                newest = Some(word);
                tally.take(word);
                got += 1;
            }
            Steal::Empty if last => break,
            Steal::Empty | Steal::Lost => std::hint::spin_loop(),
        }
    }
    stolen.fetch_add(got, Relaxed);
}

/// The owner pushes in bursts and pops in bursts, around the sizes at which the deque grows, is full and is empty.
fn deque_round(round: u64, elements: usize, thieves: usize) -> usize {
    let (capacity, max_capacity) = [(1, 1 << 12), (2, 2), (64, 64), (1, 1)][round as usize % 4];
    let deque = Deque::<u8>::new(Allocator::SYSTEM, capacity, max_capacity).unwrap();
    let (tally, over, stolen) = (Tally::new(elements), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thieves {
            scope.spawn(|| thief(&deque, &tally, &over, &stolen));
        }
        let _over = Raise(&over);
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ round);
        let mut next = 0;
        // SAFETY: this thread is the owner.
        unsafe {
            while next < elements {
                for _ in 0..dice.roll(12) {
                    if next < elements && deque.push(word(next)).is_ok() {
                        next += 1;
                    }
                }
                for _ in 0..dice.roll(10) {
                    deque.pop().into_iter().for_each(|word| tally.take(word));
                }
            }
            while let Some(word) = deque.pop() {
                tally.take(word);
            }
        }
    });
    tally.check();
    stolen.load(Relaxed)
}

#[test]
fn every_element_of_the_deque_is_taken_once() {
    // A push and a removal for each element.
    let (mut left, mut round, mut stolen, start) = (operations() / 2, 0, 0, Instant::now());
    while left > 0 {
        let elements = left.min(ROUND);
        stolen += deque_round(round, elements, 3);
        left -= elements;
        round += 1;
    }
    println!("deque: {} operations, {stolen} stolen, {:.1} s", operations(), start.elapsed().as_secs_f64());
}

fn queue_round(round: u64, elements: usize) {
    const PRODUCERS: usize = 2;
    let (shards, capacity) = [(1, 2), (2, 64), (4, 2), (1, 1024)][round as usize % 4];
    let queue = ShardedQueue::<u8>::new(Allocator::SYSTEM, shards, capacity).unwrap();
    let (tally, left, over) = (Tally::new(elements), AtomicUsize::new(elements), AtomicBool::new(false));
    thread::scope(|scope| {
        let (queue, tally, left, over) = (&queue, &tally, &left, &over);
        for producer in 0..PRODUCERS {
            scope.spawn(move || {
                for element in (producer..elements).step_by(PRODUCERS) {
                    while queue.push(producer, word(element)).is_err() {
                        // Room is made as long as there are consumers.
                        if over.load(Relaxed) {
                            return;
                        }
                        thread::yield_now();
                    }
                }
            });
        }
        for consumer in 0..2 {
            scope.spawn(move || {
                // The newest of each producer. With one shard it may only rise.
                let mut newest = [0; PRODUCERS];
                let _over = Raise(over);
                while left.load(Relaxed) > 0 && !over.load(Relaxed) {
                    let Some(word) = queue.pop(consumer) else {
                        thread::yield_now();
                        continue;
                    };
                    tally.take(word);
                    left.fetch_sub(1, Relaxed);
                    let number = word.as_ptr().addr();
                    let before = std::mem::replace(&mut newest[(number - 1) % PRODUCERS], number);
                    assert!(shards > 1 || number > before, "{number} came out after {before} of the same producer");
                }
            });
        }
    });
    tally.check();
    assert!(!queue.has_work());
}

#[test]
fn every_element_of_the_queue_is_taken_once() {
    let (mut left, mut round, start) = (operations() / 2, 0, Instant::now());
    while left > 0 {
        let elements = left.min(ROUND);
        queue_round(round, elements);
        left -= elements;
        round += 1;
    }
    println!("queue: {} operations, {:.1} s", operations(), start.elapsed().as_secs_f64());
}
