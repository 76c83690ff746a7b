//! The reader against made-up machines, whole and broken; the quota; placement and proximity.

use super::fixture::{Breakage, Files, Machine, ModelCpu, Root};
use super::sysfs::{self, Allowed};
use super::{CpuSet, Proximity, Topology};
use crate::error::{Result, Status};
use crate::os::alloc::Allocator;
use quickcheck::QuickCheck;
use std::collections::{BTreeMap, BTreeSet};

fn read(root: &Root) -> Result<Topology> {
    Topology::read(Allocator::SYSTEM, root.as_str(), None)
}

fn read_files(files: &Files) -> Topology {
    let root = files.write();
    let topology = read(&root).unwrap();
    assert_sane(&topology);
    topology
}

fn set(numbers: impl IntoIterator<Item = u32>) -> CpuSet {
    let mut set = CpuSet::new(Allocator::SYSTEM);
    numbers.into_iter().for_each(|number| set.insert(number).unwrap());
    set
}

fn notes(topology: &Topology) -> String {
    topology.notes().iter().collect::<Vec<_>>().join("\n")
}

/// What holds for every topology, whatever it was read from.
pub(super) fn assert_sane(topology: &Topology) {
    let cpus = topology.cpus();
    assert!(!cpus.is_empty() && !topology.nodes().is_empty());
    assert!(cpus.is_sorted_by(|a, b| a.number < b.number));
    let groups: [fn(&super::Cpu) -> u32; 4] = [|cpu| cpu.core, |cpu| cpu.l2, |cpu| cpu.l3, |cpu| cpu.package];
    for group in groups {
        let seen: BTreeSet<u32> = cpus.iter().map(group).collect();
        assert!(seen.iter().copied().eq(0..seen.len() as u32), "groups are numbered with gaps: {seen:?}");
    }
    let mut threads = BTreeSet::new();
    for cpu in cpus {
        assert!(threads.insert((cpu.core, cpu.thread)));
        assert!(cpu.thread == 0 || threads.contains(&(cpu.core, cpu.thread - 1)));
        for (index, node) in topology.nodes().iter().enumerate() {
            assert_eq!(node.cpus.contains(cpu.number), cpu.node as usize == index);
        }
        assert_eq!(topology.proximity(cpu.number, cpu.number), Some(Proximity::SameCpu));
        assert!(topology.proximity(cpus[0].number, cpu.number).is_some());
    }
    // Asking for siblings looks at every CPU: for a few of them only.
    for cpu in cpus.iter().take(16) {
        assert!(topology.siblings(cpu.number).all(|other| other.core == cpu.core && other.number != cpu.number));
    }
    assert_eq!(topology.nodes().iter().map(|node| node.cpus.len()).sum::<usize>(), cpus.len());
    assert!(topology.nodes().is_sorted_by(|a, b| a.number < b.number));
    for from in 0..topology.nodes().len() {
        for to in 0..topology.nodes().len() {
            assert!(topology.node_distance(from, to).unwrap() > 0);
        }
        let nearest = topology.nearest_memory(from);
        assert!(nearest.is_none_or(|nearest| topology.nodes()[nearest].has_memory));
    }
    for cache in [topology.caches().l1d, topology.caches().l2, topology.caches().l3].into_iter().flatten() {
        assert!(cache.bytes > 0 && cache.line_bytes > 0 && cache.sharers > 0);
    }
    assert!((1..=cpus.len()).contains(&topology.default_worker_count()));
    for workers in [0, 1, cpus.len() / 2, cpus.len(), cpus.len() + 1, 2 * cpus.len() + cpus.len() / 2] {
        assert_placement(topology, workers);
    }
}

