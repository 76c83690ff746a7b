//! The upper bound of how many workers have places: what the program wishes, and what the process's control groups grant.
//!
//! There is no thread for it: a worker that is about to sleep, if it is time, reads the quota again. A pool that never sleeps does not notice
//! a new quota, and is throttled by the system until it does.

use super::log::{Level, Log, say};
use crate::os::alloc::{Allocator, List};
use crate::protocol::event_count::EventCount;
use crate::sync::Count;
use crate::topology::Quota;

/// How long a quota is believed.
const LOOK_NS: u64 = 1_000_000_000;

/// The bounds of a pool's number of workers. Two threads that set them at a time leave either's.
#[derive(Debug)]
pub(crate) struct Governor {
    wished: Count,
    granted: Count,
    next_look_ns: Count,
    /// The directory that stands for `/`, if the quota is to be followed.
    root: Option<List<u8>>,
}

impl Governor {
    /// No bounds.
    pub(crate) fn new() -> Governor {
        let governor = Governor {
            wished: Count::default(),
            granted: Count::default(),
            next_look_ns: Count::default(),
            root: None,
        };
        governor.wished.set(u64::MAX);
        governor.granted.set(u64::MAX);
        governor
    }

    /// Follows the quota told by the files under this directory.
    pub(crate) fn follow(&mut self, root: List<u8>) {
        self.root = Some(root);
    }

    /// Sets what the program wishes.
    pub(crate) fn wish(&self, sleep: &EventCount, workers: usize) {
        self.wished.set(workers as u64);
        self.apply(sleep);
    }

    fn apply(&self, sleep: &EventCount) {
        sleep.limit(self.wished.get().min(self.granted.get()) as usize);
    }

    /// Reads the quota if it is time.
    pub(crate) fn look(
        &self,
        allocator: Allocator,
        sleep: &EventCount,
        log: Option<Log>,
        now_ns: impl FnOnce() -> u64,
    ) {
        let Some(root) = &self.root else { return };
        let now_ns = now_ns();
        if now_ns < self.next_look_ns.get() {
            return;
        }
        self.next_look_ns.set(now_ns + LOOK_NS);
        // What cannot be read leaves things as they are.
        if let Ok(quota) = Quota::read(allocator, &root[..]) {
            let granted = quota.map_or(u64::MAX, |quota| u64::from(quota.cpus()));
            if granted != self.granted.get() {
                self.granted.set(granted);
                self.apply(sleep);
                match quota {
                    Some(quota) => say(
                        log,
                        Level::Info,
                        format_args!("the control groups grant {} CPUs from now on", quota.cpus()),
                    ),
                    None => say(log, Level::Info, format_args!("the control groups have no quota from now on")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::roster::Roster;
    use crate::sync::IS_CHECKED;
    use std::{env, fs, process};

    #[test]
    fn a_new_quota_is_seen_after_a_while_and_not_before() {
        if IS_CHECKED {
            return;
        }
        let root = env::temp_dir().join(format!("vgpu-governor-{}", process::id()));
        let group = root.join("sys/fs/cgroup/a");
        fs::create_dir_all(&group).unwrap();
        fs::create_dir_all(root.join("proc/self")).unwrap();
        fs::write(root.join("proc/self/cgroup"), "0::/a\n").unwrap();
        fs::write(root.join("proc/self/mountinfo"), "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").unwrap();
        let grant = |text: &str| fs::write(group.join("cpu.max"), text).unwrap();

        let sleep = EventCount::with_roster(Allocator::SYSTEM, 8, Roster::varying(1, 8)).unwrap();
        let raised = |sleep: &EventCount| {
            while sleep.roster().raise().is_some() {}
            sleep.roster().places()
        };
        let mut governor = Governor::new();
        governor.look(Allocator::SYSTEM, &sleep, None, || 0);
        assert_eq!(raised(&sleep), 8);
        governor.follow(List::from_slice(Allocator::SYSTEM, root.to_str().unwrap().as_bytes()).unwrap());
        grant("300000 100000");
        governor.look(Allocator::SYSTEM, &sleep, None, || 5);
        assert_eq!(sleep.roster().places(), 3);
        assert_eq!(raised(&sleep), 3);
        // Not yet.
        grant("200000 100000");
        governor.look(Allocator::SYSTEM, &sleep, None, || LOOK_NS);
        assert_eq!(raised(&sleep), 3);
        governor.look(Allocator::SYSTEM, &sleep, None, || LOOK_NS + 5);
        assert_eq!(raised(&sleep), 2);
        // The tighter of quota and wish counts.
        governor.wish(&sleep, 1);
        assert_eq!(raised(&sleep), 1);
        grant("max 100000");
        governor.look(Allocator::SYSTEM, &sleep, None, || 3 * LOOK_NS);
        assert_eq!(raised(&sleep), 1);
        governor.wish(&sleep, 6);
        assert_eq!(raised(&sleep), 6);
        fs::remove_dir_all(&root).unwrap();
    }
}
