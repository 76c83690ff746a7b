//! Made-up machines for the tests: described by a few numbers, written as a tree of files, and broken at will.

use quickcheck::{Arbitrary, Gen};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A hardware thread of a made-up machine. Groups are unique over the whole machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelCpu {
    pub(super) number: u32,
    pub(super) core: u32,
    pub(super) l2: u32,
    pub(super) l3: u32,
    pub(super) package: u32,
    /// An index into the machine's nodes.
    pub(super) node: usize,
    pub(super) online: bool,
}

/// A machine described by how many of each thing are in the next larger one.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) packages: u32,
    pub(super) nodes_per_package: u32,
    pub(super) l3_per_node: u32,
    pub(super) l2_per_l3: u32,
    pub(super) cores_per_l2: u32,
    pub(super) threads: u32,
    /// CPU numbers are `first_cpu`, `first_cpu + cpu_stride`, and so on.
    pub(super) first_cpu: u32,
    pub(super) cpu_stride: u32,
    /// Siblings are numbered far apart, as on most machines, and not side by side.
    pub(super) siblings_last: bool,
    pub(super) node_stride: u32,
    pub(super) memory_only_nodes: u32,
    /// Every how many-th node with CPUs has no memory; 0: none.
    pub(super) without_memory: u32,
    /// Every how many-th CPU is offline; 0: none. The first never is.
    pub(super) offline: u32,
    /// Sets are written as masks, as old kernels do.
    pub(super) masks: bool,
    pub(super) no_online_files: bool,
    pub(super) no_caches: bool,
    pub(super) no_nodes: bool,
    pub(super) no_distances: bool,
}

impl Machine {
    /// Two packages of two nodes, two L3 caches in each, with two cores of two threads.
    pub(super) const PLAIN: Machine = Machine {
        packages: 2,
        nodes_per_package: 2,
        l3_per_node: 2,
        l2_per_l3: 2,
        cores_per_l2: 1,
        threads: 2,
        first_cpu: 0,
        cpu_stride: 1,
        siblings_last: true,
        node_stride: 1,
        memory_only_nodes: 0,
        without_memory: 0,
        offline: 0,
        masks: false,
        no_online_files: false,
        no_caches: false,
        no_nodes: false,
        no_distances: false,
    };

    pub(super) fn cpus(&self) -> Vec<ModelCpu> {
        let nodes = self.packages * self.nodes_per_package;
        let cores = nodes * self.l3_per_node * self.l2_per_l3 * self.cores_per_l2;
        let mut cpus: Vec<ModelCpu> = (0..cores * self.threads)
            .map(|index| {
                let core = if self.siblings_last { index % cores } else { index / self.threads };
                let l2 = core / self.cores_per_l2;
                let l3 = l2 / self.l2_per_l3;
                let node = l3 / self.l3_per_node;
                let package = node / self.nodes_per_package;
                let online = index == 0 || self.offline == 0 || index % self.offline != 0;
                let number = self.first_cpu + index * self.cpu_stride;
                ModelCpu { number, core, l2, l3, package, node: node as usize, online }
            })
            .collect();
        cpus.sort_by_key(|cpu| cpu.number);
        cpus
    }

    pub(super) fn online(&self) -> Vec<ModelCpu> {
        self.cpus().into_iter().filter(|cpu| cpu.online).collect()
    }

    /// The kernel's number of each node and its memory in bytes.
    pub(super) fn nodes(&self) -> Vec<(u32, u64)> {
        let with_cpus = self.packages * self.nodes_per_package;
        (0..with_cpus + self.memory_only_nodes)
            .map(|node| {
                let bare = self.without_memory != 0 && node < with_cpus && node % self.without_memory == 0;
                (node * self.node_stride, if bare { 0 } else { u64::from(node + 1) << 30 })
            })
            .collect()
    }

    /// The two directions differ on purpose.
    pub(super) fn distance(from: usize, to: usize) -> u32 {
        if from == to { 10 } else { 20 + 2 * from.abs_diff(to) as u32 + u32::from(from > to) }
    }

