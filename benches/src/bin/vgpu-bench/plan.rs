//! Which samples are taken.

use crate::Options;
use crate::child::Launcher;
use vgpu_bench::catalogue::{IMPLEMENTATIONS, Implementation, PROGRAMS, Program, Scale};
use vgpu_bench::sample::Request;

/// One program on one implementation with one number of workers: a row of the report.
#[derive(Clone, Debug)]
pub struct Cell {
    pub program: &'static Program,
    pub implementation: &'static Implementation,
    pub workers: usize,
    pub size: u64,
}

impl Cell {
    pub fn request(&self, count: bool) -> Request {
        Request {
            program: self.program.name.to_owned(),
            implementation: self.implementation.name.to_owned(),
            workers: self.workers,
            size: self.size,
            stack_kib: self.program.stack_kib,
            count,
        }
    }
}

/// Everything that is to be run.
pub struct Plan {
    /// The cells of each program. A program's cells take turns, so that all meet the same moods of the machine.
    pub groups: Vec<Vec<Cell>>,
    /// What cannot be run here, and why.
    pub missing: Vec<String>,
    rounds: usize,
    pub scale: Scale,
}

/// An implementation whose first run took longer than this is run less often.
const SLOW_S: f64 = 5.0;
const SLOW_ROUNDS: usize = 5;

impl Plan {
    pub fn new(options: &Options, launcher: &Launcher) -> Plan {
        // A part that is a program's whole name means that one alone: `uts-t3` is in `uts-t3l` too.
        let is_name = |part: &str| PROGRAMS.iter().any(|program| program.name == part);
        let meant = |name: &str, part: &str| if is_name(part) { name == part } else { name.contains(part) };
        let wanted = |name: &str, parts: &[String]| parts.is_empty() || parts.iter().any(|part| meant(name, part));
        let named = |name: &str, names: &[String]| names.is_empty() || names.iter().any(|other| name == other);
        let workers = if options.workers.is_empty() { doublings(launcher.cpus()) } else { options.workers.clone() };
        let scale = if options.quick { Scale::Quick } else { Scale::Full };
        let is_meant =
            |program: &Program| wanted(program.name, &options.programs) && (scale == Scale::Full || program.quick > 0);
        let mut lacking = Lacking::default();
        let mut groups = Vec::new();
        for program in PROGRAMS.iter().filter(|program| is_meant(program)) {
            let run_it = |implementation: &&Implementation| {
                implementation.runs(program.name) && named(implementation.name, &options.implementations)
            };
            let present: Vec<_> = IMPLEMENTATIONS
                .iter()
                .filter(run_it)
                .filter(|implementation| lacking.is_present(program, implementation, launcher))
                .collect();
            groups.push(cells(program, &present, &workers, scale));
        }
        groups.retain(|cells| !cells.is_empty());
        let missing = lacking.reasons();
        Plan { groups, missing, rounds: options.rounds.unwrap_or(if options.quick { 1 } else { 9 }), scale }
    }

    /// How many rounds a program takes at most: one that counts, and those that keep time.
    pub fn rounds_and_count(&self) -> usize {
        1 + self.rounds
    }

    /// How often time is kept for `cell`, whose first run took `first_s`.
    pub fn rounds(&self, cell: &Cell, first_s: f64) -> usize {
        let most = if first_s > SLOW_S { SLOW_ROUNDS } else { self.rounds };
        most.min(self.rounds).min(cell.program.most_rounds)
    }

    /// How many processes will be started at most.
    pub fn samples(&self) -> usize {
        let processes = |cell: &Cell| usize::from(cell.program.is_counted) + self.rounds(cell, 0.0);
        self.groups.iter().flatten().map(processes).sum()
    }
}

/// What is missing, looked for once for each implementation and file that runs it.
#[derive(Default)]
struct Lacking(Vec<(&'static str, &'static str, Option<String>)>);

