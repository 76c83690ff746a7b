//! The reader of the kernel's own files. It starts no program, loads no library, and takes any tree laid out like `/sys`
//! and `/proc`; what it takes instead of missing things is written in the [module's opening](super).

use crate::error::{Result, error};
use crate::os::alloc::{Allocator, List};
use crate::topology::cpu_set::CpuSet;
use crate::topology::notes::Tally;
use crate::topology::tree::{Format, Tree};
use crate::topology::{Caches, Cpu, Node, Topology, caches, nodes, quota};

pub(super) const CPU: &str = "/sys/devices/system/cpu";

/// A group or node not known yet.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The capacity the kernel gives the strongest CPU.
const FULL_CAPACITY: u32 = 1024;

/// What the caller's set of allowed CPUs is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// The kernel has named it for the calling thread: where the files disagree, the files are wrong.
    Certain,
    /// A wish, which may not fit the machine.
    Asked,
}

/// Sets the groups of CPUs whose nodes and kernel's package numbers are known, and finds the caches to plan for.
pub(super) type Describe = fn(&mut Tree, &mut [Cpu], &mut [Node]) -> Result<Caches>;

/// The groups as the kernel's files tell them.
pub(super) fn describe(tree: &mut Tree, cpus: &mut [Cpu], _: &mut [Node]) -> Result<Caches> {
    number_packages(tree, cpus)?;
    read_cores(tree, cpus)?;
    caches::read(tree, cpus)
}

pub(super) fn read(
    allocator: Allocator,
    root: &[u8],
    allowed: Option<&CpuSet>,
    certainty: Allowed,
    describe: Describe,
) -> Result<Topology> {
    let mut tree = Tree::new(allocator, root)?;
    let usable = usable_cpus(&mut tree, allowed, certainty)?;
    let mut cpus = List::with_capacity(allocator, usable.len())?;
    for number in usable.iter() {
        let none = UNKNOWN;
        cpus.push(Cpu {
            number,
            core: none,
            thread: 0,
            l2: none,
            l3: none,
            package: none,
            node: none,
            capacity: none,
        })?;
    }
    // The kernel's package numbers stand in `package` until every CPU has its node; then they become group numbers.
    for cpu in cpus.iter_mut() {
        let package = tree.number(format_args!("{CPU}/cpu{}/topology/physical_package_id", cpu.number))?;
        cpu.package = package.unwrap_or(UNKNOWN);
    }
    let (mut nodes, distances) = nodes::read(&mut tree, &usable, &mut cpus)?;
    let caches = describe(&mut tree, &mut cpus, &mut nodes)?;
    read_capacities(&mut tree, &mut cpus)?;
    let quota = quota::read(&mut tree)?;
    Ok(Topology { cpus, nodes, distances, caches, quota, notes: tree.notes })
}

/// The CPUs that are online and may be used; at least one.
fn usable_cpus(tree: &mut Tree, allowed: Option<&CpuSet>, certainty: Allowed) -> Result<CpuSet> {
    let online = match tree.set(format_args!("{CPU}/online"), Format::List)? {
        Some(online) if !online.is_empty() => Some(online),
        _ => {
            tree.notes.add(format_args!("{CPU}/online does not say which CPUs are online; the CPU directories do"))?;
            online_directories(tree)?
        }
    };
    let path = tree.path_of(CPU)?;
    match (online, allowed) {
        (Some(online), None) if !online.is_empty() => Ok(online),
        (Some(mut online), Some(allowed)) => {
            let mut missing = allowed.try_clone()?;
            online.iter().for_each(|cpu| missing.remove(cpu));
            if !missing.is_empty() {
                tree.notes.add(format_args!("CPUs {missing} may be used but are not online"))?;
            }
            online.intersect(allowed);
            match online.is_empty() {
                false => Ok(online),
                true if certainty == Allowed::Certain && !allowed.is_empty() => {
                    tree.notes.add(format_args!("{path}: no CPU which may be used is online; {allowed} is taken"))?;
                    allowed.try_clone()
                }
                true => {
                    Err(error!(Affinity, "{path}: none of the CPUs asked for ({allowed}) is online; ask for others"))
                }
            }
        }
        (None, Some(allowed)) if !allowed.is_empty() => {
            tree.notes
                .add(format_args!("{path}: no CPU is described; those which may be used ({allowed}) are taken"))?;
            allowed.try_clone()
        }
        _ => Err(error!(Io, "{path}: no online CPU is described there; is this the root of a machine's /sys?")),
    }
}