    pub(super) fn files(&self) -> Files {
        let mut files = Files::default();
        let cpus = self.cpus();
        let cpu_root = "/sys/devices/system/cpu";
        let numbers = |keep: &dyn Fn(&ModelCpu) -> bool| -> BTreeSet<u32> {
            cpus.iter().filter(|cpu| keep(cpu)).map(|cpu| cpu.number).collect()
        };
        if !self.no_online_files {
            files.add(format!("{cpu_root}/online"), list(&numbers(&|cpu| cpu.online)));
        }
        for cpu in &cpus {
            let root = format!("{cpu_root}/cpu{}", cpu.number);
            files.add(format!("{root}/online"), u32::from(cpu.online).to_string());
            if !cpu.online {
                continue;
            }
            let siblings = numbers(&|other| other.core == cpu.core && other.online);
            files.add_set(self.masks, format!("{root}/topology/thread_siblings"), "_list", &siblings);
            files.add(format!("{root}/topology/physical_package_id"), cpu.package.to_string());
            if self.masks {
                let neighbours = numbers(&|other| other.package == cpu.package && other.online);
                files.add(format!("{root}/topology/core_siblings"), mask(&neighbours));
                files.add(format!("{root}/topology/core_id"), cpu.core.to_string());
            }
            if self.no_caches {
                continue;
            }
            let caches = [
                (1, "Data", "32K", siblings.clone()),
                (1, "Instruction", "32K", siblings),
                (2, "Unified", "1024K", numbers(&|other| other.l2 == cpu.l2 && other.online)),
                (
                    3,
                    "Unified",
                    if self.masks { "8192K" } else { "8M" },
                    numbers(&|other| other.l3 == cpu.l3 && other.online),
                ),
            ];
            for (index, (level, kind, size, sharers)) in caches.into_iter().enumerate() {
                let root = format!("{root}/cache/index{index}");
                files.add(format!("{root}/level"), level.to_string());
                files.add(format!("{root}/type"), kind.into());
                files.add(format!("{root}/size"), size.into());
                files.add(format!("{root}/coherency_line_size"), "64".into());
                if self.masks {
                    files.add(format!("{root}/shared_cpu_map"), mask(&sharers));
                } else {
                    files.add(format!("{root}/shared_cpu_list"), list(&sharers));
                }
            }
        }
        let nodes = self.nodes();
        if !self.no_nodes {
            let root = "/sys/devices/system/node";
            if !self.no_online_files {
                files.add(format!("{root}/online"), list(&nodes.iter().map(|node| node.0).collect()));
            }
            for (index, &(number, bytes)) in nodes.iter().enumerate() {
                let root = format!("{root}/node{number}");
                // As the kernel does it on some machines, offline CPUs stay in the list.
                let own = numbers(&|cpu| cpu.node == index);
                match self.masks {
                    true => files.add(format!("{root}/cpumap"), mask(&own)),
                    false => files.add(format!("{root}/cpulist"), list(&own)),
                }
                let meminfo = format!("Node {number} MemTotal: {:>12} kB\nNode {number} MemFree: 1 kB", bytes / 1024);
                files.add(format!("{root}/meminfo"), meminfo);
                if !self.no_distances {
                    let row: Vec<String> =
                        (0..nodes.len()).map(|to| Machine::distance(index, to).to_string()).collect();
                    files.add(format!("{root}/distance"), row.join(" "));
                }
            }
        }
        files
    }
}

impl Arbitrary for Machine {
    fn arbitrary(g: &mut Gen) -> Machine {
        fn pick<T: Clone>(g: &mut Gen, choices: &[T]) -> T {
            g.choose(choices).unwrap().clone()
        }
        Machine {
            packages: pick(g, &[1, 1, 2, 3]),
            nodes_per_package: pick(g, &[1, 2]),
            l3_per_node: pick(g, &[1, 2]),
            l2_per_l3: pick(g, &[1, 2]),
            cores_per_l2: pick(g, &[1, 1, 2]),
            threads: pick(g, &[1, 2]),
            first_cpu: pick(g, &[0, 0, 3, 1020]),
            cpu_stride: pick(g, &[1, 1, 2, 37]),
            siblings_last: bool::arbitrary(g),
            node_stride: pick(g, &[1, 1, 8]),
            memory_only_nodes: pick(g, &[0, 0, 1, 3]),
            without_memory: pick(g, &[0, 0, 1, 2]),
            offline: pick(g, &[0, 0, 2, 3, 5]),
            masks: bool::arbitrary(g),
            no_online_files: pick(g, &[false, false, true]),
            no_caches: pick(g, &[false, false, true]),
            no_nodes: pick(g, &[false, false, true]),
            no_distances: pick(g, &[false, false, true]),
        }
    }
}