fn assert_placement(topology: &Topology, workers: usize) {
    let placement = topology.placement(workers).unwrap();
    assert_eq!(placement.cpus.len(), workers);
    assert_eq!(placement.oversubscribed, workers > topology.cpus().len());
    let mut workers_on: BTreeMap<u32, usize> = topology.cpus().iter().map(|cpu| (cpu.number, 0)).collect();
    let mut workers_in: BTreeMap<u32, usize> = topology.cpus().iter().map(|cpu| (cpu.core, 0)).collect();
    for number in placement.cpus.iter() {
        *workers_on.get_mut(number).expect("a worker was put on a CPU that cannot be used") += 1;
        *workers_in.get_mut(&topology.cpu(*number).unwrap().core).unwrap() += 1;
    }
    let fewest = workers / topology.cpus().len();
    assert!(workers_on.values().all(|&count| count == fewest || count == fewest + 1), "{workers_on:?}");
    let most = workers_in.values().max().copied().unwrap_or(0);
    let expected_idle = topology.core_count().saturating_sub(workers);
    assert!(most <= 1 || workers > topology.core_count(), "a core got a second worker while another had none");
    assert_eq!(workers_in.values().filter(|&&count| count == 0).count(), expected_idle);

    // Contiguous: a node, once left, is not come back to; and all but one of the nodes touched are full.
    let node_of = |number: &u32| topology.cpu(*number).unwrap().node;
    assert!(placement.cpus.is_sorted_by_key(node_of));
    let mut visited: Vec<u32> = placement.cpus.iter().map(|number| topology.cpu(*number).unwrap().l3).collect();
    visited.dedup();
    let mut node_of_l3 = BTreeMap::new();
    let nested = topology.cpus().iter().all(|cpu| *node_of_l3.entry(cpu.l3).or_insert(cpu.node) == cpu.node);
    if nested {
        assert_eq!(visited.len(), visited.iter().collect::<BTreeSet<_>>().len(), "an L3 group was come back to");
    }
}

fn assert_matches(topology: &Topology, machine: &Machine, online: &[ModelCpu]) {
    assert!(topology.cpus().iter().map(|cpu| cpu.number).eq(online.iter().map(|cpu| cpu.number)));
    let node_count = if machine.no_nodes { 1 } else { machine.nodes().len() };
    assert_eq!(topology.nodes().len(), node_count);
    for a in online {
        for b in online {
            let (x, y) = (topology.cpu(a.number).unwrap(), topology.cpu(b.number).unwrap());
            assert_eq!(x.core == y.core, a.core == b.core);
            assert_eq!(x.package == y.package, a.package == b.package);
            let same_l3 = match (machine.no_caches, machine.no_nodes) {
                (false, _) => a.l3 == b.l3,
                (true, false) => a.node == b.node,
                (true, true) => a.package == b.package,
            };
            let same_l2 = if machine.no_caches { a.core == b.core } else { a.l2 == b.l2 };
            let remote = match machine.no_distances {
                true => 20,
                false => Machine::distance(a.node, b.node),
            };
            let wanted = match () {
                _ if a.number == b.number => Proximity::SameCpu,
                _ if a.core == b.core => Proximity::SameCore,
                _ if same_l2 => Proximity::SameL2,
                _ if same_l3 => Proximity::SameL3,
                _ if machine.no_nodes || a.node == b.node => Proximity::SameNode,
                _ => Proximity::Remote(remote),
            };
            assert_eq!(topology.proximity(a.number, b.number), Some(wanted), "{a:?} {b:?}");
        }
    }
    if machine.no_nodes {
        return;
    }
    for (node, (number, bytes)) in topology.nodes().iter().zip(machine.nodes()) {
        assert_eq!((node.number, node.memory_bytes, node.has_memory), (number, bytes, bytes > 0));
    }
    assert_eq!(topology.caches().l1d.is_none(), machine.no_caches);
}

#[test]
fn every_whole_machine_is_read_as_it_was_described() {
    fn property(machine: Machine) -> bool {
        let topology = read_files(&machine.files());
        assert_matches(&topology, &machine, &machine.online());
        true
    }
    QuickCheck::new().tests(100).quickcheck(property as fn(Machine) -> bool);
}

