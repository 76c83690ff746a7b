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
//! take counts off what it has settled, and the one that counts off the last ends the round.
//!
//! # Conditions
//! A [condition](Builder::condition) is a vertex that [chooses](Choice) which of its successors run: one of two branches, several, or
//! none; or the way back to what has run before, so that a loop goes round for as long as the closure says.
//!
//! - An edge from a vertex is *strong*: its end waits for the beginning. An edge from a condition is *weak*: its end waits to
//!   be chosen, and for nothing else.
//! - A run goes in *rounds*. The first has what nothing comes before, and all that follows by strong edges. When a round has ended,
//!   to its last vertex, all that its conditions have chosen begins the next, each vertex once however often it was
//!   chosen. When nothing was chosen, the run is over. So a vertex never runs twice at a time, and what a round did is visible
//!   to the next.
//! - A graph is refused if only a choice could show whether it comes to its end: a cycle of strong edges; a vertex
//!   at the end of strong and weak edges; a vertex that waits for several which different choices start; a vertex that no way leads
//!   to. A loop through a weak edge is not refused: its condition has to end it, or [`Graph::cancel`].
//!
//! ```
//! use vgpu_pool::{parallel::graph::{Builder, Choice}, pool::{Config, Pool}};
//!
//! # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
//! let pool = Pool::new(&Config::default())?;
//! let mut guess = 10.0;
//! let shared = std::sync::Mutex::new(&mut guess);
//! let mut builder = Builder::new();
//! let start = builder.condition("start", |_| Ok(Choice::one(0)))?;
//! let step = builder.named("step", |_| {
//!     let guess = &mut **shared.lock().unwrap();
//!     *guess = (*guess + 2.0 / *guess) / 2.0;
//!     Ok(())
//! })?;
//! let done = builder.condition("done?", |_| {
//!     let guess: f64 = **shared.lock().unwrap();
//!     Ok(if (guess * guess - 2.0).abs() < 1e-9 { Choice::NONE } else { Choice::one(0) })
//! })?;
//! builder.precede(start, step)?;
//! builder.precede(step, done)?;
//! builder.precede(done, step)?;
//! builder.build()?.run(&pool)?;
//! assert!((guess - 2f64.sqrt()).abs() < 1e-9);
//! # Ok::<(), vgpu_pool::error::Error>(())
//! ```
//!
//! # When a vertex fails
//! Its error comes out of the run; the first, if there are several. What has not started is skipped: everything
//! ([`OnFailure::SkipRest`]), or only what comes after a failed vertex ([`OnFailure::SkipSuccessors`]). A panic
//! is a failure. [`Graph::skipped`] says how many vertices did not run. Every round settles all its vertices, by running or
//! by skipping them, so that the graph is as new after it, however it ended.

mod arena;
mod body;
mod build;
mod core;
mod layout;
mod ready;
mod regions;
mod run;
mod runner;

#[cfg(feature = "capi")]
pub(crate) use body::Answer;
pub use body::Choice;
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