/// What goes wrong with a file.
#[derive(Clone, Debug)]
pub(super) enum Breakage {
    Gone,
    Holds(Vec<u8>),
    CutShort,
    IsDirectory,
}

impl Arbitrary for Breakage {
    fn arbitrary(g: &mut Gen) -> Breakage {
        let odd: [&[u8]; 10] = [
            b"",
            b"\n",
            b"-1",
            b"0",
            b"0-2047",
            b"0-99999999999",
            b"7-3",
            b"4294967295",
            b"18446744073709551615K",
            b"a b",
        ];
        match u8::arbitrary(g) % 5 {
            0 => Breakage::Gone,
            1 => Breakage::CutShort,
            2 => Breakage::IsDirectory,
            3 => Breakage::Holds(Vec::arbitrary(g)),
            _ => Breakage::Holds(g.choose(&odd).unwrap().to_vec()),
        }
    }
}

/// The files of a machine by their paths, not written yet. A path with no contents is a directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(BTreeMap<String, Option<Vec<u8>>>);

impl Files {
    /// A line, ended as the kernel ends it.
    pub(super) fn add(&mut self, path: String, line: String) {
        self.0.insert(path, Some(format!("{line}\n").into_bytes()));
    }

    fn add_set(&mut self, masks: bool, path: String, suffix: &str, numbers: &BTreeSet<u32>) {
        match masks {
            true => self.add(path, mask(numbers)),
            false => self.add(path + suffix, list(numbers)),
        }
    }

    pub(super) fn remove(&mut self, beginning: &str) {
        self.0.retain(|path, _| !path.starts_with(beginning));
    }

    /// Breaks the file at this place, counted around.
    pub(super) fn break_one(&mut self, place: usize, breakage: Breakage) {
        let Some(path) = self.0.keys().nth(place % self.0.len().max(1)).cloned() else { return };
        match breakage {
            Breakage::Gone => drop(self.0.remove(&path)),
            Breakage::Holds(bytes) => drop(self.0.insert(path, Some(bytes))),
            Breakage::IsDirectory => drop(self.0.insert(path, None)),
            Breakage::CutShort => {
                if let Some(Some(contents)) = self.0.get_mut(&path) {
                    contents.truncate(contents.len() / 2);
                }
            }
        }
    }

    pub(super) fn write(&self) -> Root {
        let root = Root::new();
        for (path, contents) in &self.0 {
            let path = root.0.join(&path[1..]);
            match contents {
                None => std::fs::create_dir_all(&path).unwrap(),
                Some(contents) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(&path, contents).unwrap();
                }
            }
        }
        root
    }
}

/// A directory of its own, removed in the end.
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new() -> Root {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: only the numbers must differ.
        let name = format!("vgpu-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Thousands of small files: in memory where that can be had, as a disk takes many times as long.
        let in_memory = Path::new("/dev/shm").join(&name);
        if std::fs::create_dir(&in_memory).is_ok() {
            return Root(in_memory);
        }
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Root(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn list(numbers: &BTreeSet<u32>) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn mask(numbers: &BTreeSet<u32>) -> String {
    let words = numbers.last().map_or(1, |last| last / 32 + 1);
    let word = |index: u32| numbers.iter().filter(|&n| n / 32 == index).fold(0u32, |word, n| word | 1 << (n % 32));
    (0..words).rev().map(|index| format!("{:08x}", word(index))).collect::<Vec<_>>().join(",")
}
