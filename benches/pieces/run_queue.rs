//! A run queue of one spawner, from which many threads take: of a fixed size, growing vertically, growing horizontally; and beside them the
//! deque, which grows vertically too. An iteration is an element, from its push until it is taken.

use criterion::{Criterion, Throughput};
use std::hint::{black_box, spin_loop};
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::deque::{Deque, Steal};
use vgpu_pool::protocol::run_queue::{Growth, RunQueue};

/// Rooms at first and at most.
const CAPACITY: usize = 256;
const LIMIT: usize = 4096;
const THIEVES: [usize; 4] = [1, 2, 4, 8];
/// What each element keeps its thief busy with, in turns of a loop: nothing, and about 100 ns.
const WORK: [u32; 2] = [0, 100];

/// What goes through the queues: an address.
#[derive(Clone, Copy)]
struct Element(NonNull<u64>);
// SAFETY: nobody looks at what is there.
unsafe impl Send for Element {}
// SAFETY: as above.
unsafe impl Sync for Element {}

/// One thread pushes so many, the others take them. A push that finds no room is tried again.
fn one_and_many(
    thieves: usize,
    work: u32,
    elements: u64,
    push: impl Fn() -> bool + Send,
    take: impl Fn(usize) -> bool + Sync,
) -> Duration {
    let start = Barrier::new(thieves + 2);
    let taken = AtomicU64::new(0);
    thread::scope(|scope| {
        let running: Vec<_> = (0..thieves)
            .map(|thief| {
                let (start, taken, take) = (&start, &taken, &take);
                scope.spawn(move || {
                    start.wait();
                    let (mut mine, mut misses, mut turn) = (0, 0u32, thief);
                    loop {
                        turn += 1;
                        if take(turn) {
                            (0..work).for_each(|i| _ = black_box(i));
                            (mine, misses) = (mine + 1, 0);
                            continue;
                        }
                        // Counted when there is nothing to do, so that counting costs the others nothing.
                        if mine != 0 {
                            taken.fetch_add(mine, Ordering::Relaxed);
                            mine = 0;
                        }
                        if taken.load(Ordering::Relaxed) == elements {
                            return Instant::now();
                        }
                        misses += 1;
                        if misses % 64 == 0 { thread::yield_now() } else { spin_loop() }
                    }
                })
            })
            .collect();
        let spawner = {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let begin = Instant::now();
                for _ in 0..elements {
                    while !push() {
                        thread::yield_now();
                    }
                }
                begin
            })
        };
        start.wait();
        let begin = spawner.join().expect("it does not panic");
        let ends = running.into_iter().map(|thread| thread.join().expect("it does not panic"));
        ends.max().expect("there is a thief") - begin
    })
}

pub(crate) fn all(c: &mut Criterion) {
    let mut number = 0u64;
    let element = Element(NonNull::from(&mut number));
    let mut group = c.benchmark_group("run queue");
    group.throughput(Throughput::Elements(1));
    let queues = [
        ("fixed", LIMIT, Growth::Vertical),
        ("vertical", CAPACITY, Growth::Vertical),
        ("horizontal", CAPACITY, Growth::Horizontal),
    ];
    for (thieves, work) in THIEVES.into_iter().flat_map(|thieves| WORK.map(|work| (thieves, work))) {
        for (name, capacity, growth) in queues {
            group.bench_function(format!("{name}, {thieves} thieves, {work} of work"), |b| {
                b.iter_custom(|elements| {
                    // A new one each time: growing is part of it.
                    let queue = RunQueue::new(Allocator::SYSTEM, capacity, LIMIT, growth).expect("a queue");
                    let push = || {
                        let element: &Element = &element;
                        queue.push(black_box(element.0)).is_ok()
                    };
                    one_and_many(thieves, work, elements, push, |turn| queue.pop(turn).is_some())
                });
            });
        }
        group.bench_function(format!("deque, {thieves} thieves, {work} of work"), |b| {
            b.iter_custom(|elements| {
                let deque = Deque::new(Allocator::SYSTEM, CAPACITY, LIMIT).expect("a deque");
                let push = || {
                    let element: &Element = &element;
                    // SAFETY: one thread pushes, which owns the deque for as long as this lasts.
                    unsafe { deque.push(black_box(element.0)) }.is_ok()
                };
                one_and_many(thieves, work, elements, push, |_| matches!(deque.steal(), Steal::Got(_)))
            });
        });
    }
    group.finish();
}
