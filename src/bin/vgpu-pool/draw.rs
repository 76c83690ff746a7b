//! A machine as a tree of groups, each inside the next larger one, for the text and the drawing.

use std::fmt;
use vgpu_pool::topology::{Cache, Cpu, Topology};

/// A group of CPUs, or one CPU.
#[derive(Debug)]
pub(crate) struct Group {
    /// What it is, such as `Node 1, 32 GiB`.
    pub(crate) name: String,
    /// Which kind of group, for its colour.
    pub(crate) kind: Kind,
    /// What is in it; nothing for a CPU and for a node of memory only.
    pub(crate) inside: Vec<Group>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Machine,
    Package,
    Node,
    L3,
    L2,
    Core,
    Cpu,
}

/// Bytes with the largest unit that leaves a whole number or two digits after the point.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut unit = 0;
        let mut scale = 1u64;
        while unit + 1 < units.len() && self.0 / scale >= 1024 {
            scale *= 1024;
            unit += 1;
        }
        match self.0.is_multiple_of(scale) {
            true => write!(f, "{} {}", self.0 / scale, units[unit]),
            false => write!(f, "{:.1} {}", self.0 as f64 / scale as f64, units[unit]),
        }
    }
}

/// The machine as a tree. Where one node has several packages the node is outside, else the package.
pub(crate) fn tree(machine: &Topology) -> Group {
    let packages = machine.cpus().iter().map(|cpu| cpu.package).max().map_or(0, |last| last as usize + 1);
    let nodes = machine.nodes().iter().filter(|node| !node.cpus.is_empty()).count();
    let levels: &[Kind] = match packages > nodes {
        true => &[Kind::Node, Kind::Package, Kind::L3, Kind::L2, Kind::Core, Kind::Cpu],
        false => &[Kind::Package, Kind::Node, Kind::L3, Kind::L2, Kind::Core, Kind::Cpu],
    };
    let cpus: Vec<&Cpu> = machine.cpus().iter().collect();
    let mut inside = split(machine, levels, &cpus);
    let without_cpus = machine.nodes().iter().enumerate().filter(|(_, node)| node.cpus.is_empty());
    inside.extend(without_cpus.map(|(index, _)| Group {
        name: node_name(machine, index),
        kind: Kind::Node,
        inside: vec![],
    }));
    Group { name: summary(machine), kind: Kind::Machine, inside }
}

/// The machine in one line.
fn summary(machine: &Topology) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let packages = machine.cpus().iter().map(|cpu| cpu.package).max().map_or(0, |last| last as usize + 1);
    let bytes = machine.nodes().iter().map(|node| node.memory_bytes).sum();
    format!(
        "Machine: {}, {}, {}, {}, {}",
        count(machine.cpus().len(), "CPU"),
        count(machine.core_count(), "core"),
        count(packages, "package"),
        count(machine.nodes().len(), "node"),
        Bytes(bytes)
    )
}

fn node_name(machine: &Topology, index: usize) -> String {
    let node = &machine.nodes()[index];
    let memory = match (node.has_memory, node.memory_allowed) {
        (true, true) => Bytes(node.memory_bytes).to_string(),
        (true, false) => format!("{} not allowed", Bytes(node.memory_bytes)),
        (false, _) => "no memory".to_owned(),
    };
    let kind = if node.cpus.is_empty() { ", no CPUs" } else { "" };
    format!("Node {}, {memory}{kind}", node.number)
}

fn cache_name(level: &str, cache: Option<Cache>) -> String {
    // The sizes are those planned for: the tightest of the machine.
    cache.map_or(format!("{level} group"), |cache| format!("{level}, {}", Bytes(cache.bytes)))
}

fn split(machine: &Topology, levels: &[Kind], cpus: &[&Cpu]) -> Vec<Group> {
    let Some((&kind, smaller)) = levels.split_first() else { return vec![] };
    let key = |cpu: &Cpu| match kind {
        Kind::Machine => 0,
        Kind::Package => cpu.package,
        Kind::Node => cpu.node,
        Kind::L3 => cpu.l3,
        Kind::L2 => cpu.l2,
        Kind::Core => cpu.core,
        Kind::Cpu => cpu.number,
    };
    let mut keys: Vec<u32> = Vec::new();
    for cpu in cpus {
        if !keys.contains(&key(cpu)) {
            keys.push(key(cpu));
        }
    }
    let groups = keys.into_iter().map(|number| {
        let own: Vec<&Cpu> = cpus.iter().copied().filter(|cpu| key(cpu) == number).collect();
        let name = match kind {
            Kind::Machine => String::new(),
            Kind::Package => format!("Package {number}"),
            Kind::Node => node_name(machine, number as usize),
            Kind::L3 => cache_name("L3", machine.caches().l3),
            Kind::L2 => cache_name("L2", machine.caches().l2),
            Kind::Core => format!("Core {number}"),
            Kind::Cpu => format!("CPU {number}"),
        };
        Group { name, kind, inside: split(machine, smaller, &own) }
    });
    groups.collect()
}
