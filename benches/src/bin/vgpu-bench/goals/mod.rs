//! What the pool is to reach, and whether it did in this run. Goals are ratios to peers, or to the machine, within the run.

mod products;

use crate::row::{Report, Row};
use crate::score::{OURS, best_way, geometric_mean, speed_up, worker_counts};
use vgpu_bench::catalogue::{Family, PROGRAMS};

/// A goal and what was measured.
pub struct Goal {
    pub what: String,
    pub measured: String,
    /// `None` when something to judge by is missing.
    pub is_met: Option<bool>,
}

/// The peers that a scored row is held against.
const FIELD: &[&str] = &["rayon", "chili", "tbb", "libomp"];
const OPENMP_LOOPS: &[&str] =
    &["libomp-static", "libomp-dynamic", "libomp-guided", "libgomp-static", "libgomp-dynamic", "libgomp-guided", "tbb"];
const OPENMP_TASKS: &[&str] = &["tbb", "libomp", "libgomp"];
/// Peers that queue what is submitted. OpenMP calls most tasks on the spot when one thread makes many.
const QUEUEING: &[&str] = &["rayon", "tbb", "tokio", "std-async"];
/// Ours may be this much behind the best and still count as level with it.
const LEVEL: f64 = 1.02;

/// All goals, with the report's figures.
pub fn goals(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    fork_costs(report, &mut goals);
    scored_rows(report, &mut goals);
    speed_ups(report, &mut goals);
    joins_of_two(report, &mut goals);
    submitting(report, &mut goals);
    waking(report, &mut goals);
    idling(report, &mut goals);
    loops(report, &mut goals);
    graphs(report, &mut goals);
    products::add(report, &mut goals);
    goals
}

/// A figure that is to stay at or below a limit.
fn at_most(what: impl Into<String>, figures: Option<(f64, f64)>, show: impl Fn(f64) -> String) -> Goal {
    Goal {
        what: what.into(),
        measured: figures.map_or_else(
            || "not measured".to_owned(),
            |(value, limit)| format!("{} (limit {})", show(value), show(limit)),
        ),
        is_met: figures.map(|(value, limit)| value <= limit),
    }
}

/// A figure that is to reach a limit.
fn at_least(what: impl Into<String>, figures: Option<(f64, f64)>, show: impl Fn(f64) -> String) -> Goal {
    Goal {
        what: what.into(),
        measured: figures.map_or_else(
            || "not measured".to_owned(),
            |(value, limit)| format!("{} (at least {})", show(value), show(limit)),
        ),
        is_met: figures.map(|(value, limit)| value >= limit),
    }
}

fn of(workers: usize) -> String {
    format!("{workers} worker{}", if workers == 1 { "" } else { "s" })
}

fn ns(value: f64) -> String {
    format!("{value:.2} ns")
}

fn us(seconds: f64) -> String {
    format!("{:.2} us", seconds * 1e6)
}

fn times(value: f64) -> String {
    format!("{value:.2}")
}

fn extra(row: Option<&Row>, name: &str) -> Option<f64> {
    row?.extra.get(name).copied()
}

fn fork_costs(report: &Report, goals: &mut Vec<Goal>) {
    let per_fork = |implementation| extra(report.find("fib", 1, implementation), "ns_per_unit");
    goals.push(at_most("fib, 1 worker: time for each fork, all told", per_fork(OURS).map(|ours| (ours, 3.2)), ns));
    let cpp = per_fork("vgpu-cpp").zip(per_fork(OURS)).map(|(cpp, rust)| (cpp, 1.3 * rust));
    goals.push(at_most("fib, 1 worker, through the C++ header: at most 1.3 times Rust's", cpp, ns));
}

fn scored_rows(report: &Report, goals: &mut Vec<Goal>) {
    for program in PROGRAMS.iter().filter(|program| program.scored) {
        for workers in worker_counts(report) {
            let best = best(report, program.name, workers, FIELD, Row::cost);
            let ours = report.find(program.name, workers, OURS).map(Row::cost);
            let ratio = ours.zip(best).map(|(ours, (_, best))| (ours / best, LEVEL));
            let rival = best.map_or("the field", |(name, _)| name);
            goals.push(at_most(
                format!("{}, {}: time by the best of the field, {rival}", program.name, of(workers)),
                ratio,
                times,
            ));
        }
    }
    for (peer, limit) in [("rayon", 0.7), ("tbb", 0.35)] {
        let mean = geometric_mean(report, peer).map(|mean| (mean, limit));
        goals.push(at_most(format!("all scored rows: geometric mean of time by {peer}'s"), mean, times));
    }
}

