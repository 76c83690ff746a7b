//! Bars of the ratio to the best, the shortest first. The scale is logarithmic, because peers lie up to hundreds of times apart.

use super::colours::{self, FAINT, INK};
use super::figure;
use crate::row::{Report, Row};
use crate::tables::time;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use vgpu_bench::catalogue::{Kind, Program};

const WIDTH: i32 = 560;
const LABELS: i32 = 120;
const FIGURES: i32 = 180;
const LINE: i32 = 20;
const TOP: i32 = 6;

/// The bars of one program with one number of workers.
pub(super) fn ratios(report: &Report, program: &Program, workers: usize) -> Option<String> {
    let mut rows: Vec<(&Row, f64)> = report
        .rows
        .iter()
        .filter(|row| row.program == program.name && row.workers == workers)
        .filter_map(|row| Some((row, row.ratio_to_best?)))
        .collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (least, most) = (rows.first()?.1.min(1.0), rows.last()?.1.max(2.0));
    let mut svg = String::new();
    draw(&mut svg, program, &rows, least, most).ok()?;
    Some(figure(
        &svg,
        &format!(
            "{}, workers: {workers}. Ratio to the best pool; least to most of the rounds as a line.",
            program.name
        ),
    ))
}

fn draw(
    svg: &mut String,
    program: &Program,
    rows: &[(&Row, f64)],
    least: f64,
    most: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let height = TOP * 2 + LINE * rows.len() as i32;
    let area = SVGBackend::with_string(svg, (WIDTH as u32, height as u32)).into_drawing_area();
    let room = f64::from(WIDTH - LABELS - FIGURES);
    let place = |ratio: f64| LABELS + (room * (ratio.clamp(least, most) / least).ln() / (most / least).ln()) as i32;
    let font =
        |anchor, colour: RGBColor| ("sans-serif", 12).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center));
    area.draw(&PathElement::new(vec![(place(1.0), TOP), (place(1.0), height - TOP)], FAINT))?;
    for (number, (row, ratio)) in rows.iter().enumerate() {
        let middle = TOP + LINE * number as i32 + LINE / 2;
        let colour = colours::of(&row.implementation);
        area.draw(&Text::new(row.implementation.clone(), (LABELS - 8, middle), font(HPos::Right, INK)))?;
        let end = place(*ratio).max(LABELS + 2);
        area.draw(&Rectangle::new([(LABELS, middle - 6), (end, middle + 6)], colour.filled()))?;
        if program.kind != Kind::CpuUse && row.median_s > 0.0 {
            let spread = |figure: f64| place(ratio * figure / row.median_s).max(LABELS);
            let line = vec![(spread(row.min_s), middle), (spread(row.max_s), middle)];
            area.draw(&PathElement::new(line, INK.stroke_width(1)))?;
        }
        let right = place(ratio * row.max_s / row.median_s.max(f64::MIN_POSITIVE)).max(end);
        let text = format!("{ratio:.2}  {}", figure_of(program, row));
        area.draw(&Text::new(text, (right.min(WIDTH - FIGURES) + 6, middle), font(HPos::Left, INK)))?;
    }
    area.present()?;
    drop(area);
    Ok(())
}

fn figure_of(program: &Program, row: &Row) -> String {
    match (program.kind, row.extra.get("ns_per_unit")) {
        (Kind::CpuUse, _) => format!("{} of CPU", time(row.cpu_s)),
        (Kind::Duration, Some(ns)) => format!("{} ({})", time(row.median_s), time(ns * 1e-9)),
        _ => time(row.median_s),
    }
}
