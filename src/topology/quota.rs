//! How much CPU time the process's control groups grant it, for versions 1 and 2 and both at once.
//!
//! A group's limit holds for everything below it, so the tightest between the process's group and the top of the mount
//! counts. Where the process's group lies outside what is mounted (a container that sees its host's path), the top of the
//! mount is the container's own group and all that can be looked at.

use crate::error::Result;
use crate::os::alloc::{Allocator, List};
use crate::topology::cpu_set::{number, trim};
use crate::topology::tree::Tree;

/// A share of CPU time: so many microseconds out of every so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The CPU time granted in each period, of all threads together.
    pub quota_us: u64,
    /// The length of a period; not 0.
    pub period_us: u64,
}

impl Quota {
    /// The number of CPUs that this keeps busy, rounded up; at least 1.
    pub fn cpus(&self) -> u32 {
        u32::try_from(self.quota_us.div_ceil(self.period_us.max(1))).unwrap_or(u32::MAX).max(1)
    }

    /// The quota of the process whose `/proc/self` lies under `root`, as it is now.
    ///
    /// # Errors
    /// `OutOfMemory`; `InvalidArgument` when `root` is no path.
    pub fn read(allocator: Allocator, root: impl AsRef<[u8]>) -> Result<Option<Quota>> {
        read(&mut Tree::new(allocator, root.as_ref())?)
    }

    fn is_tighter_than(&self, other: &Quota) -> bool {
        let scaled = |quota: u64, period: u64| u128::from(quota) * u128::from(period);
        scaled(self.quota_us, other.period_us) < scaled(other.quota_us, self.period_us)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A line of `/proc/self/mountinfo` that mounts a group hierarchy with the CPU controller.
struct Mount<'a> {
    /// The group that is seen at the mount point.
    top: &'a [u8],
    point: &'a [u8],
}

/// The quota of the process whose `/proc/self` is in the tree.
pub(super) fn read(tree: &mut Tree) -> Result<Option<Quota>> {
    let allocator = tree.allocator();
    let groups = match tree.text(format_args!("/proc/self/cgroup"))? {
        Some(text) => List::from_slice(allocator, text)?,
        None => return Ok(None),
    };
    let mounts = match tree.text(format_args!("/proc/self/mountinfo"))? {
        Some(text) => List::from_slice(allocator, text)?,
        None => return Ok(None),
    };
    let mut tightest = None;
    for line in lines(&groups) {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(hierarchy), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let version = match (hierarchy, controllers) {
            (b"0", b"") => Version::Two,
            _ if controllers.split(|&byte| byte == b',').any(|name| name == b"cpu") => Version::One,
            _ => continue,
        };
        read_hierarchy(tree, version, group, &mounts, &mut tightest)?;
    }
    Ok(tightest)
}

fn read_hierarchy(
    tree: &mut Tree,
    version: Version,
    group: &[u8],
    mounts: &[u8],
    tightest: &mut Option<Quota>,
) -> Result<()> {
    let mut first = None;
    let mut holding = None;
    for mount in lines(mounts).filter_map(|line| mount_of(line, version)) {
        if holding.is_none() {
            holding = below(group, mount.top).map(|rest| (mount.point, rest));
        }
        first.get_or_insert(mount.point);
    }
    let Some((point, mut rest)) = holding.or(first.map(|point| (point, &b""[..]))) else { return Ok(()) };
    let mut unescaped = List::new(tree.allocator());
    unescape(point, &mut unescaped)?;
    loop {
        let quota = match version {
            Version::One => quota_of_one(tree, &unescaped, rest)?,
            Version::Two => quota_of_two(tree, &unescaped, rest)?,
        };
        if let Some(quota) = quota
            && tightest.as_ref().is_none_or(|other| quota.is_tighter_than(other))
        {
            *tightest = Some(quota);
        }
        match rest.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => rest = &rest[..slash],
            None => return Ok(()),
        }
    }
}

