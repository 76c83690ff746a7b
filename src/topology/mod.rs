//! What the machine is, as a plain value: which CPUs this process may use, which of them share a core, a cache, a package
//! or a NUMA node, how far the nodes are from one another, and how much CPU time the process is granted.
//!
//! [`Topology::detect`] reads the machine the process runs on; [`Topology::read`] reads any tree of files laid out like
//! `/sys` and `/proc`, such as a recorded machine. Nothing here pins a thread or places memory.
//!
//! # When something is not known
//! Every machine lacks something; a reader that insists fails on real ones. What was missing or odd is said in
//! [`Topology::notes`], and this is taken instead:
//!
//! | missing | taken instead |
//! |---|---|
//! | the list of online CPUs | the CPU directories whose `online` file does not say 0 |
//! | every CPU directory | the CPUs the process may use, each a core of its own |
//! | the siblings of a CPU | a core of its own |
//! | the package of a CPU | the package is its node |
//! | an L2 cache | the L2 group is the core |
//! | an L3 cache | the L3 group is the part of the package in one node |
//! | every node | one node, number 0, with all CPUs and all memory |
//! | the node of a CPU | the node of another CPU in the same package, else the first node with CPUs |
//! | a row of distances, or one that does not fit the nodes | 10 to itself, 20 to others |
//! | the memory size of a node | 0 bytes; whether it has memory is what the kernel's list says, else it has |
//! | the capacity of a CPU | 1024, that of the strongest |
//! | a CPU quota | none |
//!
//! A CPU that two nodes claim stays with the lower-numbered one. Offline CPUs and CPUs that the process may not use do not
//! appear at all; a node none of whose CPUs can be used appears without CPUs, since its memory can be used.

mod caches;
mod cpu_set;
#[cfg(feature = "hwloc")]
mod hwloc;
mod nodes;
mod notes;
mod placement;
mod quota;
mod sysfs;
mod tree;
mod victims;

#[cfg(test)]
mod fixture;
#[cfg(all(test, feature = "hwloc"))]
mod hwloc_tests;
#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;

pub use cpu_set::CpuSet;
pub use notes::Notes;
pub use placement::{Placement, Proximity};
pub use quota::Quota;
pub use victims::Victims;

use crate::error::{Result, error};
use crate::os::affinity;
use crate::os::alloc::{Allocator, List};

/// A hardware thread this process may use. Groups are numbered from 0 without gaps and have no meaning but equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The kernel's number, the one to pin to.
    pub number: u32,
    /// The group of hardware threads that share a core.
    pub core: u32,
    /// Which of its core's usable hardware threads this is, from 0.
    pub thread: u32,
    /// The group that shares an L2 cache.
    pub l2: u32,
    /// The group that shares an L3 cache.
    pub l3: u32,
    /// The group in one package (socket).
    pub package: u32,
    /// The NUMA node, an index into [`Topology::nodes`] and not the kernel's number.
    pub node: u32,
    /// How strong the CPU is where there are several kinds; the strongest of the machine has 1024.
    pub capacity: u32,
}

/// A NUMA node: CPUs, memory, or both.
#[derive(Debug)]
pub struct Node {
    /// The kernel's number, the one memory policies take. Numbers may have gaps.
    pub number: u32,
    /// The usable CPUs of the node; empty for a node of memory only.
    pub cpus: CpuSet,
    /// Whether the node has memory.
    pub has_memory: bool,
    /// Whether the process may allocate there: a cpuset may forbid it.
    pub memory_allowed: bool,
    /// The memory of the node in bytes.
    pub memory_bytes: u64,
}

/// A cache as one CPU sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its size in bytes, all of it.
    pub bytes: u64,
    /// The size of a line in bytes.
    pub line_bytes: u32,
    /// How many hardware threads share it, those that this process may not use included.
    pub sharers: u32,
}

/// The caches to plan for. Where CPUs differ these are the ones with the least room for each sharer, so that what fits
/// here fits everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// The first level, for data.
    pub l1d: Option<Cache>,
    /// The second level.
    pub l2: Option<Cache>,
    /// The third level.
    pub l3: Option<Cache>,
}

