//! The deque, one thread at a time: what its operations cost before anybody else is there.

use criterion::Criterion;
use std::hint::black_box;
use std::ptr::NonNull;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::deque::{Deque, Steal};

const CAPACITY: usize = 1024;

fn deque() -> Deque<u64> {
    Deque::new(Allocator::SYSTEM, CAPACITY, CAPACITY).expect("a deque")
}

fn push_and_pop(c: &mut Criterion) {
    let deque = deque();
    let mut number = 0u64;
    let element = NonNull::from(&mut number);
    c.bench_function("deque/push and pop", |b| {
        b.iter(|| {
            // SAFETY: this thread owns the deque.
            unsafe {
                deque.push(black_box(element)).expect("there is room");
                deque.pop()
            }
        });
    });
}

fn push_and_pop_many(c: &mut Criterion) {
    let deque = deque();
    let mut number = 0u64;
    let element = NonNull::from(&mut number);
    c.bench_function("deque/push 64, pop 64", |b| {
        b.iter(|| {
            for _ in 0..64 {
                // SAFETY: this thread owns the deque.
                unsafe { deque.push(black_box(element)).expect("there is room") };
            }
            for _ in 0..64 {
                // SAFETY: as above.
                black_box(unsafe { deque.pop() });
            }
        });
    });
}

fn push_and_steal(c: &mut Criterion) {
    let deque = deque();
    let mut number = 0u64;
    let element = NonNull::from(&mut number);
    c.bench_function("deque/push and steal", |b| {
        b.iter(|| {
            // SAFETY: this thread owns the deque.
            unsafe { deque.push(black_box(element)).expect("there is room") };
            assert!(matches!(deque.steal(), Steal::Got(_)));
        });
    });
    c.bench_function("deque/steal from an empty one", |b| b.iter(|| black_box(deque.steal())));
}

pub(crate) fn all(c: &mut Criterion) {
    push_and_pop(c);
    push_and_pop_many(c);
    push_and_steal(c);
}
