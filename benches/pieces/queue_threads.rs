//! Threads that all push and pop on one queue: ours in its shapes, beside a mutex, and crossbeam's `ArrayQueue` and `SegQueue`.
//! An iteration is a push and a pop; the time is that of all threads' iterations together, so that half of it is twice the throughput.

use criterion::{Criterion, Throughput};
use crossbeam_queue::{ArrayQueue, SegQueue};
use std::collections::VecDeque;
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::queue::Shard;
use vgpu_pool::protocol::sharded::{Dealt, ShardedQueue};

const CAPACITY: usize = 1024;
const THREADS: [usize; 4] = [1, 2, 4, 8];

/// What goes through the queues: an address.
#[derive(Clone, Copy)]
struct Element(NonNull<u64>);
// SAFETY: nobody looks at what is there.
unsafe impl Send for Element {}
// SAFETY: as above.
unsafe impl Sync for Element {}

/// Tries again until it is done: a queue may look full or empty while another thread is held up in the middle of a step.
fn persist<T>(mut step: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(done) = step() {
            return done;
        }
        thread::yield_now();
    }
}

/// So many pushes and pops, shared among the threads; each is given its number.
fn threads(count: usize, iterations: u64, both: impl Fn(usize) + Sync) -> Duration {
    let start = Barrier::new(count + 1);
    let each = iterations.div_ceil(count as u64);
    thread::scope(|scope| {
        let running: Vec<_> = (0..count)
            .map(|number| {
                let (start, both) = (&start, &both);
                scope.spawn(move || {
                    start.wait();
                    let begin = Instant::now();
                    (0..each).for_each(|_| both(number));
                    (begin, Instant::now())
                })
            })
            .collect();
        start.wait();
        let times: Vec<_> = running.into_iter().map(|thread| thread.join().expect("it does not panic")).collect();
        let first = times.iter().map(|time| time.0).min().expect("there is a thread");
        times.iter().map(|time| time.1).max().expect("there is a thread") - first
    })
}

pub(crate) fn all(c: &mut Criterion) {
    let mut number = 0u64;
    let element = Element(NonNull::from(&mut number));
    let mut group = c.benchmark_group("queue of threads");
    group.throughput(Throughput::Elements(1));
    for count in THREADS {
        let mut measure = |name: &str, both: &(dyn Fn(usize) + Sync)| {
            group.bench_function(format!("{name}, {count}"), |b| {
                b.iter_custom(|iterations| threads(count, iterations, both));
            });
        };
        let shards = count.max(2);
        let sharded = ShardedQueue::new(Allocator::SYSTEM, shards, CAPACITY).expect("a queue");
        measure("sharded, each at home", &|home| {
            let element: &Element = &element;
            persist(|| sharded.push(home, black_box(element.0)).ok());
            black_box(persist(|| sharded.pop(home)));
        });
        let dealt = Dealt::new(Allocator::SYSTEM, shards, CAPACITY).expect("a queue");
        measure("sharded, dealt", &|_| {
            let element: &Element = &element;
            persist(|| dealt.push(black_box(element.0)).ok());
            black_box(persist(|| dealt.pop()));
        });
        let shard = Shard::new(Allocator::SYSTEM, CAPACITY).expect("a queue");
        measure("one shard", &|_| {
            let element: &Element = &element;
            persist(|| shard.push(black_box(element.0)).ok());
            black_box(persist(|| shard.pop()));
        });
        let array = ArrayQueue::new(CAPACITY);
        measure("crossbeam ArrayQueue", &|_| {
            persist(|| array.push(black_box(element)).ok());
            black_box(persist(|| array.pop()));
        });
        let segments = SegQueue::new();
        measure("crossbeam SegQueue", &|_| {
            segments.push(black_box(element));
            black_box(persist(|| segments.pop()));
        });
        let mutex = Mutex::new(VecDeque::with_capacity(CAPACITY));
        measure("mutex", &|_| {
            mutex.lock().expect("nobody panics").push_back(black_box(element));
            black_box(persist(|| mutex.lock().expect("nobody panics").pop_front()));
        });
    }
    group.finish();
}
