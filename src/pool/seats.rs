//! Where the workers sit: on which CPU and in which NUMA node each is, and who is near whom.

use super::options::Binding;
use crate::error::{Result, error};
use crate::os::affinity;
use crate::os::alloc::{Allocator, Array, List};
use crate::sync::Hint;
use crate::topology::{Placement, Proximity, Topology, Victims};
use core::fmt;

/// One worker's place.
#[derive(Debug)]
struct Seat {
    /// The CPU it is pinned to, if it could be.
    cpu: u32,
    /// Its node's place in the list of nodes.
    node: usize,
    /// Whether the two above are true: 1, or 0 for a worker that runs wherever the system puts it.
    is_pinned: Hint,
    victims: Victims,
}

/// The places of a pool's workers.
#[derive(Debug)]
pub(crate) struct Seats {
    seats: Array<Seat>,
    /// The kernel's numbers of the nodes that have workers.
    nodes: List<u32>,
    /// Whether the machine has one node, so that every thread is in it.
    one_node: bool,
    /// The first worker on each CPU, plus one.
    by_cpu: Array<u32>,
}

/// Workers by whom a task may be run, as far as that is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Everyone,
    /// The workers of this node, by its place among the pool's nodes.
    Node(usize),
    Worker(usize),
}

struct Numbers<'a>(&'a [u32]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Seats {
    /// Workers side by side, of whose places nothing is known.
    pub(crate) fn unknown(allocator: Allocator, workers: usize) -> Result<Seats> {
        let victims = |worker| Victims::new(allocator, workers, worker, |_| Proximity::SameNode);
        Seats::new(allocator, workers, |_| (0, 0), victims, true)
    }

    /// Workers each of whom is on a node of its own.
    pub(crate) fn apart(allocator: Allocator, workers: usize) -> Result<Seats> {
        let victims = |worker| Victims::new(allocator, workers, worker, |_| Proximity::Remote(20));
        Seats::new(allocator, workers, |worker| (worker as u32, worker as u32), victims, false)
    }

    /// The places of a placement, if the workers are to be pinned at all.
    pub(crate) fn of(
        allocator: Allocator,
        topology: &Topology,
        placement: &Placement,
        is_pinned: bool,
    ) -> Result<Seats> {
        let cpus = &placement.cpus;
        let place = |worker: usize| {
            let cpu = cpus[worker];
            let node = topology.cpu(cpu).map_or(0, |cpu| topology.nodes()[cpu.node as usize].number);
            (cpu, node)
        };
        let victims = |worker| topology.victims(allocator, cpus, worker);
        let mut seats = Seats::new(allocator, cpus.len(), place, victims, topology.nodes().len() == 1)?;
        if is_pinned {
            let cpus = cpus.iter().map(|&cpu| cpu as usize + 1).max().unwrap_or(0);
            seats.by_cpu = Array::from_fn(allocator, cpus, |_| Ok(0))?;
            for (worker, seat) in seats.seats.iter().enumerate().rev() {
                seats.by_cpu[seat.cpu as usize] = worker as u32 + 1;
            }
        } else {
            for seat in seats.seats.iter_mut() {
                seat.is_pinned = Hint::new(0);
            }
        }
        Ok(seats)
    }

    fn new(
        allocator: Allocator,
        workers: usize,
        place: impl Fn(usize) -> (u32, u32),
        victims: impl Fn(usize) -> Result<Victims>,
        one_node: bool,
    ) -> Result<Seats> {
        let mut nodes = List::new(allocator);
        let seats = Array::from_fn(allocator, workers, |worker| {
            let (cpu, number) = place(worker);
            let node = match nodes.iter().position(|&known| known == number) {
                Some(node) => node,
                None => {
                    nodes.push(number)?;
                    nodes.len() - 1
                }
            };
            Ok(Seat { cpu, node, is_pinned: Hint::new(1), victims: victims(worker)? })
        })?;
        Ok(Seats { seats, nodes, one_node, by_cpu: Array::from_fn(allocator, 0, |_| Ok(0))? })
    }

    /// The worker to wake for the calling thread, which is none: the one next to that on the caller's CPU, which would have to wait
    /// until the caller gives way.
    pub(crate) fn beside_caller(&self) -> Option<usize> {
        Some((self.under_caller()? + 1) % self.seats.len())
    }