/// The best of `peers`, by name; only when all of them were measured.
fn best(
    report: &Report,
    program: &str,
    workers: usize,
    peers: &[&'static str],
    figure: impl Fn(&Row) -> f64,
) -> Option<(&'static str, f64)> {
    let figures: Option<Vec<_>> =
        peers.iter().map(|peer| Some((*peer, figure(best_way(report, program, workers, peer)?)))).collect();
    figures?.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Only where the machine's own CPUs give 1.95 on work that shares nothing.
fn speed_ups(report: &Report, goals: &mut Vec<Goal>) {
    let machine = report.find("independent", 2, "threads").and_then(|row| speed_up(report, row));
    for program in PROGRAMS.iter().filter(|program| program.scored) {
        let ours = report.find(program.name, 2, OURS).and_then(|row| speed_up(report, row));
        let what = format!("{}: 2 workers at least 1.9 times 1 worker", program.name);
        goals.push(match (ours, machine) {
            (Some(ours), Some(machine)) => Goal {
                what,
                measured: format!("{ours:.2}; the machine gives {machine:.2}"),
                is_met: (machine >= 1.95).then_some(ours >= 1.9),
            },
            _ => Goal { what, measured: "not measured".to_owned(), is_met: None },
        });
    }
}

fn joins_of_two(report: &Report, goals: &mut Vec<Goal>) {
    let awake = report.find("join-awake", 2, OURS);
    let figures = awake.zip(extra(awake, "body_s")).map(|(row, body)| (row.median_s / body, 1.3));
    goals.push(at_most("two bodies of 20 us on two awake workers: time by one body's", figures, times));
    let asleep = report.find("join-asleep", 2, OURS);
    // The second body needs the other CPU. A futex alone wakes its sleeper on the CPU of who wakes it, so both are told.
    for (futex, whose) in [("futex-pinned", "to the other CPU"), ("futex", "to wherever the kernel likes")] {
        let wake_up = extra(report.find("wake", 2, futex), "p50_s");
        let figures = asleep
            .zip(extra(asleep, "body_s"))
            .zip(wake_up)
            .map(|((row, body), wake_up)| (row.median_s, body + 1.5 * wake_up));
        let what = format!("the same with the second asleep: one body and 1.5 futex wake-ups {whose}");
        goals.push(at_most(what, figures, us));
    }
}

fn submitting(report: &Report, goals: &mut Vec<Goal>) {
    for workers in worker_counts(report) {
        let best = best(report, "submit", workers, QUEUEING, Row::cost);
        let ours = report.find("submit", workers, OURS).map(Row::cost);
        let figures = ours.zip(best).map(|(ours, (_, best))| (ours / best, 0.5));
        let rival = best.map_or("a task", |(name, _)| name);
        goals.push(at_most(
            format!("submit, {}: half the time of the best that queues, {rival}", of(workers)),
            figures,
            times,
        ));
        let allocations = extra(report.find("submit", workers, "vgpu-c-storage"), "allocations_per_task");
        let what = format!("submit in the caller's storage, {}: allocations for each task", of(workers));
        goals.push(at_most(what, allocations.map(|count| (count, 0.0)), |count| format!("{count}")));
    }
}

fn waking(report: &Report, goals: &mut Vec<Goal>) {
    for workers in worker_counts(report) {
        for (name, quantile) in [("p50_s", "p50"), ("p99_s", "p99"), ("p999_s", "p99.9")] {
            let figure = |row: &Row| row.extra.get(name).copied().unwrap_or(f64::INFINITY);
            let best = best(report, "wake", workers, &["rayon", "tbb"], figure);
            let ours = report.find("wake", workers, OURS).map(figure);
            let figures = ours.zip(best).map(|(ours, (_, best))| (ours, best));
            goals.push(at_most(
                format!("wake, {}, {quantile}: the better of rayon and oneTBB", of(workers)),
                figures,
                us,
            ));
        }
    }
}

fn idling(report: &Report, goals: &mut Vec<Goal>) {
    for workers in worker_counts(report) {
        let row = report.find("idle", workers, OURS);
        let used = row.map(|row| (row.cpu_s / row.median_s * 10.0 * 1e3, 1.0));
        goals.push(at_most(format!("idle, {}: CPU time in 10 s", of(workers)), used, |ms| format!("{ms:.3} ms")));
    }
    let memory = extra(report.find("idle", 2, OURS), "pool_rss_kib").map(|kib| (kib, 1024.0));
    goals.push(at_most("idle, 2 workers: memory of the pool", memory, |kib| format!("{kib:.0} KiB")));
}

fn loops(report: &Report, goals: &mut Vec<Goal>) {
    let empty = report.find("for-empty", 2, OURS).map(|row| (row.cost(), 1000.0));
    goals.push(at_most("a loop of two empty pieces, 2 workers", empty, ns));
    for program in ["for-empty", "for-cheap", "for-skewed"] {
        level_with(report, program, OPENMP_LOOPS, goals);
    }
}

fn graphs(report: &Report, goals: &mut Vec<Goal>) {
    for program in PROGRAMS.iter().filter(|program| program.family == Family::Graph) {
        level_with(report, program.name, OPENMP_TASKS, goals);
    }
}

fn level_with(report: &Report, program: &str, peers: &[&'static str], goals: &mut Vec<Goal>) {
    for workers in worker_counts(report) {
        let best = best(report, program, workers, peers, Row::cost);
        let ours = report.find(program, workers, OURS).map(Row::cost);
        let rival = best.map_or("OpenMP and oneTBB", |(name, _)| name);
        let ratio = ours.zip(best).map(|(ours, (_, best))| (ours / best, LEVEL));
        let what = format!("{program}, {}: time by the best of OpenMP and oneTBB, {rival}", of(workers));
        goals.push(at_most(what, ratio, times));
    }
}
