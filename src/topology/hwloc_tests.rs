//! The two readers against one another: on made-up machines, on recorded ones, and on this one.
//!
//! libhwloc is told of another machine by environment variables alone, so each comparison runs in a process of its own.

use super::fixture::{Files, Machine, Root};
use super::tests::assert_sane;
use super::{Cpu, Topology, recorded_tests};
use crate::os::alloc::Allocator;
use std::process::Command;

/// What may differ, if anything.
const DIFFERENCE: &str = "VGPU_TEST_HWLOC_DIFFERENCE";

/// Compares the readers on the machine under `root` in a process of its own.
fn compare(name: &str, root: &str, difference: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "topology::hwloc_tests::both_readers_agree_on_this_machine", "--nocapture"])
        .env("HWLOC_FSROOT", root)
        .env("HWLOC_COMPONENTS", "linux,stop")
        .env("HWLOC_THISSYSTEM", "0")
        .env("HWLOC_HIDE_ERRORS", "2")
        // libhwloc hides the nodes of some GPUs unless asked.
        .env("HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES", "1")
        .env(DIFFERENCE, difference)
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}:\n{text}");
    assert!(text.contains("1 passed"), "{name}: nothing was compared:\n{text}");
}

fn compare_files(name: &str, files: &Files) {
    compare(name, files.write().as_str(), "");
}

/// Whether two groupings of the same CPUs are the same, whatever their numbers.
fn assert_same_groups(what: &str, ours: &Topology, other: &Topology, group: fn(&Cpu) -> u32) {
    for (a, x) in ours.cpus().iter().zip(other.cpus()) {
        for (b, y) in ours.cpus().iter().zip(other.cpus()) {
            assert_eq!(
                group(a) == group(b),
                group(x) == group(y),
                "{what}: CPUs {} and {}: the files say {}, libhwloc says {}",
                a.number,
                b.number,
                group(a) == group(b),
                group(x) == group(y)
            );
        }
    }
}

/// What `HWLOC_FSROOT` names, or the machine itself.
#[test]
fn both_readers_agree_on_this_machine() {
    let ours = match std::env::var("HWLOC_FSROOT") {
        Ok(root) => Topology::read(Allocator::SYSTEM, root, None).unwrap(),
        Err(_) => Topology::detect(Allocator::SYSTEM).unwrap(),
    };
    let other = Topology::detect_with_hwloc(Allocator::SYSTEM).unwrap();
    println!("files: {ours:?}\nlibhwloc: {other:?}");
    assert_sane(&other);
    let difference = std::env::var(DIFFERENCE).unwrap_or_default();
    assert_eq!(ours.cpus().len(), other.cpus().len());
    for (a, b) in ours.cpus().iter().zip(other.cpus()) {
        assert_eq!((a.number, a.node, a.thread, a.capacity), (b.number, b.node, b.thread, b.capacity));
    }
    for (a, b) in ours.nodes().iter().zip(other.nodes()) {
        assert_eq!((a.number, &a.cpus), (b.number, &b.cpus));
    }
    let groups: [fn(&Cpu) -> u32; 4] = [|cpu| cpu.core, |cpu| cpu.l2, |cpu| cpu.l3, |cpu| cpu.package];
    for (what, group) in ["core", "L2", "L3", "package"].into_iter().zip(groups) {
        if difference != what {
            assert_same_groups(what, &ours, &other, group);
        }
    }
    let (mut caches, mut others) = (*ours.caches(), *other.caches());
    if difference == "sharers" {
        let all = [&mut caches.l1d, &mut caches.l2, &mut caches.l3, &mut others.l1d, &mut others.l2, &mut others.l3];
        all.into_iter().flatten().for_each(|cache| cache.sharers = 0);
    }
    assert_eq!(caches, others);
}

#[test]
fn both_readers_agree_on_made_up_machines() {
    // libhwloc reads masks only.
    let plain = Machine { masks: true, ..Machine::PLAIN };
    compare_files("plain", &plain.files());
    compare_files("shared L2", &Machine { cores_per_l2: 2, siblings_last: false, ..plain }.files());
    compare_files("sparse", &Machine { node_stride: 8, cpu_stride: 37, ..plain }.files());
    compare_files("no caches", &Machine { no_caches: true, ..plain }.files());
    compare_files("four threads", &Machine { threads: 4, packages: 1, ..plain }.files());
}

/// In what the readers differ, on which machine, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "256ppc-8n8s4t",
        "package",
        "the kernel gives -1 for each package; libhwloc takes core_siblings instead, which names one core: a package of its own",
    ),
    (
        "offline-cpu0-node0",
        "sharers",
        "the L3 cache's file names twelve CPUs, three of which are offline: libhwloc leaves them out",
    ),
];

#[test]
fn both_readers_agree_on_recorded_machines() {
    for name in recorded_tests::names() {
        let target = Root::new();
        let Some(root) = recorded_tests::unpack(&name, &target) else { continue };
        let known = DIFFERENCES.iter().find(|row| row.0 == name);
        if let Some((_, what, why)) = known {
            println!("{name}: {what}: {why}");
        }
        compare(&name, &root, known.map_or("", |row| row.1));
    }
}
