//! What the machine is, as C reads it.

use super::arguments::{null, required};
use super::error::guard;
use super::sized::{check_size, write_sized};
use super::status::vgpu_status;
use crate::os::alloc::Allocator;
use crate::topology::{Cache, Cpu, Node, Topology};

/// The node has memory. In vgpu_node.flags.
pub const VGPU_NODE_HAS_MEMORY: u32 = 1;
/// The process may allocate there; a cpuset may forbid it.
pub const VGPU_NODE_MEMORY_ALLOWED: u32 = 2;

/// A machine, as the calling thread may use it. Set struct_size, cpu_size and node_size to the sizes of the three structs as the program
/// was compiled; a newer library fills no more than that, and zeroes what it does not know. Sizes of caches are in bytes, and 0 where the
/// system does not tell; where CPUs differ they are the ones with the least room for each CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_topology {
    /// sizeof(vgpu_topology); set by the caller.
    pub struct_size: u32,
    /// sizeof(vgpu_cpu); set by the caller.
    pub cpu_size: u32,
    /// sizeof(vgpu_node); set by the caller.
    pub node_size: u32,
    /// How many CPUs the thread may use.
    pub num_cpus: u32,
    /// How many NUMA nodes there are, at least 1.
    pub num_nodes: u32,
    /// How many workers a pool has by default: the CPUs, but no more than the cgroup's quota lets run.
    pub default_workers: u32,
    /// The data cache of the first level.
    pub l1d_bytes: u64,
    /// The cache of the second level, all of it.
    pub l2_bytes: u64,
    /// The cache of the third level, all of it.
    pub l3_bytes: u64,
    /// How many CPUs share an L2 cache; 0 where there is none.
    pub l2_sharers: u32,
    /// How many CPUs share an L3 cache; 0 where there is none.
    pub l3_sharers: u32,
    /// The size of a cache line in bytes.
    pub line_bytes: u32,
    /// 0.
    pub reserved: u32,
}

/// A CPU, which is a hardware thread. Groups are numbered from 0, and mean nothing but that those with the same number share something.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_cpu {
    /// The system's number.
    pub number: u32,
    /// The group that shares a core.
    pub core: u32,
    /// Which of its core's CPUs this is, from 0.
    pub thread: u32,
    /// The group that shares an L2 cache.
    pub l2: u32,
    /// The group that shares an L3 cache.
    pub l3: u32,
    /// The group in one package.
    pub package: u32,
    /// The NUMA node, by the system's number.
    pub node: u32,
    /// How strong the CPU is where there are several kinds; the strongest has 1024.
    pub capacity: u32,
}

/// A NUMA node: CPUs, memory, or both.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_node {
    /// The system's number. Numbers may have gaps.
    pub number: u32,
    /// How many of its CPUs the thread may use.
    pub num_cpus: u32,
    /// VGPU_NODE_HAS_MEMORY and VGPU_NODE_MEMORY_ALLOWED, or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Its memory in bytes.
    pub memory_bytes: u64,
}

impl vgpu_cpu {
    fn new(cpu: &Cpu, nodes: &[Node]) -> vgpu_cpu {
        let &Cpu { number, core, thread, l2, l3, package, node, capacity } = cpu;
        vgpu_cpu { number, core, thread, l2, l3, package, node: nodes[node as usize].number, capacity }
    }
}

impl vgpu_node {
    fn new(node: &Node) -> vgpu_node {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        vgpu_node {
            number: node.number,
            num_cpus: node.cpus.len() as u32,
            flags: flag(node.has_memory, VGPU_NODE_HAS_MEMORY) | flag(node.memory_allowed, VGPU_NODE_MEMORY_ALLOWED),
            reserved: 0,
            memory_bytes: node.memory_bytes,
        }
    }
}