/// A machine as this process may use it. There is always at least one CPU and one node.
#[derive(Debug)]
pub struct Topology {
    cpus: List<Cpu>,
    nodes: List<Node>,
    /// Row by row, from node to node.
    distances: List<u32>,
    caches: Caches,
    quota: Option<Quota>,
    notes: Notes,
}

impl Topology {
    /// Reads the machine this process runs on: the CPUs the calling thread may use.
    ///
    /// # Errors
    /// `OutOfMemory`; `Affinity` when the system will not tell which CPUs may be used.
    pub fn detect(allocator: Allocator) -> Result<Topology> {
        let allowed = CpuSet::from_words(affinity::allowed_cpus(allocator)?);
        sysfs::read(allocator, b"/", Some(&allowed), sysfs::Allowed::Certain, sysfs::describe)
    }

    /// Reads the machine whose `/sys` and `/proc` lie under `root`. Without `allowed` every online CPU is usable.
    ///
    /// # Errors
    /// `Io` or `Affinity`, naming the file, when there is no usable CPU; `InvalidArgument` when `root` is no path;
    /// `OutOfMemory`.
    pub fn read(allocator: Allocator, root: impl AsRef<[u8]>, allowed: Option<&CpuSet>) -> Result<Topology> {
        sysfs::read(allocator, root.as_ref(), allowed, sysfs::Allowed::Asked, sysfs::describe)
    }

    /// As [`detect`](Self::detect), with the groups, the caches and the node of each CPU as libhwloc tells them; what it does
    /// not tell is read from the kernel's files. libhwloc looks at its own environment variables: where `HWLOC_FSROOT` names
    /// the root of a recorded machine, that one is read, with all of its online CPUs.
    ///
    /// The two readers agree on every machine known, but for two oddities that their tests explain.
    ///
    /// # Errors
    /// As [`detect`](Self::detect); `Io` when libhwloc cannot read the machine.
    #[cfg(feature = "hwloc")]
    pub fn detect_with_hwloc(allocator: Allocator) -> Result<Topology> {
        use std::os::unix::ffi::OsStrExt;
        match std::env::var_os("HWLOC_FSROOT") {
            Some(root) => sysfs::read(allocator, root.as_bytes(), None, sysfs::Allowed::Asked, hwloc::describe),
            None => {
                let allowed = CpuSet::from_words(affinity::allowed_cpus(allocator)?);
                sysfs::read(allocator, b"/", Some(&allowed), sysfs::Allowed::Certain, hwloc::describe)
            }
        }
    }

    /// The same machine for who may use those of its CPUs that are in `chosen`. All nodes are there still, since their memory can be used.
    ///
    /// # Errors
    /// `InvalidArgument` when none is chosen that is usable; `OutOfMemory`.
    pub fn only(&self, allocator: Allocator, chosen: &CpuSet) -> Result<Topology> {
        let mut cpus = List::with_capacity(allocator, self.cpus.len())?;
        for cpu in self.cpus.iter().filter(|cpu| chosen.contains(cpu.number)) {
            cpus.push(*cpu)?;
        }
        if cpus.is_empty() {
            return Err(error!(
                InvalidArgument,
                "the CPUs {chosen} were chosen, and the process may use none of them; choose some of its own"
            ));
        }
        let groups: [fn(&mut Cpu) -> &mut u32; 4] =
            [|cpu| &mut cpu.core, |cpu| &mut cpu.l2, |cpu| &mut cpu.l3, |cpu| &mut cpu.package];
        for group in groups {
            close_gaps(allocator, &mut cpus, group)?;
        }
        for index in 0..cpus.len() {
            cpus[index].thread = cpus[..index].iter().filter(|cpu| cpu.core == cpus[index].core).count() as u32;
        }
        let mut nodes = List::with_capacity(allocator, self.nodes.len())?;
        for node in self.nodes.iter() {
            let mut left = node.cpus.try_clone()?;
            left.intersect(chosen);
            nodes.push(Node { cpus: left, ..*node })?;
        }
        Ok(Topology {
            cpus,
            nodes,
            distances: List::from_slice(allocator, &self.distances)?,
            caches: self.caches,
            quota: self.quota,
            notes: self.notes.try_clone(allocator)?,
        })
    }

