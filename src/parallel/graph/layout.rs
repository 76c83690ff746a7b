//! How a graph lies in memory, and the proof that it can be run to its end.

use super::body::Choice;
use super::build::Builder;
use super::ready::NO_CONDITION;
use super::regions::{Condition, Regions};
use crate::error::{Error, Result, error};
use crate::os::alloc::{Allocator, Array, List};
use core::fmt::{self, Display, Write};

const NONE: u32 = u32::MAX;

/// What the vertices of a graph know of each other.
pub(super) struct Layout {
    /// The vertices' successors, one vertex after the other. A condition has the regions that it may choose instead.
    pub(super) successors: Array<u32>,
    /// Where those of each vertex begin.
    pub(super) starts: Array<u32>,
    /// How many vertices each waits for.
    pub(super) predecessors: Array<u32>,
    /// The place of each vertex among the conditions.
    pub(super) conditions: Array<u32>,
    pub(super) regions: Regions,
}

/// The values of each key below `keys`, one key after the other, and where those of each begin.
fn grouped<P>(allocator: Allocator, keys: usize, pairs: impl Fn() -> P) -> Result<(Array<u32>, Array<u32>)>
where
    P: Iterator<Item = (u32, u32)>,
{
    let mut starts = Array::from_fn(allocator, keys + 1, |_| Ok(0u32))?;
    pairs().for_each(|(key, _)| starts[key as usize + 1] += 1);
    for key in 0..keys {
        starts[key + 1] += starts[key];
    }
    let mut ends = Array::from_fn(allocator, keys, |key| Ok(starts[key]))?;
    let mut values = Array::from_fn(allocator, starts[keys] as usize, |_| Ok(0u32))?;
    for (key, value) in pairs() {
        let end = &mut ends[key as usize];
        values[*end as usize] = value;
        *end += 1;
    }
    Ok((starts, values))
}

impl Layout {
    /// The layout of what the builder has, if it can be run to its end.
    pub(super) fn new(graph: &Builder<'_>) -> Result<Layout> {
        let (allocator, count) = (graph.allocator, graph.vertices());
        let (starts, successors) = grouped(allocator, count, || graph.edges.iter().copied())?;
        let mut predecessors = Array::from_fn(allocator, count, |_| Ok(0u32))?;
        let mut is_chosen = Array::from_fn(allocator, count, |_| Ok(false))?;
        for &(before, after) in graph.edges.iter() {
            match graph.is_condition(before) {
                true => is_chosen[after as usize] = true,
                false => predecessors[after as usize] += 1,
            }
        }
        if graph.conditions > 0 {
            check_choices(graph, &starts, &predecessors, &is_chosen)?;
        }
        let order = Order::new(graph, &starts, &successors, &predecessors, &is_chosen)?;
        order.into_layout(graph, starts, successors, predecessors)
    }
}

/// No condition chooses among too many, and no vertex waits and is chosen as well.
fn check_choices(graph: &Builder<'_>, starts: &[u32], predecessors: &[u32], is_chosen: &[bool]) -> Result<()> {
    for (index, &predecessors) in predecessors.iter().enumerate() {
        let (vertex, choices) = (index as u32, (starts[index + 1] - starts[index]) as usize);
        if graph.is_condition(vertex) && choices > Choice::MOST {
            return Err(error!(
                InvalidArgument,
                "condition {} is to choose among {choices} successors, and can among {}; let it choose other conditions",
                graph.name(vertex),
                Choice::MOST
            ));
        }
        if is_chosen[index] && predecessors > 0 {
            let (waited, chooser) = (one_before(graph, vertex, false), one_before(graph, vertex, true));
            return Err(error!(
                InvalidArgument,
                "vertex {} is after {}, which it would wait for, and after condition {}, which would start it without; make {} a condition that chooses it",
                graph.name(vertex),
                graph.name(waited),
                graph.name(chooser),
                graph.name(waited)
            ));
        }
    }
    Ok(())
}

/// A vertex before `after`: a condition, or none.
fn one_before(graph: &Builder<'_>, after: u32, is_condition: bool) -> u32 {
    let fits = |edge: &&(u32, u32)| edge.1 == after && graph.is_condition(edge.0) == is_condition;
    graph.edges.iter().find(fits).map_or(after, |edge| edge.0)
}

/// A run of the graph in thought, with everything chosen at once.
struct Order {
    /// The region of each vertex.
    region_of: Array<u32>,
    /// What nothing comes before; those of region 0 first.
    heads: List<u32>,
    regions: usize,
}