#[test]
fn a_broken_machine_is_an_error_that_names_the_file_or_still_a_sane_topology() {
    fn property(mut machine: Machine, breakages: Vec<(usize, Breakage)>) -> bool {
        machine.packages = 1;
        let mut files = machine.files();
        files.add("/proc/self/cgroup".into(), "0::/a/b\n4:cpu,cpuacct:/a".into());
        let mounts = "1 0 0:1 / /cg rw - cgroup2 x rw\n2 0 0:1 / /cpu rw - cgroup x rw,cpu";
        files.add("/proc/self/mountinfo".into(), mounts.into());
        files.add("/proc/self/status".into(), "Mems_allowed_list:\t0-99".into());
        files.add("/cg/a/cpu.max".into(), "100 100".into());
        files.add("/cpu/a/cpu.cfs_quota_us".into(), "100".into());
        files.add("/cpu/a/cpu.cfs_period_us".into(), "100".into());
        for (place, breakage) in breakages.into_iter().take(12) {
            files.break_one(place, breakage);
        }
        let root = files.write();
        for allowed in [None, Some(set(0..40))] {
            match Topology::read(Allocator::SYSTEM, root.as_str(), allowed.as_ref()) {
                Ok(topology) => assert_sane(&topology),
                Err(error) => assert!(error.message().contains(root.as_str()), "{error}"),
            }
        }
        true
    }
    QuickCheck::new().tests(200).quickcheck(property as fn(Machine, Vec<(usize, Breakage)>) -> bool);
}

#[test]
fn a_machine_of_more_than_1024_cpus_is_read() {
    let machine = Machine { l3_per_node: 8, l2_per_l3: 9, no_caches: true, first_cpu: 100, ..Machine::PLAIN };
    let sparse = Machine { cpu_stride: 211, ..Machine::PLAIN };
    for machine in [Machine { cores_per_l2: 2, ..machine }, sparse] {
        let online = machine.online();
        let topology = read_files(&machine.files());
        assert!(online.last().unwrap().number > 1024);
        assert!(topology.cpus().iter().map(|cpu| cpu.number).eq(online.iter().map(|cpu| cpu.number)));
        assert_eq!(topology.core_count() * 2, online.len());
    }
}

#[test]
fn only_allowed_cpus_that_are_online_are_usable() {
    let machine = Machine { offline: 5, ..Machine::PLAIN };
    let root = machine.files().write();
    let allowed = set([2, 3, 5, 18, 4000]);
    let topology = Topology::read(Allocator::SYSTEM, root.as_str(), Some(&allowed)).unwrap();
    assert_sane(&topology);
    assert!(topology.cpus().iter().map(|cpu| cpu.number).eq([2, 3, 18]));
    assert!(topology.siblings(2).map(|cpu| cpu.number).eq([18]));
    assert_eq!(topology.siblings(3).count(), 0);
    assert_eq!(topology.default_worker_count(), 3);
    assert!(notes(&topology).contains("5,4000"), "{}", notes(&topology));
    assert_eq!(topology.nodes().len(), 4);

    let error = Topology::read(Allocator::SYSTEM, root.as_str(), Some(&set([5]))).unwrap_err();
    assert_eq!(error.status(), Status::Affinity);
    assert!(error.message().contains(root.as_str()), "{error}");
}

#[test]
fn what_the_kernel_allows_counts_more_than_files_that_say_otherwise() {
    let root = Machine::PLAIN.files().write();
    let allowed = set([100, 101]);
    let topology =
        sysfs::read(Allocator::SYSTEM, root.as_str().as_bytes(), Some(&allowed), Allowed::Certain, sysfs::describe)
            .unwrap();
    assert_sane(&topology);
    assert!(topology.cpus().iter().map(|cpu| cpu.number).eq([100, 101]));
    assert!(notes(&topology).contains("100-101"), "{}", notes(&topology));
    assert!(sysfs::read(Allocator::SYSTEM, b"/", Some(&set([])), Allowed::Certain, sysfs::describe).is_err());
}

#[test]
fn a_root_without_a_machine_is_an_error_unless_cpus_are_named() {
    let root = Root::new();
    let error = read(&root).unwrap_err();
    assert_eq!(error.status(), Status::Io);
    assert!(error.message().contains(&format!("{}/sys/devices/system/cpu", root.as_str())), "{error}");
    let topology = Topology::read(Allocator::SYSTEM, root.as_str(), Some(&set([4, 9]))).unwrap();
    assert_sane(&topology);
    assert_eq!(topology.core_count(), 2);
    assert!(!topology.notes().is_empty());
    assert_eq!(Topology::read(Allocator::SYSTEM, b"a\0b", None).unwrap_err().status(), Status::InvalidArgument);
}

