//! The report's tables as plain cells, for whatever writes them down.

use crate::goals::goals;
use crate::row::{Report, Row, is_ours};
use crate::score::{geometric_mean, scores, speed_up};
use vgpu_bench::catalogue::{Kind, Program};

/// A heading and lines of as many cells.
pub struct Table {
    pub heading: Vec<&'static str>,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub cells: Vec<String>,
    /// Whether it is about our pool.
    pub is_ours: bool,
}

/// A time with a unit that suits its size.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.3} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.2} us", s * 1e6),
        s => format!("{:.1} ns", s * 1e9),
    }
}

fn ratio(row: &Row) -> String {
    match row.ratio_to_best {
        Some(ratio) if row.is_ranked() => format!("{ratio:.2}"),
        Some(ratio) => format!("({ratio:.2})"),
        None => String::new(),
    }
}

fn extra(row: &Row, name: &str, show: impl Fn(f64) -> String) -> String {
    row.extra.get(name).map_or_else(String::new, |value| show(*value))
}

/// All rows of a program.
pub fn of_program(report: &Report, program: &Program) -> Table {
    let rows = report.rows.iter().filter(|row| row.program == program.name);
    match program.kind {
        Kind::Duration => Table {
            heading: vec![
                "workers",
                "implementation",
                "median",
                "min",
                "max",
                "ratio to best",
                "per unit",
                "speed-up",
                "CPU time",
                "peak memory",
                "version",
            ],
            lines: lines(rows, |row| {
                vec![
                    time(row.median_s),
                    time(row.min_s),
                    time(row.max_s),
                    ratio(row),
                    row.gflops.map_or_else(|| per_unit(program, row), |gflops| format!("{gflops:.1} GFLOPS")),
                    speed_up(report, row).map_or_else(String::new, |speed| format!("{speed:.2}")),
                    time(row.cpu_s),
                    memory(row.rss_kib as f64),
                    version(row),
                ]
            }),
        },
        Kind::Latency => Table {
            heading: vec![
                "workers",
                "implementation",
                "median",
                "min",
                "max",
                "ratio to best",
                "p99",
                "p99.9",
                "worst",
                "one body",
                "generator late p99",
                "CPU time",
                "version",
            ],
            lines: lines(rows, |row| {
                vec![
                    time(row.median_s),
                    time(row.min_s),
                    time(row.max_s),
                    ratio(row),
                    extra(row, "p99_s", time),
                    extra(row, "p999_s", time),
                    extra(row, "worst_s", time),
                    extra(row, "body_s", time),
                    extra(row, "generator_late_p99_s", time),
                    time(row.cpu_s),
                    version(row),
                ]
            }),
        },
        Kind::CpuUse => Table {
            heading: vec![
                "workers",
                "implementation",
                "idle for",
                "CPU time",
                "ratio to best",
                "memory of the pool",
                "version",
            ],
            lines: lines(rows, |row| {
                vec![time(row.median_s), time(row.cpu_s), ratio(row), extra(row, "pool_rss_kib", memory), version(row)]
            }),
        },
    }
}

fn lines<'a>(rows: impl Iterator<Item = &'a Row>, cells: impl Fn(&Row) -> Vec<String>) -> Vec<Line> {
    let line = |row: &Row| {
        let mut all = vec![row.workers.to_string(), row.implementation.clone()];
        all.extend(cells(row));
        Line { cells: all, is_ours: is_ours(&row.implementation) }
    };
    rows.map(line).collect()
}

fn memory(kib: f64) -> String {
    if kib >= 10_240.0 { format!("{:.0} MiB", kib / 1024.0) } else { format!("{kib:.0} KiB") }
}

fn version(row: &Row) -> String {
    match row.of_program() {
        Some(program) if row.size != program.full => format!("{} (n = {})", row.version, row.size),
        _ => row.version.clone(),
    }
}

fn per_unit(program: &Program, row: &Row) -> String {
    let time = extra(row, "ns_per_unit", |ns| format!("{} a {}", time(ns * 1e-9), program.unit));
    time + &extra(row, "allocations_per_task", |count| format!(", {count:.2} allocations"))
        + &extra(row, "share_run_by_submitter", |share| format!(", {:.0} % run by the submitter", share * 100.0))
}

/// The mean ratios to the best.
pub fn of_scores(report: &Report) -> Table {
    let line = |score: &crate::score::Score| Line {
        cells: vec![
            score.workers.to_string(),
            score.implementation.to_owned(),
            format!("{:.2}", score.mean_ratio),
            format!("{} of {}", score.rows, score.of),
        ],
        is_ours: is_ours(score.implementation),
    };
    Table {
        heading: vec!["workers", "implementation", "mean ratio to best", "rows"],
        lines: scores(report).iter().map(line).collect(),
    }
}

/// Ours against single peers.
pub fn of_means(report: &Report) -> Table {
    let line = |peer: &&str| {
        let mean = geometric_mean(report, peer)?;
        Some(Line { cells: vec![(*peer).to_owned(), format!("{mean:.2}")], is_ours: false })
    };
    Table {
        heading: vec!["peer", "our time by its, geometric mean"],
        lines: ["rayon", "chili", "tbb", "libomp", "libgomp"].iter().filter_map(line).collect(),
    }
}

/// The goals and what was measured.
pub fn of_goals(report: &Report) -> Table {
    let lines = goals(report)
        .into_iter()
        .map(|goal| {
            let verdict = match goal.is_met {
                Some(true) => "met",
                Some(false) => "missed",
                None => "not judged",
            };
            Line { cells: vec![goal.what, goal.measured, verdict.to_owned()], is_ours: false }
        })
        .collect();
    Table { heading: vec!["goal", "measured", ""], lines }
}
