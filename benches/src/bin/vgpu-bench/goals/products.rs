//! The goals of matrix products. Each is the least of several figures, and names whose it is.

use super::{Goal, at_least, best, of, times};
use crate::row::{Report, Row};
use crate::score::{OURS, worker_counts};
use vgpu_bench::catalogue::{Family, PROGRAMS, Product, Program};

const PEERS: &[&str] = &["mkl", "openblas", "blis", "gemm"];
const BY_WAY_OF_BF16: &str = "vgpu-bf16x3";
/// Those that wait, at the end of a product, for the thread whose CPU somebody else uses too.
const DISTURBED_PEERS: &[&str] = &["mkl", "openblas"];

/// A figure of one product, and what to call it.
type Figure = (f64, String);

pub(super) fn add(report: &Report, goals: &mut Vec<Goal>) {
    for (name, is_double) in [("sgemm", false), ("dgemm", true)] {
        for workers in worker_counts(report) {
            let of = of(workers);
            let all = speeds(report, is_double, workers, |_| true);
            goals.push(least(format!("{name}, {of}: speed by the best peer's, in every size"), &all, 0.95));
            let mean = geometric_mean(&all).map(|mean| (mean, 1.0));
            goals.push(at_least(format!("{name}, {of}: speed by the best peer's, geometric mean"), mean, times));
            let skinny = speeds(report, is_double, workers, Product::is_skinny);
            goals.push(least(format!("{name}, {of}: the same where one length is 32"), &skinny, 1.15));
        }
        let limit = if is_double { 0.88 } else { 0.90 };
        let shares = peak_shares(report, is_double);
        goals.push(least(format!("{name}, 1 worker: share of the peak from 512 on"), &shares, limit));
    }
    for workers in worker_counts(report) {
        let cost = |implementation| report.find("sgemm_1024x1024x1024", workers, implementation).map(Row::cost);
        let speed = cost("mkl").zip(cost(BY_WAY_OF_BF16)).map(|(theirs, ours)| (theirs / ours, 1.4));
        let what = format!("sgemm_1024x1024x1024 by way of bf16, {}: speed by mkl's", of(workers));
        goals.push(at_least(what, speed, times));
    }
    for program in programs(|product| product.is_disturbed) {
        let speed = speed(report, program, 2, DISTURBED_PEERS);
        let rival = speed.as_ref().map_or("MKL and OpenBLAS", |(_, rival)| *rival);
        let figures = speed.as_ref().map(|(speed, _)| (*speed, 1.3));
        goals.push(at_least(format!("{}: speed by the better peer's, {rival}", program.name), figures, times));
    }
}

fn programs(is_meant: impl Fn(Product) -> bool) -> impl Iterator<Item = &'static Program> {
    let of_family = PROGRAMS.iter().filter(|program| program.family == Family::Gemm);
    of_family.filter(move |program| Product::parse(program.name).is_some_and(&is_meant))
}

