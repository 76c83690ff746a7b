//! Which worker goes on which CPU, and how near two CPUs are.

use crate::error::Result;
use crate::os::alloc::List;
use crate::topology::{Cpu, Topology};
use core::cmp::Reverse;

/// A CPU for each worker.
#[derive(Debug)]
pub struct Placement {
    /// The CPU number for each worker. Workers next to each other here are near each other on the machine.
    pub cpus: List<u32>,
    /// Whether some CPU has more than one worker.
    pub oversubscribed: bool,
}

/// How near two CPUs are, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proximity {
    /// One and the same.
    SameCpu,
    /// Hardware threads of one core.
    SameCore,
    /// Different cores behind one L2 cache.
    SameL2,
    /// Behind one L3 cache.
    SameL3,
    /// In one NUMA node.
    SameNode,
    /// In different nodes, this far from the first to the second.
    Remote(u32),
}

/// From the outside in. In one L3 group the strong CPUs come first, as the few workers of a small pool should have them.
fn along_the_machine(cpu: &Cpu) -> impl Ord + use<> {
    (cpu.node, cpu.l3, Reverse(cpu.capacity), cpu.l2, cpu.core, cpu.thread)
}

impl Topology {
    /// A CPU for each of `workers` workers.
    ///
    /// Every core gets a worker before any gets a second one. As far as that leaves a choice, one L3 group is filled after
    /// the other and one node after the other, so that few workers share caches and memory. Past the number of CPUs it
    /// goes around again, and no CPU has two workers more than another.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn placement(&self, workers: usize) -> Result<Placement> {
        let mut order = List::with_capacity(self.cpus.allocator(), self.cpus.len())?;
        for cpu in self.cpus.iter() {
            order.push(*cpu)?;
        }
        order.sort_unstable_by_key(|cpu| (cpu.thread, along_the_machine(cpu)));
        // A topology has at least one CPU.
        let (rounds, rest) = (workers / order.len().max(1), workers % order.len().max(1));
        let chosen = if rounds == 0 { rest } else { order.len() };
        let last_of_rest = rest.checked_sub(1).map(|last| (order[last].thread, along_the_machine(&order[last])));
        // Chosen by cores first, they are lined up by nearness, so that the siblings of a core stand side by side.
        order[..chosen].sort_unstable_by_key(along_the_machine);
        let mut cpus = List::with_capacity(self.cpus.allocator(), workers)?;
        for cpu in &order[..chosen] {
            let one_more = last_of_rest.as_ref().is_some_and(|last| (cpu.thread, along_the_machine(cpu)) <= *last);
            for _ in 0..rounds + usize::from(one_more) {
                cpus.push(cpu.number)?;
            }
        }
        Ok(Placement { cpus, oversubscribed: workers > self.cpus.len() })
    }

    /// How near CPU `to` is for a thread on CPU `from`. `None` when one of them is not usable.
    pub fn proximity(&self, from: u32, to: u32) -> Option<Proximity> {
        let (a, b) = (self.cpu(from)?, self.cpu(to)?);
        Some(if a.number == b.number {
            Proximity::SameCpu
        } else if a.core == b.core {
            Proximity::SameCore
        } else if a.l2 == b.l2 {
            Proximity::SameL2
        } else if a.l3 == b.l3 {
            Proximity::SameL3
        } else if a.node == b.node {
            Proximity::SameNode
        } else {
            Proximity::Remote(self.node_distance(a.node as usize, b.node as usize)?)
        })
    }
}
