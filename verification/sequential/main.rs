//! Random programs of operations on one thread, against the plainest thing that can be right: a `VecDeque`.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod overtaking;

use core::ptr::{self, NonNull};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::VecDeque;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::deque::{Deque, Steal};
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::protocol::sharded::ShardedQueue;

const PROGRAMS: u64 = 3_000;

fn word(i: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(i + 1)).expect("not zero")
}

fn power_of_two(g: &mut Gen, from: u32, to: u32) -> usize {
    1 << (from + u32::arbitrary(g) % (to - from + 1))
}

/// Runs longer than quickcheck's own sizes, so that buffers grow and rings come round.
fn long<T: Arbitrary>(g: &mut Gen) -> Vec<T> {
    (0..usize::arbitrary(g) % 400).map(|_| T::arbitrary(g)).collect()
}

fn shorter<T: Clone + 'static>(all: &[T]) -> Vec<Vec<T>> {
    let halves = [all[..all.len() / 2].to_vec(), all[all.len() / 2..].to_vec()];
    let without_one = (0..all.len()).map(|i| [&all[..i], &all[i + 1..]].concat());
    halves.into_iter().chain(without_one).filter(|program| program.len() < all.len()).collect()
}

#[derive(Clone, Copy, Debug)]
enum DequeOperation {
    Push,
    Pop,
    Steal,
}

impl Arbitrary for DequeOperation {
    fn arbitrary(g: &mut Gen) -> DequeOperation {
        *g.choose(&[Self::Push, Self::Push, Self::Push, Self::Pop, Self::Steal]).expect("not empty")
    }
}

#[derive(Clone, Debug)]
struct DequeProgram {
    capacity: usize,
    max_capacity: usize,
    operations: Vec<DequeOperation>,
}

impl Arbitrary for DequeProgram {
    fn arbitrary(g: &mut Gen) -> DequeProgram {
        let capacity = power_of_two(g, 0, 3);
        DequeProgram { capacity, max_capacity: capacity * power_of_two(g, 0, 4), operations: long(g) }
    }
    fn shrink(&self) -> Box<dyn Iterator<Item = DequeProgram>> {
        let program = self.clone();
        Box::new(shorter(&self.operations).into_iter().map(move |operations| DequeProgram { operations, ..program }))
    }
}

fn deque_agrees(program: DequeProgram) -> bool {
    let deque = Deque::<u8>::new(Allocator::SYSTEM, program.capacity, program.max_capacity).unwrap();
    let mut model = VecDeque::new();
    program.operations.iter().enumerate().all(|(i, operation)| {
        // SAFETY: this thread is the owner.
        let same = unsafe {
            match operation {
                DequeOperation::Push => {
                    let room = model.len() < program.max_capacity;
                    if room {
                        model.push_back(word(i));
                    }
                    deque.push(word(i)).is_ok() == room
                }
                DequeOperation::Pop => deque.pop() == model.pop_back(),
                DequeOperation::Steal => deque.steal() == model.pop_front().map_or(Steal::Empty, Steal::Got),
            }
        };
        same && deque.len() == model.len() && deque.is_empty() == model.is_empty()
    })
}

#[test]
fn the_deque_is_a_deque() {
    QuickCheck::new().tests(PROGRAMS).quickcheck(deque_agrees as fn(DequeProgram) -> bool);
}

#[derive(Clone, Debug)]
struct QueueProgram {
    shards: usize,
    capacity: usize,
    /// Whether to push, and the shard the thread is at home in.
    operations: Vec<(bool, u8)>,
}

impl Arbitrary for QueueProgram {
    fn arbitrary(g: &mut Gen) -> QueueProgram {
        QueueProgram {
            shards: 1 + usize::arbitrary(g) % 4,
            capacity: power_of_two(g, 1, 4),
            operations: long::<(u8, u8)>(g).into_iter().map(|(kind, home)| (kind % 5 < 3, home)).collect(),
        }
    }
    fn shrink(&self) -> Box<dyn Iterator<Item = QueueProgram>> {
        let program = self.clone();
        Box::new(shorter(&self.operations).into_iter().map(move |operations| QueueProgram { operations, ..program }))
    }
}

fn shard_agrees(program: QueueProgram) -> bool {
    let shard = Shard::<u8>::new(Allocator::SYSTEM, program.capacity).unwrap();
    let mut model = VecDeque::new();
    program.operations.iter().enumerate().all(|(i, &(push, _))| {
        let same = if push {
            let room = model.len() < program.capacity;
            if room {
                model.push_back(word(i));
            }
            shard.push(word(i)) == if room { Ok(()) } else { Err(word(i)) }
        } else {
            shard.pop() == model.pop_front()
        };
        same && shard.len() == model.len() && shard.has_work() != model.is_empty()
    })
}

#[test]
fn a_shard_is_a_queue() {
    QuickCheck::new().tests(PROGRAMS).quickcheck(shard_agrees as fn(QueueProgram) -> bool);
}

fn sharded_agrees(program: QueueProgram) -> bool {
    let queue = ShardedQueue::<u8>::new(Allocator::SYSTEM, program.shards, program.capacity).unwrap();
    let mut model = vec![VecDeque::new(); program.shards];
    program.operations.iter().enumerate().all(|(i, &(push, home))| {
        let home = home as usize;
        let mut order = (0..program.shards).map(|step| (home + step) % program.shards);
        let same = if push {
            let with_room = order.find(|&shard| model[shard].len() < program.capacity);
            if let Some(shard) = with_room {
                model[shard].push_back(word(i));
            }
            queue.push(home, word(i)) == with_room.map(|_| ()).ok_or(word(i))
        } else {
            queue.pop(home) == order.find_map(|shard| model[shard].pop_front())
        };
        same && queue.has_work() == model.iter().any(|shard| !shard.is_empty())
    })
}

#[test]
fn shards_spill_into_each_other() {
    QuickCheck::new().tests(PROGRAMS).quickcheck(sharded_agrees as fn(QueueProgram) -> bool);
}
