//! The protocols under loom. `cargo test --features loom -- --nocapture` prints what each model explored, which model kills
//! each weakening of each ordering site, and which one catches each wrong design.
#![allow(unreachable_pub)]

mod arrivals;
mod budget;
mod completion;
mod countdown;
mod crew;
mod deque;
mod deque_machine;
mod deque_zoo;
mod door;
mod event_count;
mod event_log;
mod explore;
mod first;
mod fold;
#[path = "../zoo/fork_frames.rs"]
mod fork_frames;
mod fork_stack;
mod free_list;
#[path = "../zoo/full_lines.rs"]
mod full_lines;
mod graph;
#[path = "../zoo/graph_counts.rs"]
mod graph_counts;
mod handover;
mod last_helper;
#[path = "../zoo/latch_claims.rs"]
mod latch_claims;
#[path = "../zoo/latch_counts.rs"]
mod latch_counts;
#[path = "../zoo/latch_waiters.rs"]
mod latch_waiters;
mod lazy_start;
mod lend;
mod maker;
mod micropools;
mod model;
#[path = "../zoo/mpmc.rs"]
mod mpmc;
mod parker;
mod policies;
mod pool;
mod queue;
mod queue_machine;
mod queue_zoo;
mod reserve;
mod roster;
mod run_gate;
mod run_queue;
mod shares;
mod shedding;
mod shutdown;
#[path = "../zoo/shutdown_leaving.rs"]
mod shutdown_leaving;
mod sites;
#[path = "../zoo/sleep_flags.rs"]
mod sleep_flags;
#[path = "../zoo/sleep_rules.rs"]
mod sleep_rules;
#[path = "../zoo/sleep_searchers.rs"]
mod sleep_searchers;
#[path = "../zoo/steal_deque.rs"]
mod steal_deque;
mod storage;
mod task_state;
#[path = "../worker_loop.rs"]
mod worker_loop;
#[path = "../zoo/wrong_deque.rs"]
mod wrong_deque;
#[path = "../zoo/wrong_doors.rs"]
mod wrong_doors;
#[path = "../zoo/wrong_homes.rs"]
mod wrong_homes;
#[path = "../zoo/wrong_log.rs"]
mod wrong_log;
#[path = "../zoo/wrong_queue.rs"]
mod wrong_queue;
#[path = "../zoo/wrong_run_queue.rs"]
mod wrong_run_queue;
