//! The field's score: each implementation's mean ratio to the best over the scored programs, and ours against single peers.

use crate::row::{Report, Row};
use vgpu_bench::catalogue::{IMPLEMENTATIONS, PROGRAMS, Role};

/// The name our rows go by.
pub const OURS: &str = "vgpu";

/// How an implementation did over all the scored programs with one number of workers.
pub struct Score {
    pub implementation: &'static str,
    pub workers: usize,
    /// The mean of the ratios to the best.
    pub mean_ratio: f64,
    /// The rows it is taken over, and how many there could be.
    pub rows: usize,
    pub of: usize,
}

fn scored() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().filter(|program| program.scored).map(|program| program.name)
}

pub fn worker_counts(report: &Report) -> Vec<usize> {
    let mut counts: Vec<usize> = report.rows.iter().map(|row| row.workers).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// The row of an implementation, used in its best way.
pub fn best_way<'r>(report: &'r Report, program: &str, workers: usize, implementation: &str) -> Option<&'r Row> {
    let rows = report.rows.iter().filter(|row| row.program == program && row.workers == workers);
    rows.filter(|row| row.is_way_of(implementation)).min_by(|a, b| a.cost().total_cmp(&b.cost()))
}

/// The scores, best first for each number of workers.
pub fn scores(report: &Report) -> Vec<Score> {
    let mut scores = Vec::new();
    for workers in worker_counts(report) {
        let mut of_count: Vec<Score> = IMPLEMENTATIONS
            .iter()
            .filter(|implementation| matches!(implementation.role, Role::Ours | Role::Peer))
            .filter(|implementation| !implementation.tiny && implementation.way_of.is_none())
            .filter_map(|implementation| score(report, workers, implementation.name))
            .collect();
        of_count.sort_by(|a, b| a.mean_ratio.total_cmp(&b.mean_ratio));
        scores.extend(of_count);
    }
    scores
}

fn score(report: &Report, workers: usize, implementation: &'static str) -> Option<Score> {
    let ratios: Vec<f64> =
        scored().filter_map(|program| best_way(report, program, workers, implementation)?.ratio_to_best).collect();
    (!ratios.is_empty()).then(|| Score {
        implementation,
        workers,
        mean_ratio: ratios.iter().sum::<f64>() / ratios.len() as f64,
        rows: ratios.len(),
        of: scored().count(),
    })
}

/// The geometric mean, over the scored programs and all numbers of workers, of our time by that of `peer`.
pub fn geometric_mean(report: &Report, peer: &str) -> Option<f64> {
    let logarithms: Vec<f64> = scored()
        .flat_map(|program| worker_counts(report).into_iter().map(move |workers| (program, workers)))
        .filter_map(|(program, workers)| {
            let ours = report.find(program, workers, OURS)?;
            let theirs = best_way(report, program, workers, peer)?;
            Some((ours.cost() / theirs.cost()).ln())
        })
        .collect();
    (!logarithms.is_empty()).then(|| (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp())
}

/// How much faster a row is than the same program and implementation with one worker.
pub fn speed_up(report: &Report, row: &Row) -> Option<f64> {
    let one = report.find(&row.program, 1, &row.implementation)?;
    Some(one.median_s / row.median_s)
}
