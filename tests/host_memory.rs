//! A host's allocator that is told the node of what belongs to a worker.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use core::alloc::Layout;
use core::ffi::c_void;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use vgpu_pool::os::alloc::{Allocator, NodeAllocator};
use vgpu_pool::pool::{Config, Pool};
use vgpu_pool::topology::Topology;

/// How often each node was asked for, and how many bytes are out.
#[derive(Default)]
struct Host {
    on_node: Mutex<BTreeMap<u32, usize>>,
    out: Mutex<isize>,
}

unsafe extern "C-unwind" fn allocate(host: *mut c_void, size: usize, align: usize) -> *mut c_void {
    // SAFETY: the context is the host.
    let host = unsafe { &*host.cast::<Host>() };
    *host.out.lock().unwrap() += size as isize;
    // SAFETY: no layout of zero bytes is asked for.
    unsafe { std::alloc::alloc(Layout::from_size_align(size, align).unwrap()).cast() }
}

unsafe extern "C-unwind" fn allocate_on_node(host: *mut c_void, size: usize, align: usize, node: u32) -> *mut c_void {
    // SAFETY: as above.
    *unsafe { &*host.cast::<Host>() }.on_node.lock().unwrap().entry(node).or_default() += 1;
    // SAFETY: as above.
    unsafe { allocate(host, size, align) }
}

unsafe extern "C-unwind" fn free(host: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
    // SAFETY: as above.
    *unsafe { &*host.cast::<Host>() }.out.lock().unwrap() -= size as isize;
    // SAFETY: it came from `allocate` with this layout.
    unsafe { std::alloc::dealloc(memory.cast(), Layout::from_size_align(size, align).unwrap()) }
}

/// Two nodes, of which the second has two thirds of the CPUs, and another number than its place.
fn machine() -> Topology {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("two_nodes");
    let nodes = root.join("sys/devices/system/node");
    for (node, cpus) in [("node0", "0"), ("node7", "1-2")] {
        fs::create_dir_all(nodes.join(node)).unwrap();
        fs::write(nodes.join(node).join("cpulist"), cpus).unwrap();
    }
    fs::write(nodes.join("online"), "0,7").unwrap();
    let cpus = root.join("sys/devices/system/cpu");
    fs::create_dir_all(&cpus).unwrap();
    fs::write(cpus.join("online"), "0-2").unwrap();
    Topology::read(Allocator::SYSTEM, root.to_str().unwrap(), None).unwrap()
}

#[test]
fn each_worker_s_memory_is_of_its_own_node() {
    let host = Host::default();
    let topology = machine();
    // SAFETY: the functions may be called from any thread, and the host outlives the pool.
    let (allocator, on_nodes) = unsafe {
        let allocator = Allocator::from_host(allocate, free, (&raw const host).cast_mut().cast());
        (allocator, NodeAllocator::from_host(allocate_on_node, allocator))
    };
    let config = Config {
        workers: 3,
        allocator,
        node_allocator: Some(on_nodes),
        topology: Some(&topology),
        ..Config::default()
    };
    let pool = Pool::new(&config).unwrap();
    let asked = host.on_node.lock().unwrap().clone();
    assert_eq!(asked.keys().copied().collect::<Vec<_>>(), [0, 7]);
    assert_eq!(asked[&7], 2 * asked[&0], "two workers have twice as much as one");
    assert!(*host.out.lock().unwrap() > 0);
    drop(pool);
    assert_eq!(*host.out.lock().unwrap(), 0);
}
