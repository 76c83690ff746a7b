//! What the figures were taken on.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine, the compilers, and how quiet it was.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub date: String,
    pub commit: String,
    pub cpu: String,
    pub cpus: usize,
    pub is_virtual: bool,
    pub caches: Vec<String>,
    pub memory: String,
    pub kernel: String,
    pub compilers: Vec<String>,
    /// Running threads per CPU, averaged over the minute before the run.
    pub load_before: f64,
    /// The share of CPU time that the host gave to somebody else during the run.
    pub stolen: f64,
    #[serde(skip)]
    ticks: Ticks,
}

/// CPU time of all CPUs, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Machine {
    /// Describes this machine; `peers` is where the C++ peers' flags are written down.
    pub fn look(peers: &Path, commit: &str) -> Machine {
        let cpuinfo = read("/proc/cpuinfo");
        let field = |name: &str| {
            cpuinfo.lines().find(|line| line.starts_with(name)).and_then(|line| Some(line.split_once(": ")?.1))
        };
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut compilers = vec![format!("{} {}", env!("BENCH_RUSTC"), env!("BENCH_RUSTFLAGS"))];
        compilers.push(format!("kernels: {}", env!("BENCH_KERNEL_FLAGS")));
        compilers.extend(read(peers.join("flags.txt")).lines().map(str::to_owned));
        Machine {
            date: utc_date(SystemTime::now()),
            commit: commit.to_owned(),
            cpu: field("model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            cpus,
            is_virtual: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            caches: caches(),
            memory: memory(),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            compilers,
            load_before: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
                / cpus as f64,
            stolen: 0.0,
            ticks: Ticks::now(),
        }
    }

    /// Whether other programs keep the machine busy.
    pub fn is_busy(&self) -> bool {
        self.load_before > 0.25
    }

    /// After the run: how much of it the host took away.
    pub fn look_again(&mut self) {
        let (before, now) = (self.ticks, Ticks::now());
        let all = now.all.saturating_sub(before.all).max(1);
        self.stolen = now.stolen.saturating_sub(before.stolen) as f64 / all as f64;
    }
}

impl Ticks {
    fn now() -> Ticks {
        let stat = read("/proc/stat");
        let fields: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user.
        Ticks { all: fields.iter().take(8).sum(), stolen: fields.get(7).copied().unwrap_or(0) }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn caches() -> Vec<String> {
    (0..)
        .map(|index| format!("/sys/devices/system/cpu/cpu0/cache/index{index}"))
        .take_while(|folder| Path::new(folder).exists())
        .map(|folder| {
            let part = |name: &str| read(format!("{folder}/{name}")).trim().to_owned();
            format!("L{} {} {}", part("level"), part("type").to_lowercase(), part("size"))
        })
        .collect()
}

fn memory() -> String {
    let info = read("/proc/meminfo");
    let kib: Option<f64> = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.map_or_else(String::new, |kib| format!("{:.0} GiB", kib / 1024.0 / 1024.0))
}

/// The date of a moment, as in 2026-02-28 13:45 UTC.
fn utc_date(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from the first of March of the year 0, so that leap days come last.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + carry;
    format!("{year}-{month:02}-{date:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |seconds| utc_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_772_286_300), "2026-02-28 13:45 UTC");
    }
}