fn quota_of_two(tree: &mut Tree, point: &[u8], group: &[u8]) -> Result<Option<Quota>> {
    let Some(text) = tree.text_at(&[point, group, b"/cpu.max"])? else { return Ok(None) };
    let mut words = text.split(|&byte| byte == b' ');
    let (quota, period) = (words.next().unwrap_or(b""), words.next().unwrap_or(b"100000"));
    match (number(quota), number(period)) {
        _ if quota == b"max" => Ok(None),
        (Some(quota_us), Some(period_us)) if period_us > 0 => Ok(Some(Quota { quota_us, period_us })),
        _ => tree.note_malformed("a quota such as 150000 100000"),
    }
}

fn quota_of_one(tree: &mut Tree, point: &[u8], group: &[u8]) -> Result<Option<Quota>> {
    let quota_us = match tree.text_at(&[point, group, b"/cpu.cfs_quota_us"])? {
        None | Some(b"-1") => return Ok(None),
        Some(text) => number(text),
    };
    let Some(quota_us) = quota_us else { return tree.note_malformed("a number of microseconds") };
    let period_us = match tree.text_at(&[point, group, b"/cpu.cfs_period_us"])? {
        None => Some(100_000),
        Some(text) => number(text).filter(|&period| period > 0),
    };
    match period_us {
        Some(period_us) => Ok(Some(Quota { quota_us, period_us })),
        None => tree.note_malformed("a number of microseconds above 0"),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

/// `36 35 98:0 /top /point opts [tags] - type source options`: proc(5).
fn mount_of(line: &[u8], version: Version) -> Option<Mount<'_>> {
    let mut fields = trim(line).split(|&byte| byte == b' ');
    let (top, point) = (fields.nth(3)?, fields.next()?);
    fields.find(|&field| field == b"-")?;
    let kind = fields.next()?;
    let options = fields.nth(1)?;
    let fits = match version {
        Version::Two => kind == b"cgroup2",
        Version::One => kind == b"cgroup" && options.split(|&byte| byte == b',').any(|option| option == b"cpu"),
    };
    fits.then_some(Mount { top, point })
}

/// The part of the path `group` below `top`, beginning with a slash unless empty; `None` when it is not below.
fn below<'a>(group: &'a [u8], top: &[u8]) -> Option<&'a [u8]> {
    // A group outside the process's group namespace is written with leading `..`, and no path leads there.
    if group.starts_with(b"/..") {
        return None;
    }
    let rest = match top {
        b"/" => group,
        _ => group.strip_prefix(top)?,
    };
    match rest {
        b"" | b"/" => Some(b""),
        [b'/', ..] => Some(rest),
        _ => None,
    }
}

