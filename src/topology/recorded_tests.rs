//! The reader against machines recorded elsewhere, where they lie beside the checkout. What is asserted is what the
//! folder's README says of each.

use super::fixture::Root;
use super::tests::assert_sane;
use super::{CpuSet, Proximity, Topology};
use crate::os::alloc::Allocator;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is not read, and is most of it.
const UNREAD: [&str; 14] = [
    "*/proc/device-tree",
    "*/sys/bus",
    "*/sys/class",
    "*/sys/devices/pci*",
    "*/dev",
    "*/node*/memory*",
    "*/cpufreq",
    "*/cpuidle",
    "*/thermal_throttle",
    "*/crash_notes",
    "*/power",
    "*/number_of_sets",
    "*/ways_of_associativity",
    "*/physical_line_partition",
];

/// The names of the machines beside the checkout; none where there are none.
pub(super) fn names() -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(folder()) else { return Vec::new() };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_suffix(".tar.bz2")?.to_owned())).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/topologies")
}

/// Unpacks a recorded machine and gives its root; `None`, said aloud, where the records are not at hand.
pub(super) fn unpack(name: &str, target: &Root) -> Option<String> {
    let archive = folder().join(format!("{name}.tar.bz2"));
    if !archive.exists() {
        println!("skipped: no {name} beside the checkout");
        return None;
    };
    let unpacked = Command::new("tar")
        .arg("xjf")
        .arg(&archive)
        .args(UNREAD.iter().map(|name| format!("--exclude={name}")))
        .arg("-C")
        .arg(target.path())
        .status();
    if !unpacked.is_ok_and(|status| status.success()) {
        println!("skipped: {name} cannot be unpacked here");
        return None;
    }
    let entries: Vec<_> = std::fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [root] = &entries[..] else { panic!("{name} does not hold one directory: {entries:?}") };
    Some(root.to_str().unwrap().to_owned())
}

fn recorded(name: &str) -> Option<Topology> {
    let target = Root::new();
    let root = unpack(name, &target)?;
    let topology = Topology::read(Allocator::SYSTEM, root, None).unwrap();
    println!("{name}: {:?} {:?}", topology.caches(), topology.notes());
    assert_sane(&topology);
    Some(topology)
}

fn numbers(topology: &Topology) -> Vec<u32> {
    topology.nodes().iter().map(|node| node.number).collect()
}

fn distinct(topology: &Topology, group: impl Fn(&super::Cpu) -> u32) -> usize {
    topology.cpus().iter().map(group).collect::<std::collections::BTreeSet<_>>().len()
}

fn cpu_list(topology: &Topology) -> String {
    let mut set = CpuSet::new(Allocator::SYSTEM);
    topology.cpus().iter().for_each(|cpu| set.insert(cpu.number).unwrap());
    set.to_string()
}

fn noted(topology: &Topology, words: &str) -> bool {
    topology.notes().iter().any(|note| note.contains(words))
}

#[test]
fn seventeen_nodes_the_last_without_cpus() {
    let Some(machine) = recorded("128ia64-17n4s2c") else { return };
    assert_eq!((machine.cpus().len(), machine.nodes().len()), (128, 17));
    assert!(machine.nodes().iter().all(|node| node.cpus.is_empty() == (node.number == 16)));
    assert_eq!(machine.node_distance(0, 16), Some(14));
    assert_eq!(machine.nearest_memory(16), Some(16));
    assert_eq!((machine.nearest_cpus(3), machine.nearest_cpus(16)), (Some(3), Some(0)));
    assert_eq!(machine.nearest_cpus(17), None);
}

#[test]
fn a_cpuset_leaves_cpu_4_out() {
    let Some(machine) = recorded("16amd64-8n2c-cpusets") else { return };
    assert_eq!(cpu_list(&machine), "0-3,5-15");
    assert_eq!(machine.nodes().len(), 8);
    assert_eq!(machine.nodes()[2].cpus.len(), 1);
}

#[test]
fn hyper_threads_are_siblings() {
    let Some(machine) = recorded("16em64t-4s2c2t") else { return };
    assert_eq!((machine.cpus().len(), machine.core_count()), (16, 8));
    assert_eq!(distinct(&machine, |cpu| cpu.package), 4);
    assert!(machine.siblings(0).map(|cpu| cpu.number).eq([8]));
    assert_eq!(machine.proximity(0, 4), Some(Proximity::SameL3));
}

#[test]
fn offline_siblings_leave_seven_cores_and_twelve_threads() {
    let Some(machine) = recorded("16em64t-4s2c2t-offlines") else { return };
    assert_eq!((machine.cpus().len(), machine.core_count()), (12, 7));
    assert_eq!(cpu_list(&machine), "0-1,3-4,6-12,15");
}

