//! Putting a graph together.

use super::OnFailure;
use super::arena::Arena;
use super::body::{Answer, Body, Choice};
use super::core::Core;
use super::layout::Layout;
use super::ready::Station;
use super::regions::Rounds;
use super::run::Graph;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, List};
use crate::pool::Worker;
use core::fmt::{self, Display};
use core::marker::PhantomData;
use core::mem;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

/// A graph has fewer vertices than this, so that a number of 32 bits counts them, with one to spare.
const MOST_VERTICES: usize = u32::MAX as usize;

/// The next builder's number. A plain atomic: a number to tell vertices apart by, through which no two threads learn anything.
static NEXT_GRAPH: AtomicU32 = AtomicU32::new(1);

/// A vertex of one graph. It is a number, and means nothing to other graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vertex(u64);

impl Vertex {
    fn new(graph: u32, index: usize) -> Vertex {
        Vertex(u64::from(graph) << 32 | index as u64)
    }

    /// The vertex as one number.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The vertex that had this number.
    pub fn from_bits(bits: u64) -> Vertex {
        Vertex(bits)
    }

    fn graph(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How many vertices were added to its graph before it.
    pub fn index(self) -> usize {
        self.0 as u32 as usize
    }
}

/// A vertex of a graph that is being put together.
#[derive(Debug)]
pub(super) struct Draft {
    body: Body,
    /// Where its name lies.
    name: Range<usize>,
    is_condition: bool,
}

/// A graph that is being put together.
///
/// Closures may borrow what outlives the graph (`'env`).
#[derive(Debug)]
pub struct Builder<'env> {
    pub(super) drafts: List<Draft>,
    names: List<u8>,
    /// How many of the vertices are conditions.
    pub(super) conditions: usize,
    /// Whether each edge leads to a vertex that was added after the one that it comes from.
    pub(super) leads_on: bool,
    pub(super) edges: List<(u32, u32)>,
    number: u32,
    on_failure: OnFailure,
    pub(super) allocator: Allocator,
    /// Where the closures lie; dropped after them.
    arena: Arena,
    /// They are dropped with the builder, so what they borrow must still be there.
    closures: PhantomData<dyn FnMut() + Send + 'env>,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Builder::new()
    }
}