impl Order {
    fn new(
        graph: &Builder<'_>,
        starts: &[u32],
        successors: &[u32],
        predecessors: &[u32],
        is_chosen: &[bool],
    ) -> Result<Order> {
        let (allocator, count) = (graph.allocator, graph.vertices());
        // Where every edge leads to a later vertex there is no cycle, and without conditions there is one region.
        let is_plain = graph.conditions == 0 && graph.leads_on;
        let mut region_of = Array::from_fn(allocator, count, |_| Ok(if is_plain { 0 } else { NONE }))?;
        let mut regions = 1;
        // Each vertex comes into this list once, when nothing is missing.
        let mut order = List::with_capacity(allocator, count)?;
        for chosen in [false, true].into_iter().take(1 + usize::from(graph.conditions > 0)) {
            for index in (0..count).filter(|&index| predecessors[index] == 0 && is_chosen[index] == chosen) {
                order.push(index as u32)?;
                region_of[index] = if chosen { regions } else { 0 };
                regions += u32::from(chosen);
            }
        }
        let heads = List::from_slice(allocator, &order)?;
        if is_plain {
            return Ok(Order { region_of, heads, regions: 1 });
        }
        let mut missing = List::from_slice(allocator, predecessors)?;
        let mut next = 0;
        while let Some(&before) = order.get(next) {
            next += 1;
            if graph.is_condition(before) {
                continue;
            }
            let region = region_of[before as usize];
            for &after in &successors[starts[before as usize] as usize..starts[before as usize + 1] as usize] {
                let place = &mut region_of[after as usize];
                if *place == NONE {
                    *place = region;
                }
                if *place != region {
                    return Err(apart(graph, &region_of, before, after));
                }
                missing[after as usize] -= 1;
                if missing[after as usize] == 0 {
                    order.push(after)?;
                }
            }
        }
        match order.len() == count {
            true => Ok(Order { region_of, heads, regions: regions as usize }),
            false => Err(cycle(graph, &missing)?),
        }
    }

    fn into_layout(
        self,
        graph: &Builder<'_>,
        starts: Array<u32>,
        mut successors: Array<u32>,
        predecessors: Array<u32>,
    ) -> Result<Layout> {
        let Order { region_of, heads, regions } = self;
        let (allocator, count) = (graph.allocator, graph.vertices());
        let mut sizes = Array::from_fn(allocator, regions, |_| Ok(0u32))?;
        region_of.iter().for_each(|&region| sizes[region as usize] += 1);
        let candidates = if graph.conditions > 0 { count as u32 } else { 0 };
        let choosing = || (0..candidates).filter(|&vertex| graph.is_condition(vertex));
        let (condition_starts, choosers) =
            grouped(allocator, regions, || choosing().map(|vertex| (region_of[vertex as usize], vertex)))?;
        let mut conditions = Array::from_fn(allocator, count, |_| Ok(NO_CONDITION))?;
        for (place, &vertex) in choosers.iter().enumerate() {
            conditions[vertex as usize] = place as u32;
            for successor in &mut successors[starts[vertex as usize] as usize..starts[vertex as usize + 1] as usize] {
                *successor = region_of[*successor as usize];
            }
        }
        let of_region = |region: u32| {
            let span = condition_starts[region as usize] as usize..condition_starts[region as usize + 1] as usize;
            choosers[span]
                .iter()
                .flat_map(|&vertex| &successors[starts[vertex as usize] as usize..starts[vertex as usize + 1] as usize])
        };
        // Regions in the order in which choices lead to them.
        let mut reached = List::with_capacity(allocator, regions)?;
        let mut is_reached = Array::from_fn(allocator, regions, |region| Ok(region == 0))?;
        reached.push(0)?;
        let mut next = 0;
        while let Some(&region) = reached.get(next) {
            next += 1;
            for &chosen in of_region(region) {
                if !core::mem::replace(&mut is_reached[chosen as usize], true) {
                    reached.push(chosen)?;
                }
            }
        }
        if let Some(region) = is_reached.iter().position(|reached| !reached) {
            let head = heads[heads.len() + region - regions];
            return Err(error!(
                InvalidArgument,
                "vertex {} can never start: it waits to be chosen, and every way to the conditions that choose it begins with a choice of it; let one that starts by itself choose it",
                graph.name(head)
            ));
        }
        let conditions_of = Array::from_fn(allocator, choosers.len(), |place| Ok(Condition::new(choosers[place])))?;
        let regions = Regions { heads, sizes, conditions: conditions_of, condition_starts };
        Ok(Layout { successors, starts, predecessors, conditions, regions })
    }
}

/// The error of a vertex that waits for vertices which are not started together.
fn apart(graph: &Builder<'_>, region_of: &[u32], before: u32, after: u32) -> Error {
    let region = region_of[after as usize];
    let with = |edge: &&(u32, u32)| edge.1 == after && region_of[edge.0 as usize] == region;
    let other = graph.edges.iter().find(with).map_or(before, |edge| edge.0);
    error!(
        InvalidArgument,
        "vertex {} waits for {} and for {}, of which a choice may start one without the other; let it wait for those only that start together, or let a condition choose it",
        graph.name(after),
        graph.name(other),
        graph.name(before)
    )
}

/// The error of a graph that does not come to its end: what is missing leads to a cycle.
fn cycle(graph: &Builder<'_>, missing: &[u32]) -> Result<Error> {
    // Of each vertex that never starts, a predecessor that never starts: there is one, and so they go round.
    let mut before = Array::from_fn(graph.allocator, missing.len(), |_| Ok(NONE))?;
    for &(from, to) in graph.edges.iter() {
        if missing[from as usize] != 0 && missing[to as usize] != 0 {
            before[to as usize] = from;
        }
    }
    let mut seen = Array::from_fn(graph.allocator, missing.len(), |_| Ok(false))?;
    let mut at = before.iter().position(|&from| from != NONE).unwrap_or(0);
    while !seen[at] {
        seen[at] = true;
        at = before[at] as usize;
    }
    // Walked backwards, and told forwards.
    let mut cycle = List::new(graph.allocator);
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
        Path(graph, &cycle)
    ))
}

/// Vertices in order.
struct Path<'a, 'env>(&'a Builder<'env>, &'a [u32]);

impl Display for Path<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &index) in self.1.iter().enumerate() {
            if at > 0 {
                f.write_str(" -> ")?;
            }
            self.0.name(index).fmt(f)?;
        }
        f.write_char('.')
    }
}
