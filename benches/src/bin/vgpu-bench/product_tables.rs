//! Tables of matrix products: one for each type and number of workers, and one of what a busy neighbour takes.

use crate::row::{Report, Row};
use crate::score::{OURS, speed_up, worker_counts};
use crate::tables::{Line, Table};
use vgpu_bench::catalogue::{Family, IMPLEMENTATIONS, Implementation, PROGRAMS, Product, Program, Role};

/// The tables, each with its title.
pub fn all(report: &Report) -> Vec<(String, Table)> {
    let mut tables = Vec::new();
    for (is_double, of_type) in [(false, "f32"), (true, "f64")] {
        for workers in worker_counts(report) {
            let plural = if workers == 1 { "" } else { "s" };
            tables.push((format!("{of_type}, {workers} worker{plural}"), undisturbed(report, is_double, workers)));
        }
    }
    for workers in worker_counts(report) {
        tables.push((format!("a busy loop on one of the CPUs of {workers} workers"), disturbed(report, workers)));
    }
    tables.retain(|(_, table)| !table.lines.is_empty());
    tables
}

/// Those of the programs that have a row of ours.
fn products(report: &Report, workers: usize) -> impl Iterator<Item = (&'static Program, Product, &Row)> {
    PROGRAMS.iter().filter(|program| program.family == Family::Gemm).filter_map(move |program| {
        Some((program, Product::parse(program.name)?, report.find(program.name, workers, OURS)?))
    })
}

/// Who multiplies a program of the list with so many workers.
fn columns(report: &Report, workers: usize, is_disturbed: bool) -> Vec<&'static Implementation> {
    let is_meant =
        |row: &&Row| Product::parse(&row.program).is_some_and(|product| product.is_disturbed == is_disturbed);
    let rows: Vec<&Row> = report.of_family(Family::Gemm).filter(is_meant).collect();
    let has_row = |implementation: &&Implementation| {
        rows.iter().any(|row| row.workers == workers && row.implementation == implementation.name)
    };
    IMPLEMENTATIONS.iter().filter(has_row).collect()
}

fn heading(
    first: &'static str,
    implementations: &[&'static Implementation],
    last: &[&'static str],
) -> Vec<&'static str> {
    let names = implementations.iter().map(|implementation| implementation.name);
    std::iter::once(first).chain(names).chain(last.iter().copied()).collect()
}

fn undisturbed(report: &Report, is_double: bool, workers: usize) -> Table {
    let implementations = columns(report, workers, false);
    let line = |program: &Program, product: Product, ours: &Row| {
        let row = |implementation: &&Implementation| report.find(program.name, workers, implementation.name);
        let peers: Vec<&Row> = implementations.iter().filter(|peer| peer.role == Role::Peer).filter_map(row).collect();
        let mut cells = vec![product.shape()];
        cells.extend(implementations.iter().map(|implementation| row(implementation).map_or_else(String::new, speed)));
        let by_best = peers.iter().map(|row| row.cost() / ours.cost()).min_by(f64::total_cmp);
        let most =
            |errors: &mut dyn Iterator<Item = f64>| errors.max_by(f64::total_cmp).map(|error| format!("{error:.2}"));
        cells.push(by_best.map_or_else(String::new, |ratio| format!("{ratio:.2}")));
        cells.push(speed_up(report, ours).map_or_else(String::new, |speed| format!("{speed:.2}")));
        cells.push(most(&mut ours.error.into_iter()).unwrap_or_default());
        cells.push(most(&mut peers.iter().filter_map(|row| row.error)).unwrap_or_default());
        Line { cells, is_ours: false }
    };
    let lines = products(report, workers)
        .filter(|(_, product, _)| product.is_double == is_double && !product.is_disturbed)
        .map(|(program, product, ours)| line(program, product, ours))
        .collect();
    let last = ["by the best peer", "speed-up", "error", "most error of a peer"];
    Table { heading: heading("product", &implementations, &last), lines }
}

fn disturbed(report: &Report, workers: usize) -> Table {
    let implementations = columns(report, workers, true);
    let peers: Vec<_> = implementations.iter().filter(|implementation| implementation.role == Role::Peer).collect();
    let line = |program: &Program, product: Product, ours: &Row| {
        let row = |implementation: &Implementation| report.find(program.name, workers, implementation.name);
        let threads = if product.is_pinned { "pinned" } else { "not pinned" };
        let mut cells = vec![format!("{}, {}", if product.is_double { "f64" } else { "f32" }, product.shape())];
        cells.push(threads.to_owned());
        cells.extend(implementations.iter().map(|implementation| row(implementation).map_or_else(String::new, range)));
        let by_best =
            peers.iter().filter_map(|peer| row(peer)).map(|row| row.cost() / ours.cost()).min_by(f64::total_cmp);
        cells.push(by_best.map_or_else(String::new, |ratio| format!("{ratio:.2}")));
        Line { cells, is_ours: false }
    };
    let lines = products(report, workers)
        .filter(|(_, product, _)| product.is_disturbed)
        .map(|(program, product, ours)| line(program, product, ours))
        .collect();
    let mut heading = heading("product", &implementations, &["by the better peer"]);
    heading.insert(1, "threads");
    Table { heading, lines }
}

/// GFLOPS, and the share of the peak.
fn speed(row: &Row) -> String {
    let share = row.peak_share.map_or_else(String::new, |share| format!(" ({:.0} %)", share * 100.0));
    row.gflops.map_or_else(String::new, |gflops| format!("{}{share}", figure(gflops)))
}

/// GFLOPS, with the least and the most of the rounds.
fn range(row: &Row) -> String {
    let Some(gflops) = row.gflops else { return String::new() };
    let at = |seconds: f64| figure(gflops * row.median_s / seconds);
    format!("{} ({} to {})", figure(gflops), at(row.max_s), at(row.min_s))
}

fn figure(gflops: f64) -> String {
    if gflops < 20.0 { format!("{gflops:.1}") } else { format!("{gflops:.0}") }
}
