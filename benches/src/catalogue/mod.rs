//! What is measured: the programs with their sizes and known results, and the implementations that run them.

mod implementations;
mod products;
mod programs;

pub use implementations::IMPLEMENTATIONS;
pub use products::{Product, WITHIN_BOUND};
pub use programs::PROGRAMS;

/// The report a program's rows are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    ForkJoin,
    Submit,
    Wake,
    ParallelFor,
    Graph,
    Gemm,
}

impl Family {
    pub const ALL: [Family; 6] =
        [Family::ForkJoin, Family::Submit, Family::Wake, Family::ParallelFor, Family::Graph, Family::Gemm];

    /// The report's file name without its ending.
    pub fn file_stem(self) -> &'static str {
        match self {
            Family::ForkJoin => "forkjoin",
            Family::Submit => "submit",
            Family::Wake => "wake",
            Family::ParallelFor => "parallel_for",
            Family::Graph => "graph",
            Family::Gemm => "gemm",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Family::ForkJoin => "Fork and join",
            Family::Submit => "Submitting",
            Family::Wake => "Waking, joining two, idling",
            Family::ParallelFor => "Loops",
            Family::Graph => "Task graphs",
            Family::Gemm => "Matrix products",
        }
    }
}

/// What a program's figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The wall time of one run.
    Duration,
    /// Many latencies; the figure is the median of each round's median.
    Latency,
    /// The wall time is fixed, and the figure is the CPU time used in it.
    CpuUse,
}

/// How large a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The size that figures are published for.
    Full,
    /// For a run that only shows that all is well.
    Quick,
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    pub family: Family,
    pub kind: Kind,
    /// What the report calls it.
    pub title: &'static str,
    /// What one unit is, for times per unit.
    pub unit: &'static str,
    pub full: u64,
    /// 0: a quick run leaves it out.
    pub quick: u64,
    /// The size for implementations that start a thread for each task.
    pub tiny: Option<u64>,
    /// The most rounds it is run for, where a round takes long.
    pub most_rounds: usize,
    /// Whether its forks are counted, in a run of its own.
    pub is_counted: bool,
    /// Whether the field's score counts it.
    pub scored: bool,
    /// The stack of each worker.
    pub stack_kib: usize,
    /// Threads that need a CPU besides the workers.
    pub outside_threads: usize,
    /// With fewer workers it says nothing.
    pub least_workers: usize,
    /// The file that runs it for every implementation, where it is not the implementation's own.
    pub binary: Option<&'static str>,
    /// The known result for a size.
    pub expected: fn(u64) -> Option<String>,
    /// The known number of forks for a size.
    pub forks: fn(u64) -> Option<u64>,
}

impl Program {
    /// The file that runs it for `implementation`.
    pub fn run_by(&self, implementation: &Implementation) -> &'static str {
        self.binary.unwrap_or(implementation.binary)
    }

    /// How large `implementation` runs it.
    pub fn size(&self, scale: Scale, implementation: &Implementation) -> u64 {
        let size = match scale {
            Scale::Full => self.full,
            Scale::Quick => self.quick,
        };
        match self.tiny {
            Some(tiny) if implementation.tiny => tiny.min(size),
            _ => size,
        }
    }
}

/// How an implementation counts in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ours.
    Ours,
    /// Another pool.
    Peer,
    /// A peer used in another way than its best, shown and not ranked.
    Variant,
    /// No pool at all: the plain program, or what the machine itself takes. Shown and not ranked.
    Baseline,
}

/// An implementation.
#[derive(Debug)]
pub struct Implementation {
    pub name: &'static str,
    pub role: Role,
    /// The implementation that this is another way of using. Where one is compared with a peer it is compared with the peer's
    /// best way.
    pub way_of: Option<&'static str>,
    /// The file that runs it, beside the driver or among the C++ peers, but for programs that have one of their own.
    pub binary: &'static str,
    /// The programs it runs, kind by kind.
    pub programs: &'static [&'static [&'static str]],
    /// Runs the tiny sizes only.
    pub tiny: bool,
    /// Knows one worker only.
    pub serial: bool,
    /// Where it comes from, for the list of what is missing.
    pub from: &'static str,
}

impl Implementation {
    /// Whether it runs the program of that name.
    pub fn runs(&self, program: &str) -> bool {
        self.programs.iter().any(|kind| kind.contains(&program))
    }
}

/// The program called `name`.
pub fn program(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// The implementation called `name`.
pub fn implementation(name: &str) -> Option<&'static Implementation> {
    IMPLEMENTATIONS.iter().find(|implementation| implementation.name == name)
}