    /// The usable CPUs, ascending by number.
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// The CPU with this number, if it is usable.
    pub fn cpu(&self, number: u32) -> Option<&Cpu> {
        self.cpus.binary_search_by_key(&number, |cpu| cpu.number).ok().map(|index| &self.cpus[index])
    }

    /// The other usable hardware threads of a CPU's core; none for a CPU that is not usable.
    pub fn siblings(&self, number: u32) -> impl Iterator<Item = &Cpu> {
        let core = self.cpu(number).map(|cpu| cpu.core);
        self.cpus.iter().filter(move |cpu| Some(cpu.core) == core && cpu.number != number)
    }

    /// How many cores have a usable CPU.
    pub fn core_count(&self) -> usize {
        self.cpus.iter().filter(|cpu| cpu.thread == 0).count()
    }

    /// The nodes, ascending by number.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The index of the node with the kernel's number, if there is one.
    pub fn node_with_number(&self, number: u32) -> Option<usize> {
        self.nodes.iter().position(|node| node.number == number)
    }

    /// How far node `to` is from node `from`, both indices into [`nodes`](Self::nodes), as the firmware tells it: 10 is
    /// local, 20 about twice as slow. The way back may differ. `None` when there is no such node.
    pub fn node_distance(&self, from: usize, to: usize) -> Option<u32> {
        let count = self.nodes.len();
        (from < count && to < count).then(|| self.distances[from * count + to])
    }

    /// The node whose memory is the nearest for CPUs of node `from` that this process may allocate on: the node itself
    /// when it has memory. `None` when there is no such node, or none with memory.
    pub fn nearest_memory(&self, from: usize) -> Option<usize> {
        (0..self.nodes.len())
            .filter(|&to| self.nodes[to].has_memory && self.nodes[to].memory_allowed)
            .filter_map(|to| Some((self.node_distance(from, to)?, to != from, to)))
            .min()
            .map(|(_, _, to)| to)
    }

    /// The node with usable CPUs that is the nearest to node `to`: the node itself when it has CPUs. `None` when there is no
    /// such node.
    pub fn nearest_cpus(&self, to: usize) -> Option<usize> {
        (0..self.nodes.len())
            .filter(|&from| !self.nodes[from].cpus.is_empty())
            .filter_map(|from| Some((self.node_distance(from, to)?, from != to, from)))
            .min()
            .map(|(_, _, from)| from)
    }

    /// The caches to plan for.
    pub fn caches(&self) -> &Caches {
        &self.caches
    }

    /// The CPU time the process is granted, if it is limited.
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// What was missing or odd.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// How many workers keep the process busy: one for each usable CPU, but no more than the quota lets run. Never 0.
    pub fn default_worker_count(&self) -> usize {
        let granted = self.quota.map_or(usize::MAX, |quota| quota.cpus() as usize);
        self.cpus.len().min(granted).max(1)
    }
}

/// Numbers the groups that are left from 0 on.
fn close_gaps(allocator: Allocator, cpus: &mut [Cpu], group: fn(&mut Cpu) -> &mut u32) -> Result<()> {
    let mut known = List::with_capacity(allocator, cpus.len())?;
    for cpu in cpus.iter_mut() {
        known.push(*group(cpu))?;
    }
    known.sort_unstable();
    let mut count = 0;
    for index in 0..known.len() {
        if index == 0 || known[index] != known[count - 1] {
            known[count] = known[index];
            count += 1;
        }
    }
    known.truncate(count);
    for cpu in cpus.iter_mut() {
        // Every group is known, from a moment ago.
        let number = known.partition_point(|&other| other < *group(cpu));
        *group(cpu) = number as u32;
    }
    Ok(())
}
