//! The CPUs that a pool is made for, where the program has chosen some: by node, by number, or by both.

use super::config::Config;
use crate::error::{Result, error};
use crate::os::mempolicy::NodeMask;
use crate::topology::{CpuSet, Topology};

/// The chosen CPUs, or `None` where nothing is chosen. All of them are usable, and there is one at least.
///
/// Errors: `InvalidArgument`, naming what cannot be had; `OutOfMemory`.
pub(super) fn chosen_cpus(config: &Config<'_>, machine: &Topology) -> Result<Option<CpuSet>> {
    if config.cpus.is_none() && config.nodes.is_empty() {
        return Ok(None);
    }
    if config.on_caller.is_some() {
        return Err(error!(
            InvalidArgument,
            "nodes or CPUs were chosen for a pool that runs on its maker, which is where it is; choose none, or pin that thread"
        ));
    }
    let mut chosen = CpuSet::new(config.allocator);
    for cpu in machine.cpus() {
        chosen.insert(cpu.number)?;
    }
    if let Some(cpus) = config.cpus {
        if let Some(missing) = cpus.iter().find(|&cpu| machine.cpu(cpu).is_none()) {
            return Err(error!(
                InvalidArgument,
                "CPU {missing} was chosen for a pool, and it is offline, not there, or not this process's; the process may use {chosen}"
            ));
        }
        if cpus.is_empty() {
            return Err(error!(
                InvalidArgument,
                "a set of no CPUs was chosen for a pool; choose one at least of {chosen}"
            ));
        }
        chosen.intersect(cpus);
    }
    if !config.nodes.is_empty() {
        let mut in_nodes = CpuSet::new(config.allocator);
        for &number in config.nodes {
            for cpu in cpus_of(machine, number)?.iter() {
                in_nodes.insert(cpu)?;
            }
        }
        if chosen.iter().all(|cpu| !in_nodes.contains(cpu)) {
            return Err(error!(
                InvalidArgument,
                "the CPUs {chosen} and nodes whose CPUs are {in_nodes} were chosen for a pool, and they have none in common; choose either"
            ));
        }
        chosen.intersect(&in_nodes);
    }
    Ok(Some(chosen))
}

fn cpus_of(machine: &Topology, number: u32) -> Result<&CpuSet> {
    let with_cpus =
        || NodeMask::of(machine.nodes().iter().filter(|node| !node.cpus.is_empty()).map(|node| node.number));
    match machine.node_with_number(number).map(|index| &machine.nodes()[index].cpus) {
        Some(cpus) if !cpus.is_empty() => Ok(cpus),
        Some(_) => Err(error!(
            InvalidArgument,
            "node {number} was chosen for a pool, and it has no CPU that this process may use; those that have are {}",
            with_cpus()
        )),
        None => Err(error!(
            InvalidArgument,
            "node {number} was chosen for a pool, and this machine has no such node; those with CPUs are {}",
            with_cpus()
        )),
    }
}
