//! The protocols under shuttle.
#![allow(unreachable_pub)]

mod deque;
#[path = "../loom/deque_machine.rs"]
mod deque_machine;
mod graph;
mod latches;
mod linearizability;
#[path = "../zoo/mpmc.rs"]
mod mpmc;
mod pool;
mod queue;
#[path = "../loom/queue_machine.rs"]
mod queue_machine;
mod roster;
mod schedules;
#[path = "../zoo/steal_deque.rs"]
mod steal_deque;
#[path = "../zoo/wrong_deque.rs"]
mod wrong_deque;
#[path = "../zoo/wrong_queue.rs"]
mod wrong_queue;
