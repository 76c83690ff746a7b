//! `vgpu-pool topology`: the machine as text and as JSON.

use crate::draw::{Bytes, Group, Kind, tree};
use serde_json::{Value, json};
use std::fmt::Write;
use vgpu_pool::error::Result;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::topology::{Cache, Topology};

/// The machine under `root`, or this one.
pub(crate) fn read(root: Option<&str>) -> Result<Topology> {
    match root {
        Some(root) => Topology::read(Allocator::SYSTEM, root, None),
        None => Topology::detect(Allocator::SYSTEM),
    }
}

pub(crate) fn text(machine: &Topology) -> String {
    let mut text = String::new();
    let root = tree(machine);
    line(&mut text, 0, &root);
    distances(&mut text, machine);
    if let Some(l1d) = machine.caches().l1d {
        _ = writeln!(text, "L1 data cache: {}, lines of {} bytes", Bytes(l1d.bytes), l1d.line_bytes);
    }
    if let Some(quota) = machine.quota() {
        let (quota_us, period_us) = (quota.quota_us, quota.period_us);
        _ = writeln!(text, "CPU quota: {quota_us} of every {period_us} microseconds");
    }
    _ = writeln!(text, "Workers by default: {}", machine.default_worker_count());
    for note in machine.notes().iter() {
        _ = writeln!(text, "Note: {note}");
    }
    if machine.notes().omitted() > 0 {
        _ = writeln!(text, "Note: {} more of the kind", machine.notes().omitted());
    }
    text
}

/// A group, and what is in it below; a group with one group in it shares its line, and CPUs stand in the line of their core.
fn line(text: &mut String, depth: usize, group: &Group) {
    _ = write!(text, "{:indent$}{}", "", group.name, indent = 2 * depth);
    let mut last = group;
    while let [only] = &last.inside[..]
        && last.kind != Kind::Machine
        && only.kind != Kind::Cpu
    {
        _ = write!(text, " + {}", only.name);
        last = only;
    }
    if last.inside.iter().any(|inner| inner.kind == Kind::Cpu) {
        let numbers: Vec<&str> = last.inside.iter().map(|cpu| cpu.name.trim_start_matches("CPU ")).collect();
        _ = write!(text, ": CPU {}", numbers.join(", "));
        text.push('\n');
        return;
    }
    text.push('\n');
    last.inside.iter().for_each(|inner| line(text, depth + 1, inner));
}

fn distances(text: &mut String, machine: &Topology) {
    let nodes = machine.nodes();
    if nodes.len() < 2 {
        return;
    }
    text.push_str("Distances from node (row) to node (column):\n     ");
    nodes.iter().for_each(|node| _ = write!(text, "{:>5}", node.number));
    text.push('\n');
    for (from, node) in nodes.iter().enumerate() {
        _ = write!(text, "{:>5}", node.number);
        (0..nodes.len()).for_each(|to| _ = write!(text, "{:>5}", machine.node_distance(from, to).unwrap_or(0)));
        text.push('\n');
    }
}

fn cache(cache: Option<Cache>) -> Value {
    cache.map_or(
        Value::Null,
        |cache| json!({ "bytes": cache.bytes, "line_bytes": cache.line_bytes, "sharers": cache.sharers }),
    )
}

pub(crate) fn json(machine: &Topology) -> Value {
    let cpus = machine.cpus().iter().map(|cpu| {
        json!({
            "number": cpu.number, "core": cpu.core, "thread": cpu.thread, "l2": cpu.l2, "l3": cpu.l3,
            "package": cpu.package, "node": machine.nodes()[cpu.node as usize].number, "capacity": cpu.capacity,
        })
    });
    let nodes = machine.nodes().iter().enumerate().map(|(from, node)| {
        let distances = (0..machine.nodes().len()).map(|to| machine.node_distance(from, to));
        json!({
            "number": node.number,
            "cpus": node.cpus.iter().collect::<Vec<_>>(),
            "has_memory": node.has_memory,
            "memory_allowed": node.memory_allowed,
            "memory_bytes": node.memory_bytes,
            "nearest_memory": machine.nearest_memory(from).map(|index| machine.nodes()[index].number),
            "distances": distances.collect::<Vec<_>>(),
        })
    });
    let caches = machine.caches();
    json!({
        "cpus": cpus.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
        "caches": { "l1d": cache(caches.l1d), "l2": cache(caches.l2), "l3": cache(caches.l3) },
        "quota": machine.quota().map(|quota| json!({ "quota_us": quota.quota_us, "period_us": quota.period_us })),
        "default_worker_count": machine.default_worker_count(),
        "notes": machine.notes().iter().collect::<Vec<_>>(),
    })
}
