//! Putting a graph together, and the proof that it can be run to its end.

use super::OnFailure;
use super::ready::{Body, Station};
use super::run::Graph;
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Array, List};
use crate::pool::Worker;
use crate::protocol::countdown::MAX_COUNT;
use core::fmt::{self, Display, Write};
use core::marker::PhantomData;
use core::mem;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

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

/// A graph that is being put together.
///
/// Closures may borrow what outlives the graph (`'env`).
#[derive(Debug)]
pub struct Builder<'env> {
    bodies: List<Body>,
    /// Where in `names` the name of each vertex lies.
    named: List<Range<usize>>,
    names: List<u8>,
    edges: List<(u32, u32)>,
    number: u32,
    on_failure: OnFailure,
    allocator: Allocator,
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
            bodies: List::new(allocator),
            named: List::new(allocator),
            names: List::new(allocator),
            edges: List::new(allocator),
            number: NEXT_GRAPH.fetch_add(1, Ordering::Relaxed),
            on_failure: OnFailure::default(),
            allocator,
            closures: PhantomData,
        }
    }

    /// Chooses what becomes of the other vertices when one has failed.
    pub fn on_failure(&mut self, choice: OnFailure) {
        self.on_failure = choice;
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> usize {
        self.bodies.len()
    }

    /// Adds a vertex. Each run calls its closure at most once, on some worker, when all its predecessors have returned,
    /// and what they did is visible to it.
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory); [`Overflow`](crate::error::Status::Overflow) for more
    /// than 2^29 - 1 vertices. The closure is then dropped.
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

    /// As [`named`](Self::named), with a closure that is made only when nothing can fail any more.
    pub(crate) fn add_with<F>(&mut self, name: &str, make: impl FnOnce() -> F) -> Result<Vertex>
    where
        F: FnMut(&Worker) -> Result<()> + Send + 'env,
    {
        let index = self.bodies.len();
        if index >= MAX_COUNT as usize {
            return Err(error!(Overflow, "a graph has {index} vertices, the most that can be; make two graphs of it"));
        }
        // Room for all before anything is put in, so that a failure leaves the graph as it was.
        self.bodies.reserve(1)?;
        self.named.reserve(1)?;
        self.names.reserve(name.len())?;
        self.bodies.push(Body::new(self.allocator, make)?)?;
        let start = self.names.len();
        name.bytes().try_for_each(|byte| self.names.push(byte))?;
        self.named.push(start..self.names.len())?;
        Ok(Vertex::new(self.number, index))
    }

    /// Adds an edge: `after` does not start before `before` has returned. An edge that is there already changes nothing.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a vertex of another graph, and for an edge
    /// from a vertex to itself; [`OutOfMemory`](crate::error::Status::OutOfMemory).
    pub fn precede(&mut self, before: Vertex, after: Vertex) -> Result<()> {
        for vertex in [before, after] {
            if vertex.graph() != self.number || vertex.index() >= self.bodies.len() {
                return Err(error!(
                    InvalidArgument,
                    "an edge was asked for from or to a vertex that is not of this graph; add the vertex here first"
                ));
            }
        }
        if before == after {
            let name = self.name(before.index());
            return Err(error!(
                InvalidArgument,
                "an edge was asked for from vertex {name} to itself, which could then never start; leave it out"
            ));
        }
        if self.edges.len() >= u32::MAX as usize {
            return Err(error!(Overflow, "a graph has 2^32 - 1 edges, the most that can be; make two graphs of it"));
        }
        self.edges.push((before.index() as u32, after.index() as u32))
    }

    /// The graph, if it can be run to its end.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for a cycle, with its vertices in order, by name or
    /// by number; [`OutOfMemory`](crate::error::Status::OutOfMemory). [`try_build`](Self::try_build) keeps the builder then.
    pub fn build(mut self) -> Result<Graph<'env>> {
        self.try_build()
    }

    /// As [`build`](Self::build). What went into the graph is gone from here; after an error everything still is.
    pub fn try_build(&mut self) -> Result<Graph<'env>> {
        let (starts, successors) = self.successors()?;
        let mut predecessors = Array::from_fn(self.allocator, self.bodies.len(), |_| Ok(0u32))?;
        successors.iter().for_each(|&after| predecessors[after as usize] += 1);
        let roots = self.check_order(&starts, &successors, &predecessors)?;
        let mut stations = List::with_capacity(self.allocator, self.bodies.len())?;
        let room = Graph::room(self.allocator)?;
        // From here on nothing fails.
        let mut bodies = mem::replace(&mut self.bodies, List::new(self.allocator));
        while let Some(body) = bodies.pop() {
            let index = bodies.len();
            stations.push(Station::new(body, predecessors[index], starts[index]))?;
        }
        stations.reverse();
        self.named = List::new(self.allocator);
        self.names = List::new(self.allocator);
        self.edges = List::new(self.allocator);
        Ok(Graph::new(room, stations, successors, roots, self.on_failure))
    }

    /// The vertices' successors, one vertex after the other, and where those of each begin.
    fn successors(&self) -> Result<(Array<u32>, Array<u32>)> {
        let mut starts = Array::from_fn(self.allocator, self.bodies.len() + 1, |_| Ok(0u32))?;
        self.edges.iter().for_each(|&(before, _)| starts[before as usize + 1] += 1);
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut ends = Array::from_fn(self.allocator, self.bodies.len(), |index| Ok(starts[index]))?;
        let mut successors = Array::from_fn(self.allocator, self.edges.len(), |_| Ok(0u32))?;
        for &(before, after) in self.edges.iter() {
            let end = &mut ends[before as usize];
            successors[*end as usize] = after;
            *end += 1;
        }
        Ok((starts, successors))
    }

    /// Runs the graph in thought. Says with which vertices it begins, or which cycle keeps it from its end.
    fn check_order(&self, starts: &[u32], successors: &[u32], predecessors: &[u32]) -> Result<List<u32>> {
        let count = self.bodies.len();
        let mut missing = List::from_slice(self.allocator, predecessors)?;
        // Each vertex comes into this list once, when nothing is missing.
        let mut order = List::with_capacity(self.allocator, count)?;
        for index in (0..count).filter(|&index| predecessors[index] == 0) {
            order.push(index as u32)?;
        }
        let roots = List::from_slice(self.allocator, &order)?;
        let mut next = 0;
        while let Some(&before) = order.get(next) {
            next += 1;
            for &after in &successors[starts[before as usize] as usize..starts[before as usize + 1] as usize] {
                missing[after as usize] -= 1;
                if missing[after as usize] == 0 {
                    order.push(after)?;
                }
            }
        }
        match order.len() == count {
            true => Ok(roots),
            false => Err(self.cycle(&missing)?),
        }
    }

    /// The error of a graph that does not come to its end: what is missing leads to a cycle.
    fn cycle(&self, missing: &[u32]) -> Result<Error> {
        const NONE: u32 = u32::MAX;
        // Of each vertex that never starts, a predecessor that never starts: there is one, and so they go round.
        let mut before = Array::from_fn(self.allocator, missing.len(), |_| Ok(NONE))?;
        for &(from, to) in self.edges.iter() {
            if missing[from as usize] != 0 && missing[to as usize] != 0 {
                before[to as usize] = from;
            }
        }
        let mut seen = Array::from_fn(self.allocator, missing.len(), |_| Ok(false))?;
        let mut at = before.iter().position(|&from| from != NONE).unwrap_or(0);
        while !seen[at] {
            seen[at] = true;
            at = before[at] as usize;
        }
        // Walked backwards, and told forwards.
        let mut cycle = List::new(self.allocator);
        let first = at;
        loop {
            cycle.push(at as u32)?;
            at = before[at] as usize;
            if at == first {
                break;
            }
        }
        cycle.push(first as u32)?;
        cycle.reverse();
        Ok(error!(
            InvalidArgument,
            "a graph has a cycle of {} vertices, which wait for each other; take one of its edges out: {}",
            cycle.len() - 1,
            Path(self, &cycle)
        ))
    }

    fn name(&self, index: usize) -> Name<'_> {
        let bytes = self.named.get(index).map_or(&[][..], |range| &self.names[range.clone()]);
        Name(core::str::from_utf8(bytes).unwrap_or(""), index)
    }
}

/// A vertex as errors tell it: by its name, or by its number if it has none.
struct Name<'a>(&'a str, usize);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => write!(f, "#{}", self.1),
            name => f.write_str(name),
        }
    }
}

/// Vertices in order.
struct Path<'a, 'env>(&'a Builder<'env>, &'a [u32]);

impl Display for Path<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &index) in self.1.iter().enumerate() {
            if at > 0 {
                f.write_str(" -> ")?;
            }
            self.0.name(index as usize).fmt(f)?;
        }
        f.write_char('.')
    }
}