fn online_directories(tree: &mut Tree) -> Result<Option<CpuSet>> {
    let Some(mut cpus) = tree.numbered_entries(CPU, "cpu")? else { return Ok(None) };
    let mut offline = CpuSet::new(tree.allocator());
    for cpu in cpus.iter() {
        if tree.text(format_args!("{CPU}/cpu{cpu}/online"))? == Some(b"0") {
            offline.insert(cpu)?;
        }
    }
    offline.iter().for_each(|cpu| cpus.remove(cpu));
    Ok(Some(cpus))
}

/// The index of the CPU with this number.
pub(super) fn position(cpus: &[Cpu], number: u32) -> Option<usize> {
    cpus.binary_search_by_key(&number, |cpu| cpu.number).ok()
}

/// Turns the kernel's package numbers into groups.
pub(super) fn number_packages(tree: &mut Tree, cpus: &mut [Cpu]) -> Result<()> {
    let mut without = Tally::new();
    // The kernel's number, or that of the node: two name spaces, told apart by the flag.
    let mut seen: List<(bool, u32)> = List::new(tree.allocator());
    for cpu in cpus.iter_mut() {
        let known = cpu.package != UNKNOWN;
        if !known {
            without.count(cpu.number);
        }
        let key = (known, if known { cpu.package } else { cpu.node });
        cpu.package = match seen.iter().position(|&other| other == key) {
            Some(index) => index as u32,
            None => {
                seen.push(key)?;
                seen.len() as u32 - 1
            }
        };
    }
    without.report(&mut tree.notes, "its package is not told; its NUMA node is taken for one")
}

/// The members of the file's set, if the set holds the CPU whose file it is.
fn set_with(tree: &mut Tree, cpu: u32, file: &str, format: Format) -> Result<Option<CpuSet>> {
    match tree.set(format_args!("{CPU}/cpu{cpu}/{file}"), format)? {
        Some(set) if set.contains(cpu) => Ok(Some(set)),
        Some(set) => {
            tree.notes
                .add(format_args!("{CPU}/cpu{cpu}/{file} ({set}) does not hold the CPU itself; taken as missing"))?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Sets the core of each CPU and its place in it.
fn read_cores(tree: &mut Tree, cpus: &mut [Cpu]) -> Result<()> {
    const FILES: [(&str, Format); 4] = [
        ("topology/thread_siblings_list", Format::List),
        ("topology/core_cpus_list", Format::List),
        ("topology/thread_siblings", Format::Mask),
        ("topology/core_cpus", Format::Mask),
    ];
    let mut without = Tally::new();
    let mut cores = 0;
    for index in 0..cpus.len() {
        if cpus[index].core != UNKNOWN {
            continue;
        }
        let number = cpus[index].number;
        let mut siblings = None;
        for (file, format) in FILES {
            if siblings.is_none() {
                siblings = set_with(tree, number, file, format)?;
            }
        }
        match siblings {
            None => {
                cpus[index].core = cores;
                without.count(number);
            }
            Some(siblings) => {
                // This CPU is the lowest of them that has no core yet, so it becomes the first thread of its own.
                let mut thread = 0;
                for sibling in siblings.iter() {
                    let Some(sibling) = position(cpus, sibling) else { continue };
                    if cpus[sibling].core == UNKNOWN {
                        cpus[sibling].core = cores;
                        cpus[sibling].thread = thread;
                        thread += 1;
                    }
                }
            }
        }
        cores += 1;
    }
    without.report(&mut tree.notes, "its siblings are not told; a core of its own is taken")
}

fn read_capacities(tree: &mut Tree, cpus: &mut [Cpu]) -> Result<()> {
    for cpu in cpus.iter_mut() {
        let capacity = tree.number(format_args!("{CPU}/cpu{}/cpu_capacity", cpu.number))?;
        cpu.capacity = capacity.filter(|&capacity| capacity > 0).unwrap_or(FULL_CAPACITY);
    }
    Ok(())
}
