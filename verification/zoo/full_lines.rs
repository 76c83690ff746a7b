//! Two workers, each with a line of tasks before it, who hand a task to each other's line while newcomers come in. In one design a
//! newcomer takes what room there is in a line, and who hands over waits for room; in the other a newcomer needs a place, and each
//! line has room for all places.

use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::parker::Parker;
use vgpu_pool::protocol::queue::Shard;

use std::ptr::NonNull;

/// Who waits when a line is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// The worker that hands a task over.
    IsWaitedFor,
    /// Nobody: there is always room.
    ForAllPlaces,
}

/// How many tasks stand in each line to begin with.
const LENGTH: usize = 2;

struct Line {
    tasks: Shard<u32>,
    /// For the worker that waits for room here.
    room: Parker,
}

/// The two lines, and the places that are free.
pub(crate) struct Lines {
    lines: [Line; 2],
    free: Shard<u32>,
    room: Room,
    /// What a task is, to a line.
    task: NonNull<u32>,
}

// SAFETY: what the pointer points to is not looked at.
unsafe impl Send for Lines {}
// SAFETY: as above.
unsafe impl Sync for Lines {}

impl Lines {
    pub(crate) fn new(room: Room) -> Lines {
        let capacity = if room == Room::ForAllPlaces { 2 * LENGTH } else { LENGTH };
        let line = || Line { tasks: Shard::new(Allocator::SYSTEM, capacity).unwrap(), room: Parker::new() };
        let task = NonNull::dangling();
        // No place is free: all tasks there may be stand in the lines.
        let lines = Lines { lines: [line(), line()], free: Shard::new(Allocator::SYSTEM, 2).unwrap(), room, task };
        for line in &lines.lines {
            (0..LENGTH).for_each(|_| line.tasks.push(task).unwrap());
        }
        lines
    }

    /// A worker takes a task from its own line and hands it to the other.
    pub(crate) fn hand_one_over(&self, own: usize) {
        let task = self.lines[own].tasks.pop().expect("nobody else takes from this line");
        self.lines[own].room.unpark();
        let other = &self.lines[1 - own];
        while other.tasks.push(task).is_err() {
            assert_eq!(self.room, Room::IsWaitedFor, "a line has room for all places");
            other.room.park(None);
        }
    }

    /// A task comes in from outside, if it may. Says whether it did.
    pub(crate) fn bring_in(&self, line: usize) -> bool {
        if self.room == Room::ForAllPlaces && self.free.pop().is_none() {
            return false;
        }
        self.lines[line].tasks.push(self.task).is_ok()
    }

    /// How many tasks stand in the lines, when nobody is at work.
    pub(crate) fn len(&self) -> usize {
        self.lines.iter().map(|line| line.tasks.len()).sum()
    }
}
