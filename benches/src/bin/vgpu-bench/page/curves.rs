//! Curves: speed-up over the number of workers, and latency over the share of tasks that were slower.

use super::colours::{self, FAINT};
use super::figure;
use crate::row::{Report, Row};
use crate::score::{OURS, speed_up, worker_counts};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use vgpu_bench::catalogue::{Product, Program};

const SIZE: (u32, u32) = (540, 320);
/// The rarest latency that is drawn: one in this many.
const RAREST: f64 = 10_000.0;

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// One implementation's points.
struct Curve {
    implementation: String,
    points: Vec<(f64, f64)>,
}

/// Speed-up over the number of workers; nothing when only one number was measured.
pub(super) fn speed_ups(report: &Report, program: &Program) -> Option<String> {
    let counts = worker_counts(report);
    let most = *counts.last().filter(|most| **most > 1)? as f64;
    let curves = curves(
        report,
        |row| row.program == program.name && row.of_implementation().is_some_and(|implementation| !implementation.tiny),
        |rows| rows.iter().filter_map(|row| Some((row.workers as f64, speed_up(report, row)?))).collect(),
    );
    let ideal = vec![(1.0, 1.0), (most, most)];
    let mut svg = String::new();
    let tallest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(most, f64::max);
    draw_linear(&mut svg, &curves, &ideal, most, tallest * 1.05).ok()?;
    let caption = "speed-up over one worker of the same implementation. Grey: as many times as workers.";
    Some(figure(&(svg + &legend(&curves)), &format!("{}: {caption}", program.name)))
}

/// Latency over rarity, both on logarithmic scales.
pub(super) fn latencies(report: &Report, program: &Program, workers: usize) -> Option<String> {
    let is_shown = |row: &Row| row.program == program.name && row.workers == workers;
    let curves = curves(report, is_shown, |rows| {
        rows.iter()
            .flat_map(|row| &row.latencies)
            .filter(|(quantile, _)| *quantile < 1.0)
            .map(|(quantile, latency)| (1.0 / (1.0 - quantile), latency * 1e6))
            .filter(|(rarity, _)| *rarity <= RAREST)
            .collect()
    });
    let mut svg = String::new();
    draw_logarithmic(&mut svg, &curves).ok()?;
    let caption = "Latency in us: at 2 the median, at 10 what one in ten exceeds, at 100 what one in a hundred does.";
    Some(figure(&(svg + &legend(&curves)), &format!("{}, workers: {workers}. {caption}", program.name)))
}

/// The share of the peak over the size of cubes, which is on a logarithmic scale.
pub(super) fn peak_shares(report: &Report, is_double: bool, workers: usize) -> Option<String> {
    let cube = |row: &Row| {
        Product::parse(&row.program)
            .filter(|product| product.is_double == is_double && product.is_cube() && !product.is_disturbed)
    };
    let is_shown = |row: &Row| row.workers == workers && cube(row).is_some();
    let point = |row: &&Row| Some((cube(row)?.m as f64, row.peak_share? * 100.0));
    let curves = curves(report, is_shown, |rows| rows.iter().filter_map(point).collect());
    let sizes = || curves.iter().flat_map(|curve| &curve.points).map(|point| point.0);
    let (least, most) = (sizes().min_by(f64::total_cmp)?, sizes().max_by(f64::total_cmp)?);
    let mut svg = String::new();
    draw_shares(&mut svg, &curves, least, most).ok()?;
    let caption = "Per cent of what the multiply-add units could do at that moment, over the size of square matrices.";
    let of_type = if is_double { "f64" } else { "f32" };
    Some(figure(&(svg + &legend(&curves)), &format!("{of_type}, workers: {workers}. {caption}")))
}

fn draw_shares(svg: &mut String, curves: &[Curve], least: f64, most: f64) -> Drawn {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = chart(&area).build_cartesian_2d((least..most).log_scale().base(2.0), 0.0..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .x_desc("rows and columns")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|share| format!("{share:.0} %"))
        .draw()?;
    draw_curves(&mut chart, curves)?;
    area.present()?;
    Ok(())
}

/// The curves with more than one point, of the rows that are shown.
fn curves(report: &Report, is_shown: impl Fn(&Row) -> bool, points: impl Fn(&[&Row]) -> Vec<(f64, f64)>) -> Vec<Curve> {
    let mut names: Vec<&String> = Vec::new();
    for row in report.rows.iter().filter(|row| is_shown(row)) {
        if !names.contains(&&row.implementation) {
            names.push(&row.implementation);
        }
    }
    let curve = |name: &String| {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| is_shown(row) && row.implementation == *name).collect();
        Curve { implementation: name.clone(), points: points(&rows) }
    };
    names.into_iter().map(curve).filter(|curve| curve.points.len() > 1).collect()
}

fn draw_linear(svg: &mut String, curves: &[Curve], ideal: &[(f64, f64)], most: f64, tallest: f64) -> Drawn {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = chart(&area).build_cartesian_2d(1.0..most, 0.0..tallest)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .x_desc("workers")
        .x_labels(most as usize)
        .x_label_formatter(&|workers| format!("{workers:.0}"))
        .draw()?;
    chart.draw_series(LineSeries::new(ideal.iter().copied(), FAINT.stroke_width(2)))?;
    draw_curves(&mut chart, curves)?;
    area.present()?;
    Ok(())
}

fn draw_logarithmic(svg: &mut String, curves: &[Curve]) -> Drawn {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min) * 0.9;
    let high = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let rarity = (1.0..points().map(|point| point.0).fold(10.0, f64::max)).log_scale();
    if high <= 0.0 {
        return Err("no latencies".into());
    }
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = chart(&area);
    // Within one power of ten a logarithmic scale would hardly have a number on it.
    if high / low > 10.0 {
        draw_latencies(chart.build_cartesian_2d(rarity, (low..high).log_scale())?, curves)?;
    } else {
        draw_latencies(chart.build_cartesian_2d(rarity, low..high)?, curves)?;
    }
    area.present()?;
    Ok(())
}

fn chart<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    // The last number of an axis reaches beyond it.
    chart.margin(8).margin_right(18).x_label_area_size(32).y_label_area_size(52);
    chart
}

type Area<'b> = DrawingArea<SVGBackend<'b>, plotters::coord::Shift>;

fn draw_latencies<'a, X, Y>(mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>, curves: &[Curve]) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .x_desc("one in")
        .x_label_formatter(&|rarity| format!("{rarity:.0}"))
        .y_label_formatter(&|latency| format!("{latency:.0}"))
        .draw()?;
    draw_curves(&mut chart, curves)
}

fn draw_curves<'a, X, Y>(chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>, curves: &[Curve]) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    for curve in curves {
        let width = if curve.implementation == OURS { 3 } else { 1 };
        let style = colours::of(&curve.implementation).stroke_width(width);
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), style))?;
    }
    Ok(())
}

/// Which colour is whose.
fn legend(curves: &[Curve]) -> String {
    let entry = |curve: &Curve| {
        let RGBColor(red, green, blue) = colours::of(&curve.implementation);
        format!("<span><i style=\"background: rgb({red}, {green}, {blue})\"></i>{}</span>", curve.implementation)
    };
    format!("<div class=\"legend\">{}</div>", curves.iter().map(entry).collect::<String>())
}