    /// The worker on the CPU that the calling thread, which is none, has now.
    pub(crate) fn under_caller(&self) -> Option<usize> {
        if self.by_cpu.is_empty() {
            return None;
        }
        Some((*self.by_cpu.get(affinity::current_cpu().ok()? as usize)?).checked_sub(1)? as usize)
    }

    /// Says that a worker could not be pinned.
    pub(crate) fn unpin(&self, worker: usize) {
        self.seats[worker].is_pinned.set(0);
    }

    /// How many nodes have workers.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The kernel's number of a node, by its place among the pool's nodes.
    pub(crate) fn number_of(&self, node: usize) -> u32 {
        self.nodes[node]
    }

    /// The node of a worker, by its place among the pool's nodes.
    pub(crate) fn node_of(&self, worker: usize) -> usize {
        self.seats[worker].node
    }

    /// The system's number of a worker's node, if the worker is sure to be there.
    pub(crate) fn known_node_of(&self, worker: usize) -> Option<u32> {
        self.is_in_node(worker).then(|| self.number_of(self.node_of(worker)))
    }

    /// Whether two workers are known to be on different nodes.
    pub(crate) fn are_apart(&self, one: usize, other: usize) -> bool {
        let nodes =
            [one, other].map(|worker| self.seats.get(worker).filter(|_| self.is_in_node(worker)).map(|seat| seat.node));
        matches!(nodes, [Some(one), Some(other)] if one != other)
    }

    fn is_in_node(&self, worker: usize) -> bool {
        self.one_node || self.is_pinned(worker)
    }

    fn is_pinned(&self, worker: usize) -> bool {
        self.seats[worker].is_pinned.get() != 0
    }

    /// Whether a worker may run what is for those in `reach`.
    pub(crate) fn includes(&self, reach: Reach, worker: usize) -> bool {
        match reach {
            Reach::Everyone => true,
            Reach::Node(node) => {
                self.seats.get(worker).is_some_and(|seat| seat.node == node && self.is_in_node(worker))
            }
            Reach::Worker(only) => worker == only,
        }
    }

    /// The workers in `reach`.
    pub(crate) fn members(&self, reach: Reach) -> impl Iterator<Item = usize> {
        (0..self.seats.len()).filter(move |&worker| self.includes(reach, worker))
    }

    /// All workers but one, the nearest first; `random` says where to begin among those equally near.
    pub(crate) fn nearest_first(&self, worker: usize, random: usize) -> impl Iterator<Item = usize> {
        self.seats[worker].victims.in_order(random)
    }

    /// Who may run a task of this binding. `backlog` says how many bound tasks a worker has.
    ///
    /// Errors: `InvalidArgument` when nobody may.
    pub(crate) fn resolve(&self, binding: Binding<'_>, backlog: impl Fn(usize) -> usize) -> Result<Reach> {
        match binding {
            Binding::Anywhere => Ok(Reach::Everyone),
            Binding::Worker(worker) if worker < self.seats.len() => Ok(Reach::Worker(worker)),
            Binding::Worker(worker) => Err(error!(
                InvalidArgument,
                "a task was bound to worker {worker}, and the pool's workers are 0 to {}; bind it to one of those",
                self.seats.len() - 1
            )),
            Binding::Node(number) => {
                let reach = self.nodes.iter().position(|&node| node == number).map(Reach::Node);
                reach.filter(|&reach| self.members(reach).next().is_some()).ok_or_else(|| {
                    error!(
                        InvalidArgument,
                        "a task was bound to node {number}, where the pool has no pinned worker; its workers are {} on node {}",
                        if self.members(Reach::Node(0)).next().is_some() { "pinned to CPUs" } else { "not pinned, though placed" },
                        Numbers(&self.nodes)
                    )
                })
            }
            Binding::Cpus(cpus) => {
                let fits = |worker: usize| self.is_pinned(worker) && cpus.contains(self.seats[worker].cpu);
                let members = || (0..self.seats.len()).filter(|&worker| fits(worker));
                let Some(least) = members().min_by_key(|&worker| backlog(worker)) else {
                    return Err(error!(
                        InvalidArgument,
                        "a task was bound to the CPUs {cpus}, and no worker of the pool is pinned to one of them; let the set include a worker's CPU"
                    ));
                };
                let node = Reach::Node(self.node_of(least));
                let is_node = self.members(node).all(fits) && members().all(|worker| self.includes(node, worker));
                Ok(if is_node { node } else { Reach::Worker(least) })
            }
        }
    }
}
