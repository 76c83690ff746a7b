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
        let (present, absent): (Vec<_>, Vec<_>) = IMPLEMENTATIONS
            .iter()
            .filter(|implementation| named(implementation.name, &options.implementations))
            .partition(|implementation| launcher.find(implementation).is_some());
        let workers = if options.workers.is_empty() { doublings(launcher.cpus()) } else { options.workers.clone() };
        let scale = if options.quick { Scale::Quick } else { Scale::Full };
        let groups = PROGRAMS
            .iter()
            .filter(|program| wanted(program.name, &options.programs))
            .map(|program| cells(program, &present, &workers, scale))
            .filter(|cells| !cells.is_empty())
            .collect();
        let missing = absent
            .iter()
            .map(|implementation| {
                format!(
                    "{}: {} was not built; it is made from {}",
                    implementation.name, implementation.binary, implementation.from
                )
            })
            .collect();
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

fn cells(
    program: &'static Program,
    implementations: &[&'static Implementation],
    workers: &[usize],
    scale: Scale,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &workers in workers {
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
