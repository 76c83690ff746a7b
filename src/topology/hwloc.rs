//! The second reader: which CPUs share a core, a cache, a package or a node, as libhwloc sees it.
//!
//! What libhwloc tells through the `hwloc2` crate is less than a [`Topology`](super::Topology) holds: no list of nodes with
//! their memory, no distances, no quota. Those come from the kernel's files here too. So this reader is a second opinion on
//! the groups, the caches, and the node of each CPU.
//!
//! The crate's safe face is not safe everywhere. Printing or naming an object corrupts memory, sets of CPUs may outlive the
//! topology they point into, and asking for the objects of type `NUMANode` panics. What is used here, and nothing else, was
//! checked against libhwloc 2.9: the objects of type `PU`, `parent`, `object_type`, `os_index`, `nodeset` and `cpuset` while
//! the topology lives, and `cache_attributes` of objects that are caches.

use crate::error::{Result, error};
use crate::os::alloc::List;
use crate::topology::caches::{self, Groups, consider};
use crate::topology::notes::Tally;
use crate::topology::sysfs::{UNKNOWN, number_packages, position};
use crate::topology::tree::Tree;
use crate::topology::{Cache, Caches, Cpu, Node};
use hwloc2::{ObjectType, TopologyFlag, TopologyObject};

/// The group with this object, numbered in the order of first sight.
fn group_of(seen: &mut List<*const TopologyObject>, object: &TopologyObject) -> Result<u32> {
    let address = &raw const *object;
    if let Some(index) = seen.iter().position(|&other| other == address) {
        return Ok(index as u32);
    }
    seen.push(address)?;
    Ok(seen.len() as u32 - 1)
}

/// Sets the core, cache and package groups and the node of each CPU, and finds the caches to plan for.
pub(super) fn describe(tree: &mut Tree, cpus: &mut [Cpu], nodes: &mut [Node]) -> Result<Caches> {
    // CPUs that a cgroup forbids are told too: which of them may be used is known already.
    let Some(machine) = hwloc2::Topology::with_flags(std::vec![TopologyFlag::IncludeDisallowed]) else {
        return Err(error!(Io, "libhwloc cannot read this machine; is HWLOC_FSROOT, if set, the root of one?"));
    };
    let Ok(units) = machine.objects_with_type(&ObjectType::PU) else {
        return Err(error!(Io, "libhwloc knows no CPU of this machine; use the reader of the kernel's files"));
    };
    let new = || List::new(tree.allocator());
    let (mut cores, mut l2s, mut l3s, mut packages) = (new(), new(), new(), new());
    let mut caches = Caches::default();
    let mut differ = false;
    let (mut l2, mut l3) = (Groups::new(tree, cpus)?, Groups::new(tree, cpus)?);
    cpus.iter_mut().for_each(|cpu| cpu.package = UNKNOWN);
    for unit in units {
        let Some(index) = position(cpus, unit.os_index()) else { continue };
        place_in_node(&mut cpus[index], unit, nodes)?;
        let mut ancestor = unit.parent();
        while let Some(object) = ancestor {
            let slot = match object.object_type() {
                ObjectType::Core => {
                    cpus[index].core = group_of(&mut cores, object)?;
                    None
                }
                ObjectType::Package => {
                    cpus[index].package = group_of(&mut packages, object)?;
                    None
                }
                ObjectType::L1Cache => Some(&mut caches.l1d),
                ObjectType::L2Cache => {
                    l2.of[index] = group_of(&mut l2s, object)?;
                    Some(&mut caches.l2)
                }
                ObjectType::L3Cache => {
                    l3.of[index] = group_of(&mut l3s, object)?;
                    Some(&mut caches.l3)
                }
                _ => None,
            };
            if let Some(slot) = slot {
                differ |= consider(slot, cache_of(object));
            }
            ancestor = object.parent();
        }
    }
    (l2.count, l3.count) = (l2s.len() as u32, l3s.len() as u32);
    number_packages(tree, cpus)?;
    let mut without = Tally::new();
    let mut core_count = cores.len() as u32;
    for cpu in cpus.iter_mut().filter(|cpu| cpu.core == UNKNOWN) {
        cpu.core = core_count;
        core_count += 1;
        without.count(cpu.number);
    }
    without.report(&mut tree.notes, "libhwloc tells no core; a core of its own is taken")?;
    number_threads(tree, cpus, core_count)?;
    caches::finish(tree, cpus, l2, l3, caches, differ)
}

/// Puts a CPU where libhwloc has it. Of several nodes that are local to a CPU, such as one of each kind of memory, the lowest
/// counts. Where libhwloc names none, since it hides nodes without memory, the kernel's word stays.
fn place_in_node(cpu: &mut Cpu, unit: &TopologyObject, nodes: &mut [Node]) -> Result<()> {
    let Some(local) = unit.nodeset() else { return Ok(()) };
    let Some(node) = nodes.iter().position(|node| local.is_set(node.number)) else { return Ok(()) };
    if node as u32 != cpu.node {
        nodes[cpu.node as usize].cpus.remove(cpu.number);
        nodes[node].cpus.insert(cpu.number)?;
        cpu.node = node as u32;
    }
    Ok(())
}

/// The hardware threads of each core, in the order of their numbers.
fn number_threads(tree: &Tree, cpus: &mut [Cpu], cores: u32) -> Result<()> {
    let mut next = List::with_capacity(tree.allocator(), cores as usize)?;
    for _ in 0..cores {
        next.push(0)?;
    }
    for cpu in cpus {
        cpu.thread = next[cpu.core as usize];
        next[cpu.core as usize] += 1;
    }
    Ok(())
}

fn cache_of(object: &TopologyObject) -> Option<Cache> {
    let attributes = object.cache_attributes()?;
    let sharers = object.cpuset().map_or(1, |set| set.weight().max(1) as u32);
    (attributes.size > 0).then_some(Cache { bytes: attributes.size, line_bytes: attributes.linesize, sharers })
}
