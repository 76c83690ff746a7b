//! To whom a worker goes for work, and in which order: those on its own core first, then those behind its L2 and its L3 cache, in its
//! node, and then node by node as far as they are.
//!
//! The order is a function of the machine and of the CPUs that the workers are on, and of nothing else. Among workers equally near it begins
//! anywhere, so that thieves spread.

use super::{Proximity, Topology};
use crate::error::Result;
use crate::os::alloc::{Allocator, List};
use core::ops::Range;

/// The other workers as one of them sees them, the nearest first.
#[derive(Debug)]
pub struct Victims {
    others: List<u32>,
    /// Where in `others` those begin who are farther away than the ones before.
    rings: List<usize>,
}

impl Victims {
    /// The order for `worker`, one of `workers`, of whom `near` tells how near they are to it.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn new(
        allocator: Allocator,
        workers: usize,
        worker: usize,
        near: impl Fn(usize) -> Proximity,
    ) -> Result<Victims> {
        let mut others = List::with_capacity(allocator, workers.saturating_sub(1))?;
        for other in (0..workers).filter(|&other| other != worker) {
            others.push(other as u32)?;
        }
        // Stable, so that neighbours by number stay neighbours among equals.
        others.sort_by_key(|&other| near(other as usize));
        let mut rings = List::new(allocator);
        for i in 0..others.len() {
            if i == 0 || near(others[i] as usize) != near(others[i - 1] as usize) {
                rings.push(i)?;
            }
        }
        Ok(Victims { others, rings })
    }

    /// All of them, the nearest first; `random` says where to begin among those equally near.
    #[inline]
    pub fn in_order(&self, random: usize) -> impl Iterator<Item = usize> {
        let ends = self.rings.iter().skip(1).copied().chain([self.others.len()]);
        let rings = self.rings.iter().copied().zip(ends);
        rings.flat_map(move |(start, end)| rotated(start..end, random)).map(|i| self.others[i] as usize)
    }
}

impl Topology {
    /// The order of victims for `worker`, where worker `i` is on CPU `cpus[i]`. A CPU that is not usable is farther than all others.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn victims(&self, allocator: Allocator, cpus: &[u32], worker: usize) -> Result<Victims> {
        let near = |other: usize| self.proximity(cpus[worker], cpus[other]).unwrap_or(Proximity::Remote(u32::MAX));
        Victims::new(allocator, cpus.len(), worker, near)
    }
}

/// A range, beginning somewhere in its middle.
fn rotated(range: Range<usize>, random: usize) -> impl Iterator<Item = usize> {
    let middle = range.start + random.checked_rem(range.len()).unwrap_or(0);
    (middle..range.end).chain(range.start..middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::fixture::{Machine, ModelCpu, Root};
    use crate::topology::recorded_tests;
    use quickcheck::QuickCheck;
    use std::collections::BTreeSet;

    /// Checks the order that every worker has, with one worker on each CPU in turn and `extra` more, against `far`, which knows the machine by
    /// other means.
    fn assert_nearest_first<F: Ord + Copy + core::fmt::Debug>(
        topology: &Topology,
        extra: usize,
        random: usize,
        far: impl Fn(u32, u32) -> F,
    ) {
        let placed = topology.placement((topology.cpus().len() + extra).min(300)).unwrap().cpus;
        // Some thieves are enough, all over the machine; their victims are all others.
        for worker in (0..placed.len()).step_by(placed.len().div_ceil(24)) {
            let victims = topology.victims(Allocator::SYSTEM, &placed, worker).unwrap();
            let order: Vec<usize> = victims.in_order(random).collect();
            let all: BTreeSet<usize> = order.iter().copied().collect();
            assert_eq!(
                (order.len(), all.len()),
                (placed.len() - 1, placed.len() - 1),
                "somebody is missing, or comes twice"
            );
            assert!(!all.contains(&worker) && all.last().is_none_or(|&last| last < placed.len()));
            let distances: Vec<F> = order.iter().map(|&other| far(placed[worker], placed[other])).collect();
            assert!(distances.is_sorted(), "worker {worker} goes past a nearer one: {distances:?}");
            // Another start changes the order among equals alone, and every one of a ring is the first for some start.
            let first_ring = distances.iter().take_while(|&&distance| distance == distances[0]).count();
            let firsts: BTreeSet<usize> =
                (0..first_ring).filter_map(|start| victims.in_order(random / 2 + start).next()).collect();
            assert_eq!(firsts.len(), first_ring, "random {random}: {order:?}");
        }
    }

    #[test]
    fn on_any_machine_the_nearest_come_first() {
        fn property(machine: Machine, extra: u8, random: usize) -> bool {
            let root = machine.files().write();
            let topology = Topology::read(Allocator::SYSTEM, root.as_str(), None).unwrap();
            let cpus = machine.online();
            let cpu = |number: u32| cpus.iter().find(|cpu| cpu.number == number).unwrap();
            // By how the machine was made up, and not by what was read of it.
            let far = |from: u32, to: u32| -> (u32, u32) {
                let (a, b): (&ModelCpu, &ModelCpu) = (cpu(from), cpu(to));
                let same_l3 = match (machine.no_caches, machine.no_nodes) {
                    (false, _) => a.l3 == b.l3,
                    (true, false) => a.node == b.node,
                    (true, true) => a.package == b.package,
                };
                match () {
                    _ if from == to => (0, 0),
                    _ if a.core == b.core => (1, 0),
                    _ if !machine.no_caches && a.l2 == b.l2 => (2, 0),
                    _ if same_l3 => (3, 0),
                    _ if machine.no_nodes || a.node == b.node => (4, 0),
                    _ if machine.no_distances => (5, 20),
                    _ => (5, Machine::distance(a.node, b.node)),
                }
            };
            assert_nearest_first(&topology, extra.into(), random, far);
            true
        }
        QuickCheck::new().tests(60).quickcheck(property as fn(Machine, u8, usize) -> bool);
    }

    /// On the recorded ones the kernel's own words, looked up anew for each pair, say how far it is from node to node.
    #[test]
    fn on_every_recorded_machine_the_nearest_come_first() {
        for name in recorded_tests::names() {
            let target = Root::new();
            let Some(root) = recorded_tests::unpack(&name, &target) else { continue };
            let topology = Topology::read(Allocator::SYSTEM, root, None).unwrap();
            let far = |from: u32, to: u32| {
                let (a, b) = (topology.cpu(from).unwrap(), topology.cpu(to).unwrap());
                let distance = match a.node == b.node {
                    true => 0,
                    false => topology.node_distance(a.node as usize, b.node as usize).unwrap(),
                };
                let apart = [from != to, a.core != b.core, a.l2 != b.l2, a.l3 != b.l3];
                // Who shares a core or a cache is near, whatever node an odd machine puts it into.
                let shared = apart.iter().position(|&apart| !apart).unwrap_or(4);
                (shared, if shared < 4 { 0 } else { distance })
            };
            assert_nearest_first(&topology, 3, 12345, far);
        }
    }
}