#[test]
fn notes_are_few_however_much_is_broken() {
    let mut files = Machine { threads: 4, ..Machine::PLAIN }.files();
    for cpu in 0..64 {
        files.add(format!("/sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"), "x".into());
    }
    let topology = read_files(&files);
    assert!((8..64).contains(&topology.notes().len()));
    assert!(topology.notes().len() + topology.notes().omitted() >= 64);
}

#[test]
fn nodes_of_memory_only_and_of_cpus_only_find_the_nearest_memory() {
    let machine = Machine { memory_only_nodes: 2, without_memory: 2, node_stride: 8, ..Machine::PLAIN };
    let mut files = machine.files();
    files.add("/proc/self/status".into(), "Name:\tx\nMems_allowed_list:\t0,16-40\n".into());
    let topology = read_files(&files);
    let nodes = topology.nodes();
    assert!(nodes.iter().map(|node| node.number).eq([0, 8, 16, 24, 32, 40]));
    assert!(nodes.iter().map(|node| node.has_memory).eq([false, true, false, true, true, true]));
    assert!(nodes.iter().map(|node| node.cpus.is_empty()).eq([false, false, false, false, true, true]));
    assert!(nodes.iter().map(|node| node.memory_allowed).eq([true, false, true, true, true, true]));
    assert_eq!(topology.nearest_memory(3), Some(3));
    assert_eq!(topology.nearest_memory(2), Some(3));
    assert_eq!(topology.nearest_memory(1), Some(3), "its own memory is not allowed");
    assert_eq!(topology.nearest_memory(6), None);
}

#[test]
fn emulated_nodes_are_said_to_be() {
    let mut files = Machine::PLAIN.files();
    files.add("/proc/cmdline".into(), "BOOT_IMAGE=/vmlinuz numa=fake=4 quiet".into());
    assert!(notes(&read_files(&files)).contains("numa=fake"));
    files.add("/proc/cmdline".into(), "BOOT_IMAGE=/vmlinuz xnuma=fake=4 numa=off".into());
    assert!(!notes(&read_files(&files)).contains("numa=fake"));
}

#[test]
fn overlapping_nodes_are_noted_and_each_cpu_has_one() {
    let mut files = Machine::PLAIN.files();
    for node in 0..4 {
        files.add(format!("/sys/devices/system/node/node{node}/cpulist"), "0-31".into());
    }
    let topology = read_files(&files);
    assert!(notes(&topology).contains("overlap"), "{}", notes(&topology));
    assert_eq!(topology.nodes()[0].cpus.len(), 32);
}

#[test]
fn a_cpu_in_no_node_goes_with_its_package() {
    let mut files = Machine { nodes_per_package: 1, ..Machine::PLAIN }.files();
    files.add("/sys/devices/system/node/node1/cpulist".into(), "4-6,12-15".into());
    let topology = read_files(&files);
    assert_eq!(topology.cpu(7).unwrap().node, 1);
    assert!(notes(&topology).contains("CPU 7: claimed by no NUMA node"), "{}", notes(&topology));
}

#[test]
fn a_node_whose_list_is_broken_does_not_take_the_others_with_it() {
    let mut files = Machine::PLAIN.files();
    files.add("/sys/devices/system/node/node3/cpulist".into(), "24-x".into());
    let topology = read_files(&files);
    assert_eq!(topology.nodes().len(), 3);
    assert!(notes(&topology).contains("node3/cpulist"), "{}", notes(&topology));
    assert_eq!(topology.node_distance(0, 2), Some(Machine::distance(0, 2)));
}

