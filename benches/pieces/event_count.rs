//! The event count where it costs most often: a notification that finds nobody asleep.

use criterion::Criterion;
use std::hint::black_box;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::event_count::EventCount;

fn nobody_asleep(c: &mut Criterion) {
    for workers in [2, 64] {
        let sleep = EventCount::new(Allocator::SYSTEM, workers).expect("an event count");
        c.bench_function(&format!("event count/notify, {workers} workers, nobody asleep"), |b| {
            b.iter(|| sleep.notify_one(black_box(0)));
        });
        assert!(sleep.try_begin_search(), "nobody else searches");
        c.bench_function(&format!("event count/notify, {workers} workers, one searching"), |b| {
            b.iter(|| sleep.notify_one(black_box(0)));
        });
    }
}

fn a_search(c: &mut Criterion) {
    let sleep = EventCount::new(Allocator::SYSTEM, 2).expect("an event count");
    c.bench_function("event count/begin and end a search", |b| {
        b.iter(|| {
            assert!(sleep.try_begin_search());
            sleep.end_search(black_box(0), || false);
        });
    });
}

pub(crate) fn all(c: &mut Criterion) {
    nobody_asleep(c);
    a_search(c);
}