impl<'env> Builder<'env> {
    /// A graph without vertices, whose memory comes from the system.
    pub fn new() -> Builder<'env> {
        Builder::new_in(Allocator::SYSTEM)
    }

    /// A graph without vertices, whose memory comes from `allocator`.
    pub fn new_in(allocator: Allocator) -> Builder<'env> {
        Builder {
            drafts: List::new(allocator),
            names: List::new(allocator),
            conditions: 0,
            leads_on: true,
            edges: List::new(allocator),
            number: NEXT_GRAPH.fetch_add(1, Ordering::Relaxed),
            on_failure: OnFailure::default(),
            allocator,
            arena: Arena::new(allocator),
            closures: PhantomData,
        }
    }

    /// Chooses what becomes of the other vertices when one has failed.
    pub fn on_failure(&mut self, choice: OnFailure) {
        self.on_failure = choice;
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> usize {
        self.drafts.len()
    }

    /// Adds a vertex. Each run calls its closure at most once, on some worker, when all its predecessors have returned,
    /// and what they did is visible to it.
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory); [`Overflow`](crate::error::Status::Overflow) for more
    /// than 2^32 - 1 vertices. The closure is then dropped.
    pub fn add<F>(&mut self, closure: F) -> Result<Vertex>
    where
        F: FnMut(&Worker) -> Result<()> + Send + 'env,
    {
        self.named("", closure)
    }

    /// As [`add`](Self::add), with a name for the vertex, which errors tell it by.
    pub fn named<F>(&mut self, name: &str, closure: F) -> Result<Vertex>
    where
        F: FnMut(&Worker) -> Result<()> + Send + 'env,
    {
        self.add_with(name, move || closure)
    }

    /// Adds a vertex that chooses which of its successors run: as [`named`](Self::named), but none of them waits for it, and none
    /// runs that it does not [choose](Choice). See the [module](super#conditions) for what it may lead to.
    ///
    /// A condition that fails or is skipped chooses none, and so does one that chooses a successor that is not there, which is a
    /// failure with [`InvalidArgument`](crate::error::Status::InvalidArgument).
    pub fn condition<F>(&mut self, name: &str, closure: F) -> Result<Vertex>
    where
        F: FnMut(&Worker) -> Result<Choice> + Send + 'env,
    {
        self.add_with(name, move || closure)
    }

    /// As [`named`](Self::named) or [`condition`](Self::condition), with a closure that is made only when nothing can fail any
    /// more.
    pub(crate) fn add_with<F, T>(&mut self, name: &str, make: impl FnOnce() -> F) -> Result<Vertex>
    where
        F: FnMut(&Worker) -> Result<T> + Send + 'env,
        T: Answer,
    {
        let index = self.drafts.len();
        if index >= MOST_VERTICES {
            return Err(error!(Overflow, "a graph has {index} vertices, the most that can be; make two graphs of it"));
        }
        // Room for all before anything is put in, so that a failure leaves the graph as it was.
        self.drafts.reserve(1)?;
        self.names.reserve(name.len())?;
        let body = Body::new(&mut self.arena, make)?;
        let start = self.names.len();
        name.bytes().try_for_each(|byte| self.names.push(byte))?;
        self.drafts.push(Draft { body, name: start..self.names.len(), is_condition: T::IS_CHOICE })?;
        self.conditions += usize::from(T::IS_CHOICE);
        Ok(Vertex::new(self.number, index))
    }

    /// Adds an edge: `after` does not start before `before` has returned. An edge that is there already changes nothing. If
    /// `before` is a condition, `after` is its next choice, which may be the condition itself.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a vertex of another graph, and for an edge
    /// from a vertex that is no condition to itself; [`OutOfMemory`](crate::error::Status::OutOfMemory).
    pub fn precede(&mut self, before: Vertex, after: Vertex) -> Result<()> {
        for vertex in [before, after] {
            if vertex.graph() != self.number || vertex.index() >= self.drafts.len() {
                return Err(error!(
                    InvalidArgument,
                    "an edge was asked for from or to a vertex that is not of this graph; add the vertex here first"
                ));
            }
        }
        if before == after && !self.is_condition(before.index() as u32) {
            let name = self.name(before.index() as u32);
            return Err(error!(
                InvalidArgument,
                "an edge was asked for from vertex {name} to itself, which could then never start; leave it out"
            ));
        }
        if self.edges.len() >= u32::MAX as usize {
            return Err(error!(Overflow, "a graph has 2^32 - 1 edges, the most that can be; make two graphs of it"));
        }
        self.edges.push((before.index() as u32, after.index() as u32))?;
        self.leads_on &= before.index() < after.index();
        Ok(())
    }

    /// The graph, if it can be run to its end.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a cycle, with its vertices in order, by name or
    /// by number, and for conditions against their [rules](super#conditions);
    /// [`OutOfMemory`](crate::error::Status::OutOfMemory). [`try_build`](Self::try_build) keeps the builder then.
    pub fn build(mut self) -> Result<Graph<'env>> {
        self.try_build()
    }

    /// As [`build`](Self::build). What went into the graph is gone from here; after an error everything still is.
    pub fn try_build(&mut self) -> Result<Graph<'env>> {
        let Layout { successors, starts, predecessors, conditions, regions } = Layout::new(self)?;
        let rounds = Rounds::new(self.allocator, &regions)?;
        let mut stations = List::with_capacity(self.allocator, self.drafts.len())?;
        let room = Core::room(self.allocator)?;
        // From here on nothing fails.
        let mut drafts = mem::replace(&mut self.drafts, List::new(self.allocator));
        while let Some(draft) = drafts.pop() {
            let index = drafts.len();
            let successors = (starts[index], starts[index + 1]);
            stations.push(Station::new(draft.body, predecessors[index], successors, conditions[index]))?;
        }
        stations.reverse();
        let arena = mem::replace(&mut self.arena, Arena::new(self.allocator));
        self.names = List::new(self.allocator);
        self.conditions = 0;
        self.leads_on = true;
        self.edges = List::new(self.allocator);
        Ok(Graph::new(Core::new(room, (stations, arena), successors, (regions, rounds), self.on_failure)))
    }

    pub(super) fn is_condition(&self, index: u32) -> bool {
        self.conditions > 0 && self.drafts[index as usize].is_condition
    }

    pub(super) fn name(&self, index: u32) -> Name<'_> {
        let bytes = &self.names[self.drafts[index as usize].name.clone()];
        Name(core::str::from_utf8(bytes).unwrap_or(""), index)
    }
}

/// A vertex as errors tell it: by its name, or by its number if it has none.
pub(super) struct Name<'a>(&'a str, u32);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => write!(f, "#{}", self.1),
            name => f.write_str(name),
        }
    }
}