#[test]
fn the_tightest_caches_and_the_strongest_cpus_are_found_on_a_hybrid_machine() {
    let machine =
        Machine { packages: 1, nodes_per_package: 1, l3_per_node: 1, l2_per_l3: 4, threads: 1, ..Machine::PLAIN };
    let mut files = machine.files();
    files.add("/sys/devices/system/cpu/cpu3/cache/index0/size".into(), "48K".into());
    files.add("/sys/devices/system/cpu/cpu2/cache/index0/size".into(), "16K".into());
    for (cpu, capacity) in [(0, 300), (1, 300), (2, 1024), (3, 1024)] {
        files.add(format!("/sys/devices/system/cpu/cpu{cpu}/cpu_capacity"), capacity.to_string());
    }
    // Only the second level is told to be shared by no one, so that every CPU is asked for its first.
    files.remove("/sys/devices/system/cpu/cpu0/cache/index3");
    let topology = read_files(&files);
    assert_eq!(topology.caches().l1d.unwrap().bytes, 16 << 10);
    assert_eq!(topology.caches().l3.unwrap().bytes, 8 << 20);
    assert_eq!(topology.caches().l3.unwrap().sharers, 4);
    assert!(notes(&topology).contains("different sizes"), "{}", notes(&topology));
    assert_eq!(&*topology.placement(2).unwrap().cpus, &[2, 3]);
}

#[test]
fn few_workers_share_an_l3_cache_and_many_line_up_by_core() {
    let topology = read_files(&Machine::PLAIN.files());
    assert_eq!(&*topology.placement(2).unwrap().cpus, &[0, 1]);
    assert_eq!(&*topology.placement(5).unwrap().cpus, &[0, 1, 2, 3, 4]);
    assert_eq!(topology.placement(18).unwrap().cpus[..6], [0, 16, 1, 17, 2, 3]);
    assert_eq!(topology.placement(33).unwrap().cpus[..4], [0, 0, 16, 1]);
}

#[test]
fn proximity_sorts_from_near_to_far() {
    let topology = read_files(&Machine { cores_per_l2: 2, ..Machine::PLAIN }.files());
    let near = [0, 32, 1, 2, 4, 8, 16, 24].map(|cpu| topology.proximity(0, cpu).unwrap());
    assert!(near.is_sorted_by(|a, b| a < b), "{near:?}");
    assert_eq!(topology.proximity(0, 64), None);
}

#[test]
fn the_machine_under_this_test_is_read() {
    let topology = Topology::detect(Allocator::SYSTEM).unwrap();
    assert_sane(&topology);
    let allowed = crate::os::affinity::allowed_cpus(Allocator::SYSTEM).unwrap();
    assert!(topology.cpus().iter().map(|cpu| cpu.number).eq(CpuSet::from_words(allowed).iter()));
}

#[test]
fn memory_that_runs_out_is_an_error_at_every_point() {
    use core::ffi::c_void;
    unsafe extern "C-unwind" fn allocate(context: *mut c_void, size: usize, align: usize) -> *mut c_void {
        // SAFETY: the context is the counter below, which outlives the allocator and is used by this thread only.
        let left = unsafe { &mut *context.cast::<usize>() };
        let Some(less) = left.checked_sub(1) else { return core::ptr::null_mut() };
        *left = less;
        // SAFETY: the alignment is a power of two and at least a pointer's size.
        unsafe { libc::aligned_alloc(align.max(8), size.next_multiple_of(align.max(8))) }
    }
    unsafe extern "C-unwind" fn free(_: *mut c_void, memory: *mut c_void, _: usize, _: usize) {
        // SAFETY: it came from `allocate`.
        unsafe { libc::free(memory) }
    }
    let machine = Machine { packages: 1, nodes_per_package: 1, memory_only_nodes: 1, ..Machine::PLAIN };
    let root = machine.files().write();
    let mut failures = 0usize;
    loop {
        let mut budget = failures;
        // SAFETY: the test runs on one thread, and `budget` outlives what is made.
        let allocator = unsafe { Allocator::from_host(allocate, free, (&raw mut budget).cast()) };
        match Topology::read(allocator, root.as_str(), None) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.status(), Status::OutOfMemory, "{error}"),
        }
        failures += 1;
    }
    assert!(failures > 20, "only {failures} allocations");
}
