//! What the pieces cost one at a time, where a whole program would hide it.

mod deque;
mod event_count;
mod pool;
mod queue;
mod queue_threads;
mod run_queue;

use criterion::{criterion_group, criterion_main};

criterion_group!(pieces, deque::all, queue::all, queue_threads::all, run_queue::all, event_count::all, pool::all);
criterion_main!(pieces);
