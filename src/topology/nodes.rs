//! The NUMA nodes: their CPUs, their memory, and how far they are from one another.

use crate::error::{Result, Status};
use crate::os::alloc::List;
use crate::topology::cpu_set::{CpuSet, number, trim};
use crate::topology::notes::Tally;
use crate::topology::sysfs::{UNKNOWN, position};
use crate::topology::tree::{Format, Tree};
use crate::topology::{Cpu, Node};

const NODE: &str = "/sys/devices/system/node";

/// The kernel's own limit of nodes; a node list that names more is broken.
const NODE_LIMIT: usize = 1024;

/// The distances a machine has that tells none: to itself, and to any other node.
const DEFAULT_DISTANCE: (u32, u32) = (10, 20);

/// Reads the nodes and sets the node of each CPU.
pub(super) fn read(tree: &mut Tree, usable: &CpuSet, cpus: &mut [Cpu]) -> Result<(List<Node>, List<u32>)> {
    let allocator = tree.allocator();
    let online = match tree.set(format_args!("{NODE}/online"), Format::List)? {
        Some(online) if !online.is_empty() => Some(online),
        _ => tree.numbered_entries(NODE, "node")?,
    };
    let online = match online {
        Some(online) if online.len() > NODE_LIMIT => {
            tree.notes.add(format_args!("{NODE}/online names {} nodes; taken as missing", online.len()))?;
            CpuSet::new(allocator)
        }
        online => online.unwrap_or(CpuSet::new(allocator)),
    };
    let with_memory = tree.set(format_args!("{NODE}/has_memory"), Format::List)?;
    let memory_allowed = allowed_memory(tree)?;
    let mut nodes = List::new(allocator);
    let mut claimed_twice = Tally::new();
    for number in online.iter() {
        let mut claimed = match tree.set(format_args!("{NODE}/node{number}/cpulist"), Format::List)? {
            Some(list) => list,
            None => match tree.set(format_args!("{NODE}/node{number}/cpumap"), Format::Mask)? {
                Some(mask) => mask,
                None => {
                    tree.notes.add(format_args!("{NODE}/node{number} does not tell its CPUs; left out"))?;
                    continue;
                }
            },
        };
        claimed.intersect(usable);
        let mut own = CpuSet::new(allocator);
        for cpu in claimed.iter() {
            match position(cpus, cpu) {
                Some(index) if cpus[index].node == UNKNOWN => {
                    cpus[index].node = nodes.len() as u32;
                    own.insert(cpu)?;
                }
                _ => claimed_twice.count(cpu),
            }
        }
        let memory = match tree.text(format_args!("{NODE}/node{number}/meminfo"))? {
            Some(text) => memory_total(text),
            None => None,
        };
        if memory.is_none() {
            tree.notes.add(format_args!("{NODE}/node{number}/meminfo does not tell how much memory there is"))?;
        }
        nodes.push(Node {
            number,
            cpus: own,
            has_memory: match (memory, &with_memory) {
                (Some(bytes), _) => bytes > 0,
                (None, Some(with_memory)) => with_memory.contains(number),
                (None, None) => true,
            },
            memory_allowed: memory_allowed.as_ref().is_none_or(|allowed| allowed.contains(number)),
            memory_bytes: memory.unwrap_or(0),
        })?;
    }
    claimed_twice.report(
        &mut tree.notes,
        "claimed by more than one NUMA node: the nodes overlap, which no machine does; kept in the lowest-numbered",
    )?;
    if nodes.is_empty() {
        nodes.push(only_node(tree, usable, cpus)?)?;
    }
    place_homeless(tree, &mut nodes, cpus)?;
    if tree.text(format_args!("/proc/cmdline"))?.is_some_and(is_emulated) {
        tree.notes.add(format_args!("/proc/cmdline: the kernel was told to make the nodes up (numa=fake)"))?;
    }
    let distances = read_distances(tree, &online, &nodes)?;
    Ok((nodes, distances))
}

fn only_node(tree: &mut Tree, usable: &CpuSet, cpus: &mut [Cpu]) -> Result<Node> {
    tree.notes.add(format_args!("{NODE}: no node is described; all CPUs and all memory are taken as node 0"))?;
    cpus.iter_mut().for_each(|cpu| cpu.node = 0);
    let memory = match tree.text(format_args!("/proc/meminfo"))? {
        Some(text) => memory_total(text),
        None => None,
    };
    Ok(Node {
        number: 0,
        cpus: usable.try_clone()?,
        has_memory: true,
        memory_allowed: true,
        memory_bytes: memory.unwrap_or(0),
    })
}