/// Our speed by that of the best of `peers`, and its name.
fn speed(report: &Report, program: &Program, workers: usize, peers: &[&'static str]) -> Option<(f64, &'static str)> {
    let ours = report.find(program.name, workers, OURS)?.cost();
    let (rival, theirs) = best(report, program.name, workers, peers, Row::cost)?;
    Some((theirs / ours, rival))
}

/// Our speeds by those of the best peers, in all undisturbed sizes that are meant.
fn speeds(report: &Report, is_double: bool, workers: usize, is_meant: impl Fn(Product) -> bool) -> Vec<Figure> {
    programs(|product| product.is_double == is_double && !product.is_disturbed && is_meant(product))
        .filter_map(|program| {
            let (speed, rival) = speed(report, program, workers, PEERS)?;
            Some((speed, format!("{} by {rival}'s", Product::parse(program.name)?.shape())))
        })
        .collect()
}

fn peak_shares(report: &Report, is_double: bool) -> Vec<Figure> {
    let is_meant = |product: Product| {
        product.is_double == is_double && !product.is_disturbed && product.is_cube() && product.m >= 512
    };
    let share = |program: &Program| {
        Some((report.find(program.name, 1, OURS)?.peak_share?, Product::parse(program.name)?.shape()))
    };
    programs(is_meant).filter_map(share).collect()
}

fn least(what: String, figures: &[Figure], limit: f64) -> Goal {
    let least = figures.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let goal = at_least(what, least.map(|(figure, _)| (*figure, limit)), times);
    match least {
        Some((_, whose)) => Goal { measured: format!("{}: {whose}", goal.measured), ..goal },
        None => goal,
    }
}

fn geometric_mean(figures: &[Figure]) -> Option<f64> {
    let sum: f64 = figures.iter().map(|(figure, _)| figure.ln()).sum();
    (!figures.is_empty()).then(|| (sum / figures.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(program: &str, workers: usize, implementation: &str, gflops: f64) -> Row {
        serde_json::from_value(json!({
            "program": program, "workers": workers, "impl": implementation, "version": "", "median_s": 1.0 / gflops, "min_s": 1.0,
            "max_s": 1.0, "cpu_s": 1.0, "rss_kib": 1, "size": 4096, "units": 1, "ratio_to_best": 1.0, "samples_s": [],
            "gflops": gflops, "peak_share": gflops / 200.0, "extra": { "ns_per_unit": 1e9 / gflops },
        }))
        .unwrap()
    }

    /// What is said of the goal whose name begins like that.
    fn judged(rows: Vec<Row>, what: &str) -> (String, Option<bool>) {
        let mut goals = Vec::new();
        add(&Report { rows, ..Report::default() }, &mut goals);
        let goal =
            goals.into_iter().find(|goal| goal.what.starts_with(what)).unwrap_or_else(|| panic!("no goal {what}"));
        (goal.measured, goal.is_met)
    }

    fn race(program: &str, workers: usize, ours: f64, mkl: f64) -> Vec<Row> {
        let mut rows = vec![row(program, workers, OURS, ours), row(program, workers, "mkl", mkl)];
        rows.extend(["openblas", "blis", "gemm"].map(|peer| row(program, workers, peer, 100.0)));
        rows
    }

    #[test]
    fn the_worst_size_is_judged_and_named() {
        let rows = [race("sgemm_512x512x512", 1, 190.0, 180.0), race("sgemm_1000x1000x1000", 1, 160.0, 180.0)].concat();
        let (measured, is_met) = judged(rows.clone(), "sgemm, 1 worker: speed by the best peer's, in every size");
        assert_eq!(measured, "0.89 (at least 0.95): 1000x1000x1000 by mkl's");
        assert_eq!(is_met, Some(false));
        let (measured, is_met) = judged(rows, "sgemm, 1 worker: share of the peak");
        assert_eq!((measured.as_str(), is_met), ("0.80 (at least 0.90): 1000x1000x1000", Some(false)));
    }

    #[test]
    fn a_neighbour_counts_where_it_was_there() {
        let rows = race("dgemm_1000x1000x1000_hog", 2, 140.0, 105.0);
        assert_eq!(judged(rows.clone(), "dgemm_1000x1000x1000_hog:").1, Some(true));
        assert_eq!(judged(rows.clone(), "dgemm_1000x1000x1000_hog-unpinned:").1, None);
        assert_eq!(judged(rows, "dgemm, 2 workers: speed by the best peer's, in every size").1, None);
    }

    #[test]
    fn the_way_by_bf16_is_judged_where_there_is_one() {
        let mut rows = race("sgemm_1024x1024x1024", 1, 190.0, 180.0);
        let what = "sgemm_1024x1024x1024 by way of bf16, 1 worker";
        assert_eq!(judged(rows.clone(), what).1, None);
        rows.push(row("sgemm_1024x1024x1024", 1, BY_WAY_OF_BF16, 270.0));
        assert_eq!(judged(rows.clone(), what).1, Some(true));
        rows[1] = row("sgemm_1024x1024x1024", 1, "mkl", 200.0);
        assert_eq!(judged(rows, what).1, Some(false));
    }

    #[test]
    fn nothing_is_judged_without_all_the_peers() {
        let mut rows = race("sgemm_512x512x512", 1, 190.0, 180.0);
        rows.retain(|row| row.implementation != "blis");
        assert_eq!(judged(rows, "sgemm, 1 worker: speed by the best peer's, geometric mean").1, None);
    }
}
