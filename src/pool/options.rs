//! What can be asked for a task: how urgent it is, and where it may run.

use crate::topology::CpuSet;

/// How urgent a task is. Whoever is free takes the most urgent task of the whole pool, its own inbox first; what that means for
/// the less urgent is bounded: see [`FAIR_TURN`](super::inbox::FAIR_TURN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// When there is nothing else to do.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Before the usual.
    High,
    /// Before all others.
    Max,
}

impl Priority {
    /// The priority of a lane.
    pub(super) const fn of_lane(lane: usize) -> Priority {
        [Priority::Low, Priority::Normal, Priority::High, Priority::Max][lane]
    }
}

/// Where a task may run, and the jobs that it forks. What cannot be kept is an error when the task is submitted.
#[derive(Clone, Copy, Debug, Default)]
pub enum Binding<'a> {
    /// On any worker.
    #[default]
    Anywhere,
    /// On this worker.
    Worker(usize),
    /// On the workers that are pinned to CPUs of this NUMA node, by the kernel's number.
    Node(u32),
    /// On workers that are pinned to these CPUs. If those are just the workers of a node, any of them takes the task; else it is
    /// dealt to the one of them that has the fewest such tasks.
    Cpus(&'a CpuSet),
}

/// What is asked for a task.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskOptions<'a> {
    /// How urgent it is.
    pub priority: Priority,
    /// Where it may run.
    pub binding: Binding<'a>,
}

impl TaskOptions<'_> {
    /// Only a priority.
    pub fn of(priority: Priority) -> TaskOptions<'static> {
        TaskOptions { priority, ..TaskOptions::default() }
    }
}
