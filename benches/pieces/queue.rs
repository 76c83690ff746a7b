//! The inbox: one thread pushing and popping, and with a second thread that pushes and pops at another shard's end.

use criterion::Criterion;
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::protocol::sharded::ShardedQueue;

const CAPACITY: usize = 1024;

fn one_shard(c: &mut Criterion) {
    let shard = Shard::new(Allocator::SYSTEM, CAPACITY).expect("a shard");
    let mut number = 0u64;
    let element = NonNull::from(&mut number);
    c.bench_function("queue/push and pop", |b| {
        b.iter(|| {
            shard.push(black_box(element)).expect("there is room");
            shard.pop()
        });
    });
    c.bench_function("queue/pop from an empty one", |b| b.iter(|| black_box(shard.pop())));
}

fn beside_a_neighbour(c: &mut Criterion) {
    let queue = ShardedQueue::new(Allocator::SYSTEM, 2, CAPACITY).expect("a queue");
    let stop = AtomicBool::new(false);
    let mut number = 0u64;
    let element = NonNull::from(&mut number);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0u64;
            let element = NonNull::from(&mut number);
            while !stop.load(Ordering::Relaxed) {
                queue.push(1, element).expect("there is room");
                black_box(queue.pop(1));
            }
        });
        c.bench_function("queue/push and pop beside a busy shard", |b| {
            b.iter(|| {
                queue.push(0, black_box(element)).expect("there is room");
                queue.pop(0)
            });
        });
        stop.store(true, Ordering::Relaxed);
    });
}

pub(crate) fn all(c: &mut Criterion) {
    one_shard(c);
    beside_a_neighbour(c);
}
