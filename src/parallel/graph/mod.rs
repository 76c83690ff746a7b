//! Task graphs: vertices that run when all their predecessors have, in any order that allows.
//!
//! A [`Builder`] takes vertices and edges, and checks once that no vertex waits for itself. What it gives, a [`Graph`], can be
//! run any number of times, on whichever pool, without allocating anything. [`Graph::run`] waits; [`Graph::launch`] does not.
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//! use vgpu_pool::{parallel::graph::Builder, pool::{Config, Pool}};
//!
//! # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
//! let pool = Pool::new(&Config::default())?;
//! let value = AtomicU32::new(0);
//! let mut builder = Builder::new();
//! let double = builder.named("double", |_| Ok(value.store(value.load(Relaxed) * 2, Relaxed)))?;
//! let add = builder.named("add", |_| Ok(value.store(value.load(Relaxed) + 3, Relaxed)))?;
//! builder.precede(add, double)?;
//! let graph = builder.build()?;
//! graph.run(&pool)?;
//! graph.run(&pool)?;
//! assert_eq!(value.load(Relaxed), ((0 + 3) * 2 + 3) * 2);
//! # Ok::<(), vgpu_pool::error::Error>(())
//! ```
//!
//! # How a run goes
//! Every vertex counts its predecessors down ([`arrivals`](crate::protocol::arrivals)). The last of them has a new vertex in
//! hand: one of the vertices that it makes ready it goes on with itself, so that a chain costs no queue and, being a loop,
//! no stack; the others go, as one list, onto its worker's deque, where idle workers steal them. Whoever takes a list runs its first vertex
//! and puts the rest back before, so that no vertex that is ready waits behind one that runs. A worker that finds nothing more to
//! take counts off what it has settled, and the one that counts off the last ends the run.
//!
//! # When a vertex fails
//! Its error comes out of the run; the first, if there are several. What has not started is skipped: everything
//! ([`OnFailure::SkipRest`]), or only what comes after a failed vertex ([`OnFailure::SkipSuccessors`]). A panic
//! is a failure. [`Graph::skipped`] says how many vertices did not run. Every run settles every vertex, by running or
//! by skipping it, so that the graph is as new after it, however it ended.

mod build;
mod ready;
mod run;

pub use build::{Builder, Vertex};
pub use run::{Graph, Run};

/// What becomes of the other vertices when one has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// None is started any more.
    #[default]
    SkipRest,
    /// Only those are skipped that come after a failed one, directly or not.
    SkipSuccessors,
}