#[test]
fn power_has_four_threads_in_a_core_and_no_package_numbers() {
    let Some(machine) = recorded("256ppc-8n8s4t") else { return };
    assert_eq!((machine.cpus().len(), machine.core_count()), (256, 64));
    assert_eq!(numbers(&machine), [0, 1, 4, 5, 8, 9, 12, 13]);
    assert_eq!(machine.node_distance(0, 1), Some(20));
    assert_eq!(machine.node_distance(0, 2), Some(40));
    assert!(noted(&machine, "package"));
    assert_eq!(machine.caches().l1d.unwrap().line_bytes, 128);
}

#[test]
fn a_small_arm_has_no_nodes_and_little_cache_information() {
    let Some(machine) = recorded("2arm-2c") else { return };
    assert_eq!((machine.cpus().len(), machine.nodes().len()), (2, 1));
    assert!(machine.caches().l2.is_none());
    assert!(noted(&machine, "no node is described") && noted(&machine, "no L2 cache"));
}

#[test]
fn the_node_of_each_l3_cache() {
    let Some(machine) = recorded("32amd64-4s2n4c-cgroup2") else { return };
    assert_eq!((machine.cpus().len(), machine.nodes().len()), (32, 8));
    assert_eq!((distinct(&machine, |cpu| cpu.package), distinct(&machine, |cpu| cpu.l3)), (4, 8));
    assert_eq!(machine.node_distance(0, 3), Some(22));
}

#[test]
fn cpus_numbered_around_the_packages() {
    let Some(machine) = recorded("40intel64-2g2n4c+pci") else { return };
    assert_eq!((machine.cpus().len(), machine.nodes().len(), machine.core_count()), (40, 4, 40));
    assert_eq!(&*machine.placement(3).unwrap().cpus, &[0, 4, 8]);
}

#[test]
fn sparse_node_numbers() {
    let Some(machine) = recorded("48amd64-4d2n6c-sparse") else { return };
    assert_eq!(numbers(&machine), [0, 1, 2, 33, 34, 45, 72, 73]);
    assert_eq!(machine.cpus().len(), 48);
    assert_eq!(machine.node_distance(3, 0), Some(22));
    assert_eq!(machine.proximity(18, 0), Some(Proximity::Remote(22)));
}

#[test]
fn four_nodes_with_cpus_and_four_of_memory_only() {
    let Some(machine) = recorded("64intel64-fakeKNL-SNC4-hybrid") else { return };
    assert_eq!((machine.cpus().len(), machine.core_count(), machine.nodes().len()), (64, 16, 8));
    assert!(machine.nodes().iter().all(|node| node.cpus.is_empty() == (node.number >= 4) && node.has_memory));
    assert_eq!(distinct(&machine, |cpu| cpu.l3), 4, "no L3 cache: the nodes stand for it");
}

#[test]
fn overlapping_nodes_are_said_to_be_bogus() {
    let Some(machine) = recorded("8em64t-2s2ca2c-buggynuma") else { return };
    assert_eq!((machine.cpus().len(), machine.nodes().len()), (8, 8));
    assert!(noted(&machine, "overlap"));
    assert_eq!(machine.proximity(0, 2), Some(Proximity::SameL2));
}

#[test]
fn nodes_of_cpus_only_and_of_memory_only() {
    let Some(machine) = recorded("fakememinitiators-1np2c+1npp+gi") else { return };
    assert_eq!((machine.cpus().len(), machine.nodes().len()), (8, 11));
    for node in machine.nodes() {
        assert_eq!((node.cpus.is_empty(), node.has_memory), (node.number >= 4, node.number >= 5));
    }
    assert!((0..4).all(|node| machine.nearest_memory(node) == Some([5, 8, 6, 9][node])));
    assert!((5..11).all(|node| machine.nearest_cpus(node).is_some_and(|cpus| cpus < 4)));
}

#[test]
fn gpus_as_nodes() {
    let Some(machine) = recorded("nvidiagpunumanodes") else { return };
    assert_eq!(numbers(&machine), [0, 8, 250, 251, 252, 253, 254, 255]);
    assert_eq!(cpu_list(&machine), "0-15,88-103");
    assert_eq!((machine.core_count(), distinct(&machine, |cpu| cpu.l2)), (8, 4));
    assert_eq!(machine.proximity(0, 4), Some(Proximity::SameL2));
    assert_eq!(machine.proximity(0, 88), Some(Proximity::Remote(40)));
}

#[test]
fn cpu_0_and_node_0_are_offline() {
    let Some(machine) = recorded("offline-cpu0-node0") else { return };
    assert_eq!(cpu_list(&machine), "4-20");
    assert_eq!(numbers(&machine), [1]);
    assert!(noted(&machine, "claimed by no NUMA node"), "the CPUs of node 0 are without a node");
    assert_eq!((distinct(&machine, |cpu| cpu.package), distinct(&machine, |cpu| cpu.l3)), (2, 2));
}
