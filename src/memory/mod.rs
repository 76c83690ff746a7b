//! Memory whose place matters: on a named NUMA node, spread over all of them, or pinned for a GPU near one.
//!
//! | file | what it does |
//! |---|---|
//! | [`node`] | pages on a node, or spread over all nodes; asked for, placed, checked, given back |
//! | [`first_touch`] | writes pages from threads that run on a node, which is what places them |
//! | [`report`] | asks the kernel where pages are |
//! | [`plot`] | a worker's own memory on its node: its deques and task blocks |
//! | [`numa_pool`] | a thread for each node, started on first use, that allocates for whoever asks |
//! | [`tiers`] | a fast node first, then other nodes, then files on disk |
//! | [`cuda`] | pinned host memory through the CUDA driver, if there is one |
//! | [`gpu`] | the node a GPU is at |
//!
//! # How a page gets to a node
//! Two ways are taken at once. The kernel is told (`mbind`), and the pages are first written by threads pinned to the node:
//! where a container forbids the first, the second does it. Neither is a promise: a full node sends pages elsewhere without a
//! word. So the kernel is asked afterwards, and the answer is part of what the caller gets.

pub mod cuda;
pub mod first_touch;
pub mod gpu;
pub mod node;
pub mod numa_pool;
pub mod plot;
pub mod report;
pub mod tiers;

pub use node::{NodeMemory, Place, Request};
pub use numa_pool::NumaPool;
pub use report::{PageReport, Verified};
pub use tiers::{Tier, TierConfig, TierMemory, Tiers};
