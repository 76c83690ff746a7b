//! Percentile curves: how long the slowest one of so many takes.

use super::{Mode, Row, Run};
use std::fmt::Write;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 34.0;
const GAP: f64 = 40.0;
/// To the right: from the median to one in so many powers of ten.
const NINES: f64 = 4.0;

fn colour(mode: Mode) -> &'static str {
    match mode {
        Mode::Stealing => "#c0392b",
        Mode::Shared => "#e08e0b",
        Mode::Micropools => "#1f6fb4",
        Mode::Shedding => "#7f8c8d",
        Mode::Reserved => "#7d3c98",
        Mode::HandOver => "#27874b",
    }
}

/// A panel for each load: latency over percentile, both by powers of ten; a line for each mode and class.
pub(super) fn draw(runs: &[Run]) -> String {
    let loads = super::loads(runs);
    let rows = || runs.iter().flat_map(|run| &run.rows).filter(|row| !row.latency.is_empty());
    let least = rows().map(|row| row.latency.min().max(1)).min().unwrap_or(1) as f64;
    let most = rows().map(|row| row.latency.max()).max().unwrap_or(10) as f64;
    let (low, high) = (least.log10().floor(), most.log10().ceil().max(least.log10().floor() + 1.0));
    let width = LEFT + loads.len().max(1) as f64 * (WIDTH + GAP);
    let legend = 18.0 * runs.iter().map(|run| run.rows.len()).sum::<usize>().min(12) as f64 / loads.len().max(1) as f64;
    let height = TOP + HEIGHT + 46.0 + legend;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (panel, &load) in loads.iter().enumerate() {
        let left = LEFT + panel as f64 * (WIDTH + GAP);
        let x = |nines: f64| left + nines / NINES * WIDTH;
        let y = |ns: f64| TOP + HEIGHT * (1.0 - (ns.log10() - low) / (high - low));
        _ = writeln!(svg, "<text x=\"{left:.0}\" y=\"{:.0}\" font-weight=\"bold\">load {load}</text>", TOP - 12.0);
        for power in low as i32..=high as i32 {
            let at = y(10f64.powi(power));
            _ = writeln!(
                svg,
                "<path d=\"M{left:.1} {at:.1}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 5.0,
                at + 4.0,
                time(power)
            );
        }
        for nines in 0..=NINES as i32 {
            let name = ["0", "90", "99", "99.9", "99.99"][nines as usize];
            let at = x(f64::from(nines));
            _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {TOP}v{HEIGHT}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
                TOP + HEIGHT + 16.0
            );
        }
        for (line, row) in rows().filter(|row| row.load == load).enumerate() {
            let mut path = String::new();
            for step in 0..=80 {
                let nines = NINES * f64::from(step) / 80.0;
                let ns = row.latency.value_at_quantile(1.0 - 10f64.powf(-nines)).max(1) as f64;
                _ = write!(path, "{}{:.1} {:.1}", if step == 0 { "M" } else { "L" }, x(nines), y(ns));
            }
            let dash = if is_first(runs, row) { "" } else { " stroke-dasharray=\"6 4\"" };
            let colour = colour(row.mode);
            let at = TOP + HEIGHT + 38.0 + 18.0 * line as f64;
            _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\
                 <path d=\"M{left:.1} {:.1}h26\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\
                 <text x=\"{:.1}\" y=\"{at:.1}\">{}, {}</text>",
                at - 4.0,
                left + 32.0,
                row.mode.name(),
                row.class
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// The first class of a workload has a solid line.
fn is_first(runs: &[Run], row: &Row) -> bool {
    runs.iter().any(|run| run.rows.first().is_some_and(|first| first.class == row.class))
}

fn time(power: i32) -> String {
    let number = 10u64.pow(power.rem_euclid(3) as u32);
    let unit = match power.div_euclid(3) {
        0 => "ns",
        1 => "us",
        2 => "ms",
        _ => "s",
    };
    format!("{number} {unit}")
}

/// A page with the curves and the table; needs nothing else.
pub(super) fn page(curves: &str, table: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>vgpu-pool latency</title>\n\
         <style>body{{font-family:sans-serif;margin:2em}}pre{{overflow-x:auto}}</style>\n\
         <h1>How long requests take</h1>\n<p>To the right the slower ones: at 99.9, all but one in a thousand are done after the time \
         on the left.</p>\n{curves}<pre>{}</pre>\n</html>\n",
        table.replace('&', "&amp;").replace('<', "&lt;")
    )
}