/// What is told of the machine as a whole; the caller's sizes are kept.
fn whole(given: vgpu_topology, machine: &Topology) -> vgpu_topology {
    let caches = machine.caches();
    let bytes = |cache: Option<Cache>| cache.map_or(0, |cache| cache.bytes);
    let sharers = |cache: Option<Cache>| cache.map_or(0, |cache| cache.sharers);
    let lines = [caches.l1d, caches.l2, caches.l3];
    vgpu_topology {
        num_cpus: machine.cpus().len() as u32,
        num_nodes: machine.nodes().len() as u32,
        default_workers: machine.default_worker_count() as u32,
        l1d_bytes: bytes(caches.l1d),
        l2_bytes: bytes(caches.l2),
        l3_bytes: bytes(caches.l3),
        l2_sharers: sharers(caches.l2),
        l3_sharers: sharers(caches.l3),
        line_bytes: lines.iter().flatten().map(|cache| cache.line_bytes).max().unwrap_or(64),
        reserved: 0,
        ..given
    }
}

/// Reads the machine: the CPUs that the calling thread may use, the NUMA nodes, and how far these are from each other.
///
///     vgpu_topology machine = {sizeof machine, sizeof(vgpu_cpu), sizeof(vgpu_node)};
///     vgpu_cpu cpus[256];
///     vgpu_node nodes[16];
///     uint32_t distances[16 * 16];
///     if (vgpu_topology_get(&machine, cpus, 256, nodes, 16, distances) == VGPU_OK) ...
///
/// @param topology       where what is true of the whole goes; its three sizes are set
/// @param cpus           where the CPUs go, ascending by number; may be NULL if cpu_capacity is 0
/// @param cpu_capacity   how many there is room for; of more CPUs the first are told, topology->num_cpus says how many there are
/// @param nodes          where the nodes go, ascending by number; may be NULL if node_capacity is 0
/// @param node_capacity  how many there is room for; of more nodes the first are told
/// @param distances      where the distance from the i-th node to the j-th goes: to i * node_capacity + j. 10 is within a node, 20 about
///                       twice as slow. May be NULL
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY. On failure nothing is written
/// @note Thread safety: any thread. Reads the machine anew each time, which takes a millisecond or more.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_topology_get(
    topology: *mut vgpu_topology,
    cpus: *mut vgpu_cpu,
    cpu_capacity: u32,
    nodes: *mut vgpu_node,
    node_capacity: u32,
    distances: *mut u32,
) -> vgpu_status {
    guard(|| {
        let given = *required(topology, "topology")?;
        let size = check_size("vgpu_topology.struct_size", given.struct_size, 24)?;
        let cpu_size = check_size("vgpu_topology.cpu_size", given.cpu_size, 8)?;
        let node_size = check_size("vgpu_topology.node_size", given.node_size, 8)?;
        if cpus.is_null() && cpu_capacity != 0 {
            return Err(null("cpus, with a capacity above 0,"));
        }
        if nodes.is_null() && node_capacity != 0 {
            return Err(null("nodes, with a capacity above 0,"));
        }
        let machine = Topology::detect(Allocator::SYSTEM)?;
        let (cpu_capacity, node_capacity) = (cpu_capacity as usize, node_capacity as usize);
        // SAFETY: the caller vouches for the outputs and their sizes.
        unsafe {
            for (at, cpu) in machine.cpus().iter().take(cpu_capacity).enumerate() {
                write_sized(cpus.cast::<u8>().add(at * cpu_size), cpu_size, &vgpu_cpu::new(cpu, machine.nodes()));
            }
            for (at, node) in machine.nodes().iter().take(node_capacity).enumerate() {
                write_sized(nodes.cast::<u8>().add(at * node_size), node_size, &vgpu_node::new(node));
            }
            if !distances.is_null() {
                write_distances(&machine, distances, node_capacity);
            }
            write_sized(topology.cast(), size, &whole(given, &machine));
        }
        Ok(())
    })
}

/// # Safety
/// `capacity` rows of as many numbers are writable.
unsafe fn write_distances(machine: &Topology, distances: *mut u32, capacity: usize) {
    let told = machine.nodes().len().min(capacity);
    for from in 0..told {
        for to in 0..told {
            // SAFETY: by contract.
            unsafe { distances.add(from * capacity + to).write(machine.node_distance(from, to).unwrap_or(0)) };
        }
    }
}