/// Mount points are written with a blank, a tab, a line end and a backslash as `\` and three octal digits.
fn unescape(text: &[u8], plain: &mut List<u8>) -> Result<()> {
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        plain.push(match (byte, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                rest = after;
                (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')
            }
            _ => *byte,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::fixture::Files;
    use quickcheck::quickcheck;

    /// The quota in CPUs, and what was noted, of a process in `group` with these mounts and limits.
    fn cpus_granted(group: &str, mounts: &[&str], limits: &[(&str, &str)]) -> (Option<u32>, String) {
        let mut files = Files::default();
        files.add("/proc/self/cgroup".into(), group.into());
        files.add("/proc/self/mountinfo".into(), mounts.join("\n"));
        for (path, limit) in limits {
            files.add((*path).into(), (*limit).into());
        }
        let root = files.write();
        let mut tree = Tree::new(Allocator::SYSTEM, root.as_str().as_bytes()).unwrap();
        let quota = read(&mut tree).unwrap();
        (quota.map(|quota| quota.cpus()), tree.notes.iter().collect::<Vec<_>>().join("\n"))
    }

    const TWO: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    const ONE: &str = "33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct";
    const ONE_MEMORY: &str = "34 24 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        let limits = [
            ("/sys/fs/cgroup/a/cpu.max", "150000 100000"),
            ("/sys/fs/cgroup/a/b/cpu.max", "max 100000"),
            ("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000"),
            ("/sys/fs/cgroup/other/cpu.max", "1000 100000"),
        ];
        assert_eq!(cpus_granted("0::/a/b/c", &[TWO], &limits), (Some(2), String::new()));
        assert_eq!(cpus_granted("0::/a", &[TWO], &limits).0, Some(2));
        assert_eq!(cpus_granted("0::/", &[TWO], &limits).0, None);
        assert_eq!(cpus_granted("0::/a", &[ONE], &limits).0, None);
        assert_eq!(cpus_granted("0::/a", &[TWO], &[("/sys/fs/cgroup/cpu.max", "1 100000")]).0, Some(1));
    }

    #[test]
    fn version_one_is_read_from_the_hierarchy_of_the_cpu_controller() {
        let group = "5:memory:/m\n4:cpu,cpuacct:/docker/x:y\n3:cpuset:/\n1:name=systemd:/z\n0::/z";
        let limits = [
            ("/sys/fs/cgroup/cpu,cpuacct/docker/x:y/cpu.cfs_quota_us", "250000"),
            ("/sys/fs/cgroup/cpu,cpuacct/docker/x:y/cpu.cfs_period_us", "100000"),
            ("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1"),
            ("/sys/fs/cgroup/memory/cpu.cfs_quota_us", "1"),
        ];
        assert_eq!(cpus_granted(group, &[ONE_MEMORY, ONE], &limits), (Some(3), String::new()));
        // Both versions at once: the tighter.
        let both = [limits[0], limits[1], ("/sys/fs/cgroup/z/cpu.max", "100000 100000")];
        assert_eq!(cpus_granted(group, &[TWO, ONE], &both).0, Some(1));
    }

    #[test]
    fn a_container_finds_its_own_group() {
        let bound = "33 24 0:29 /docker/x /sys/fs/cgroup rw - cgroup cgroup rw,cpu";
        let limits = [("/sys/fs/cgroup/cpu.cfs_quota_us", "50000"), ("/sys/fs/cgroup/sub/cpu.cfs_quota_us", "10000")];
        // The mount shows the group itself, a group below it, and a group that it does not hold.
        assert_eq!(cpus_granted("4:cpu:/docker/x", &[bound], &limits).0, Some(1));
        assert_eq!(cpus_granted("4:cpu:/docker/x/sub", &[bound], &limits).0, Some(1));
        let wide = [("/sys/fs/cgroup/cpu.cfs_quota_us", "700000"), ("/sys/fs/cgroup/yz/cpu.cfs_quota_us", "10000")];
        assert_eq!(cpus_granted("4:cpu:/docker/xyz", &[bound], &wide).0, Some(7));
        assert_eq!(cpus_granted("4:cpu:/../outside", &[&ONE.replace("cpu,cpuacct rw", "cpu rw")], &wide).0, None);
        assert_eq!(cpus_granted("0::/../outside", &[TWO], &[("/sys/fs/cgroup/cpu.max", "7 1")]).0, Some(7));
    }

    #[test]
    fn a_mount_point_with_a_blank_is_found() {
        let mount = TWO.replace("/sys/fs/cgroup", "/my\\040groups\\134x\\9");
        assert_eq!(cpus_granted("0::/", &[&mount], &[("/my groups\\x\\9/cpu.max", "3 1")]).0, Some(3));
    }

    #[test]
    fn a_broken_limit_is_noted_and_the_others_count() {
        for broken in ["", "x", "100000 0", "-5 100", "100 x", "99999999999999999999 1"] {
            let limits = [("/sys/fs/cgroup/a/b/cpu.max", broken), ("/sys/fs/cgroup/a/cpu.max", "200 100")];
            let (cpus, notes) = cpus_granted("0::/a/b", &[TWO], &limits);
            assert_eq!(cpus, Some(2));
            assert!(notes.contains("/sys/fs/cgroup/a/b/cpu.max"), "{broken:?}: {notes}");
        }
    }

    quickcheck! {
        fn a_quota_is_rounded_up_and_never_to_0(quota_us: u64, period_us: u64) -> bool {
            let cpus = u128::from(Quota { quota_us, period_us: period_us.max(1) }.cpus());
            let exact = u128::from(quota_us).div_ceil(u128::from(period_us.max(1)));
            cpus == exact.clamp(1, u128::from(u32::MAX))
        }

        fn any_text_for_groups_and_mounts_is_survived(group: String, mount: String) -> bool {
            let group = format!("0::/{group}\n{group}\n1:cpu:{group}");
            let mounts = format!("{mount}\n{TWO}\n1 2 3 {mount} {mount} - cgroup x cpu");
            cpus_granted(&group, &[&mounts], &[]).0.is_none()
        }
    }
}
