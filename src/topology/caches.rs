//! The caches: which CPUs share one, and which sizes to plan for.

use crate::error::Result;
use crate::os::alloc::List;
use crate::topology::cpu_set::CpuSet;
use crate::topology::notes::Tally;
use crate::topology::sysfs::{CPU, UNKNOWN, position};
use crate::topology::tree::{Format, Tree};
use crate::topology::{Cache, Caches, Cpu};

/// More cache directories than any CPU has.
const DIRECTORY_LIMIT: u32 = 16;

/// The line size of most machines, in bytes.
const USUAL_LINE: u32 = 64;

/// The groups of one cache level while they are being made.
pub(super) struct Groups {
    /// The group of each CPU.
    pub(super) of: List<u32>,
    pub(super) count: u32,
}

impl Groups {
    pub(super) fn new(tree: &Tree, cpus: &[Cpu]) -> Result<Groups> {
        let mut of = List::with_capacity(tree.allocator(), cpus.len())?;
        for _ in cpus {
            of.push(UNKNOWN)?;
        }
        Ok(Groups { of, count: 0 })
    }

    /// Makes a group of the sharers that are in none, unless the CPU at `index` is in one already.
    fn add(&mut self, index: usize, cpus: &[Cpu], sharers: &CpuSet) {
        if self.of[index] != UNKNOWN {
            return;
        }
        for sharer in sharers.iter().filter_map(|sharer| position(cpus, sharer)) {
            if self.of[sharer] == UNKNOWN {
                self.of[sharer] = self.count;
            }
        }
        self.count += 1;
    }

    /// Makes groups of the CPUs that are in none: those with the same key together.
    fn complete(&mut self, cpus: &[Cpu], key: impl Fn(&Cpu) -> (u32, u32)) -> Result<Tally> {
        let mut without = Tally::new();
        let mut left = List::new(self.of.allocator());
        for (index, cpu) in cpus.iter().enumerate().filter(|&(index, _)| self.of[index] == UNKNOWN) {
            without.count(cpu.number);
            left.push((key(cpu), index))?;
        }
        left.sort_unstable();
        for (place, &(key, index)) in left.iter().enumerate() {
            if place == 0 || left[place - 1].0 != key {
                self.count += 1;
            }
            self.of[index] = self.count - 1;
        }
        Ok(without)
    }
}

/// Sets the L2 and L3 groups and finds the caches to plan for.
pub(super) fn read(tree: &mut Tree, cpus: &mut [Cpu]) -> Result<Caches> {
    let mut caches = Caches::default();
    let mut differ = false;
    let (mut l2, mut l3) = (Groups::new(tree, cpus)?, Groups::new(tree, cpus)?);
    for (index, cpu) in cpus.iter().enumerate() {
        // Caches nest: a CPU whose L2 and L3 were told by another has nothing new to tell, and large machines have many.
        if l2.of[index] != UNKNOWN && l3.of[index] != UNKNOWN {
            continue;
        }
        for directory in 0..DIRECTORY_LIMIT {
            let Some(level) = tree.number(format_args!("{CPU}/cpu{}/cache/index{directory}/level", cpu.number))? else {
                break;
            };
            let kind = tree.text(format_args!("{CPU}/cpu{}/cache/index{directory}/type", cpu.number))?;
            if kind == Some(b"Instruction") {
                continue;
            }
            let slot = match level {
                1 => &mut caches.l1d,
                2 => &mut caches.l2,
                3 => &mut caches.l3,
                _ => continue,
            };
            let sharers = read_sharers(tree, cpu.number, directory)?;
            differ |= consider(slot, read_cache(tree, cpu.number, directory, &sharers)?);
            match level {
                2 => l2.add(index, cpus, &sharers),
                3 => l3.add(index, cpus, &sharers),
                _ => {}
            }
        }
    }
    finish(tree, cpus, l2, l3, caches, differ)
}

/// Gives the CPUs their cache groups, and makes groups where none were told.
pub(super) fn finish(
    tree: &mut Tree,
    cpus: &mut [Cpu],
    mut l2: Groups,
    mut l3: Groups,
    mut caches: Caches,
    differ: bool,
) -> Result<Caches> {
    let finding = "no L2 cache is told; its core is taken for the group that shares one";
    l2.complete(cpus, |cpu| (cpu.core, 0))?.report(&mut tree.notes, finding)?;
    let finding = "no L3 cache is told; its package's part of the NUMA node is taken for the group that shares one";
    l3.complete(cpus, |cpu| (cpu.package, cpu.node))?.report(&mut tree.notes, finding)?;
    for (index, cpu) in cpus.iter_mut().enumerate() {
        cpu.l2 = l2.of[index];
        cpu.l3 = l3.of[index];
    }
    fill_in_lines(&mut caches);
    if differ {
        tree.notes
            .add(format_args!("CPUs have caches of different sizes; the tightest of each level are planned for"))?;
    }
    Ok(caches)
}

/// Those who share a cache; the CPU alone when that is not told.
fn read_sharers(tree: &mut Tree, cpu: u32, directory: u32) -> Result<CpuSet> {
    let list = tree.set(format_args!("{CPU}/cpu{cpu}/cache/index{directory}/shared_cpu_list"), Format::List)?;
    let mut sharers = match list {
        Some(list) => list,
        None => match tree.set(format_args!("{CPU}/cpu{cpu}/cache/index{directory}/shared_cpu_map"), Format::Mask)? {
            Some(mask) => mask,
            None => CpuSet::new(tree.allocator()),
        },
    };
    sharers.insert(cpu)?;
    Ok(sharers)
}

fn read_cache(tree: &mut Tree, cpu: u32, directory: u32, sharers: &CpuSet) -> Result<Option<Cache>> {
    let size = tree.size(format_args!("{CPU}/cpu{cpu}/cache/index{directory}/size"))?;
    let line = tree.number(format_args!("{CPU}/cpu{cpu}/cache/index{directory}/coherency_line_size"))?;
    Ok(size.filter(|&bytes| bytes > 0).map(|bytes| Cache {
        bytes,
        line_bytes: line.unwrap_or(0),
        sharers: sharers.len() as u32,
    }))
}

/// Gives caches whose line size is not told the size of another level's line, or the usual one.
fn fill_in_lines(caches: &mut Caches) {
    let all = [&mut caches.l1d, &mut caches.l2, &mut caches.l3];
    let line = all.iter().filter_map(|cache| cache.map(|cache| cache.line_bytes)).find(|&line| line > 0);
    for cache in all.into_iter().flatten().filter(|cache| cache.line_bytes == 0) {
        cache.line_bytes = line.unwrap_or(USUAL_LINE);
    }
}

/// Keeps the cache with the least room for each sharer. `true`: the two differ.
pub(super) fn consider(kept: &mut Option<Cache>, found: Option<Cache>) -> bool {
    let Some(found) = found else { return false };
    let Some(before) = *kept else {
        *kept = Some(found);
        return false;
    };
    let room = |cache: &Cache| cache.bytes / u64::from(cache.sharers);
    if room(&found) < room(&before) {
        *kept = Some(found);
    }
    found.bytes != before.bytes
}