/// Gives CPUs that no node claims a node.
fn place_homeless(tree: &mut Tree, nodes: &mut [Node], cpus: &mut [Cpu]) -> Result<()> {
    let first_with_cpus = nodes.iter().position(|node| !node.cpus.is_empty()).unwrap_or(0) as u32;
    // The node of each package: a handful, so that looking through them is quick.
    let mut node_of_package: List<(u32, u32)> = List::new(tree.allocator());
    for cpu in cpus.iter().filter(|cpu| cpu.node != UNKNOWN && cpu.package != UNKNOWN) {
        if node_of_package.iter().all(|&(package, _)| package != cpu.package) {
            node_of_package.push((cpu.package, cpu.node))?;
        }
    }
    let mut homeless = Tally::new();
    for cpu in cpus.iter_mut().filter(|cpu| cpu.node == UNKNOWN) {
        let neighbours = node_of_package.iter().find(|&&(package, _)| package == cpu.package);
        cpu.node = neighbours.map_or(first_with_cpus, |&(_, node)| node);
        nodes[cpu.node as usize].cpus.insert(cpu.number)?;
        homeless.count(cpu.number);
    }
    homeless.report(
        &mut tree.notes,
        "claimed by no NUMA node; put where the rest of its package is, or else in the first node",
    )
}

/// Whether the kernel's command line asks for emulated nodes.
fn is_emulated(command_line: &[u8]) -> bool {
    command_line.split(|&byte| byte.is_ascii_whitespace()).any(|word| word.starts_with(b"numa=fake"))
}

/// The bytes in a line such as `MemTotal: 8386704 kB`, with or without `Node 0` before it.
fn memory_total(text: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"MemTotal:";
    let line = text.split(|&byte| byte == b'\n').find_map(|line| {
        let start = line.windows(NAME.len()).position(|window| window == NAME)?;
        Some(trim(&line[start + NAME.len()..]))
    })?;
    let kilobytes = number::<u64>(trim(line.strip_suffix(b"kB").unwrap_or(line)))?;
    kilobytes.checked_mul(1024)
}

/// The nodes on which the process may allocate, if that is told.
fn allowed_memory(tree: &mut Tree) -> Result<Option<CpuSet>> {
    const NAME: &[u8] = b"Mems_allowed_list:";
    let allocator = tree.allocator();
    let Some(text) = tree.text(format_args!("/proc/self/status"))? else { return Ok(None) };
    let Some(list) = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(NAME)) else {
        return Ok(None);
    };
    match CpuSet::parse_list(allocator, list, &"/proc/self/status") {
        Ok(set) if !set.is_empty() => Ok(Some(set)),
        Err(error) if error.status() == Status::OutOfMemory => Err(error),
        _ => tree.note_malformed("a line Mems_allowed_list: with the numbers of nodes"),
    }
}

/// The distance from every node to every node, row by row.
fn read_distances(tree: &mut Tree, online: &CpuSet, nodes: &[Node]) -> Result<List<u32>> {
    // A row has a column for each online node; some trees, recorded with nodes offline, have one for each possible node.
    let possible = tree.set(format_args!("{NODE}/possible"), Format::List)?;
    let mut distances = List::with_capacity(tree.allocator(), nodes.len() * nodes.len())?;
    let mut without = Tally::new();
    for (from, node) in nodes.iter().enumerate() {
        let start = distances.len();
        let row = tree.text(format_args!("{NODE}/node{}/distance", node.number))?.unwrap_or(b"");
        let entries = || row.split(|byte| byte.is_ascii_whitespace()).filter(|entry| !entry.is_empty());
        let columns =
            [Some(online), possible.as_ref()].into_iter().flatten().find(|set| set.len() == entries().count());
        for to in nodes {
            let entry = columns
                .and_then(|columns| columns.iter().position(|column| column == to.number))
                .and_then(|column| entries().nth(column))
                .and_then(number::<u32>);
            match entry {
                Some(distance) if distance > 0 => distances.push(distance)?,
                _ => break,
            }
        }
        if distances.len() < start + nodes.len() {
            distances.truncate(start);
            for to in 0..nodes.len() {
                distances.push(if to == from { DEFAULT_DISTANCE.0 } else { DEFAULT_DISTANCE.1 })?;
            }
            // One node alone has nothing to be far from.
            if nodes.len() > 1 {
                without.count(node.number);
            }
        }
    }
    if let Some((first, count)) = without.found() {
        tree.notes.add(format_args!(
            "{NODE}/node{first}/distance (and {} more): no distance for each node; 10 and 20 are taken",
            count - 1
        ))?;
    }
    Ok(distances)
}