impl Lacking {
    fn is_present(
        &mut self,
        program: &'static Program,
        implementation: &'static Implementation,
        launcher: &Launcher,
    ) -> bool {
        let (name, binary) = (implementation.name, program.run_by(implementation));
        if let Some((_, _, reason)) = self.0.iter().find(|known| (known.0, known.1) == (name, binary)) {
            return reason.is_none();
        }
        let reason = launcher.lacks(program, implementation);
        let is_present = reason.is_none();
        self.0.push((name, binary, reason));
        is_present
    }

    fn reasons(self) -> Vec<String> {
        self.0.into_iter().filter_map(|(_, _, reason)| reason).collect()
    }
}

fn cells(
    program: &'static Program,
    implementations: &[&'static Implementation],
    workers: &[usize],
    scale: Scale,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &workers in workers.iter().filter(|workers| **workers >= program.least_workers) {
        for &implementation in implementations {
            if implementation.runs(program.name) && (workers == 1 || !implementation.serial) {
                cells.push(Cell { program, implementation, workers, size: program.size(scale, implementation) });
            }
        }
    }
    cells
}

fn doublings(cpus: usize) -> Vec<usize> {
    let mut workers: Vec<usize> = std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n < cpus).collect();
    workers.push(cpus);
    workers
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::Duration;
    use std::{env, fs, process};

    /// A folder of peers, gone at the end.
    struct Peers(PathBuf);

    impl Peers {
        fn new(name: &str) -> Peers {
            let folder = env::temp_dir().join(format!("vgpu-bench-{name}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            Peers(folder)
        }

        fn plan(&self, args: &[&str]) -> Plan {
            let options = Options::parse_from([&["vgpu-bench", "--workers", "1,2"], args].concat());
            Plan::new(&options, &Launcher::new(&self.0, Duration::from_secs(10)).unwrap())
        }
    }

    impl Drop for Peers {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn without_any_peer_there_is_nothing_to_run_and_each_is_named_once() {
        let plan = Peers::new("none").plan(&["--program", "gemm", "--impl", "vgpu,mkl"]);
        assert!(plan.groups.is_empty());
        assert_eq!(plan.missing.len(), 2, "{:?}", plan.missing);
        assert!(plan.missing.iter().all(|text| text.contains("vgpu-bench-gemm was not built")), "{:?}", plan.missing);
    }

    #[test]
    fn a_library_that_is_not_there_is_missing_and_the_others_run() {
        let peers = Peers::new("some");
        let binary = peers.0.join("vgpu-bench-gemm");
        fs::write(&binary, "#!/bin/sh\n[ \"$2\" != blis ] || { echo no libblis here >&2; exit 1; }\n").unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let plan = peers.plan(&["--program", "dgemm_512x512x512,dgemm_1000x1000x1000_hog"]);
        assert_eq!(plan.missing, ["blis: no libblis here; it comes from Debian's libblis4-openmp"]);
        let [alone, beside_hog] = &plan.groups[..] else { panic!("{:?}", plan.groups) };
        let names = |cells: &[Cell], workers| {
            let of_count = cells.iter().filter(|cell| cell.workers == workers);
            of_count.map(|cell| cell.implementation.name).collect::<Vec<_>>()
        };
        assert_eq!(names(alone, 1), ["vgpu", "mkl", "openblas", "gemm"]);
        assert_eq!(names(alone, 2), ["vgpu", "mkl", "openblas", "gemm"]);
        assert!(names(beside_hog, 1).is_empty());
        assert_eq!(names(beside_hog, 2), ["vgpu", "mkl", "openblas"]);
    }

    #[test]
    fn a_quick_run_takes_few_products_and_small_ones() {
        let peers = Peers::new("quick");
        let binary = peers.0.join("vgpu-bench-gemm");
        fs::write(&binary, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let plan = peers.plan(&["--quick", "--program", "gemm"]);
        assert!(plan.samples() < 100, "{}", plan.samples());
        assert!(plan.groups.iter().flatten().all(|cell| cell.size <= 256));
    }
}
