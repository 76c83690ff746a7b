//! `vgpu-pool topology --svg`: boxes in boxes.

use crate::draw::{Group, Kind, tree};
use std::fmt::Write;
use vgpu_pool::topology::Topology;

const CPU_WIDTH: f64 = 64.0;
const CPU_HEIGHT: f64 = 24.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 18.0;
/// About the width of a character of the titles.
const LETTER: f64 = 6.6;

/// A group with its place on the paper, relative to its parent.
struct Box<'a> {
    group: &'a Group,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    inside: Vec<Box<'a>>,
}

pub(crate) fn draw(machine: &Topology) -> String {
    let root = tree(machine);
    let layout = lay_out(&root);
    let (width, height) = (layout.width + 2.0 * GAP, layout.height + 2.0 * GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    write_box(&mut svg, &layout, GAP, GAP);
    svg.push_str("</svg>\n");
    svg
}

/// Rows of boxes, about as wide as high.
fn lay_out(group: &Group) -> Box<'_> {
    if group.inside.is_empty() {
        let width = CPU_WIDTH.max(group.name.len() as f64 * LETTER + 2.0 * GAP);
        return Box { group, x: 0.0, y: 0.0, width, height: CPU_HEIGHT, inside: vec![] };
    }
    let mut inside: Vec<Box> = group.inside.iter().map(lay_out).collect();
    let area: f64 = inside.iter().map(|item| (item.width + GAP) * (item.height + GAP)).sum();
    let widest = inside.iter().map(|item| item.width).fold(0.0, f64::max);
    let wanted = widest.max((area * 1.6).sqrt());
    let (mut x, mut y, mut row, mut right) = (GAP, TITLE + GAP, 0.0f64, 0.0f64);
    for item in &mut inside {
        if x > GAP && x + item.width > wanted + GAP {
            (x, y, row) = (GAP, y + row + GAP, 0.0);
        }
        (item.x, item.y) = (x, y);
        x += item.width + GAP;
        row = row.max(item.height);
        right = right.max(x);
    }
    let width = right.max(group.name.len() as f64 * LETTER + 2.0 * GAP);
    Box { group, x: 0.0, y: 0.0, width, height: y + row + GAP, inside }
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Machine => "#ffffff",
        Kind::Package => "#f0f0f0",
        Kind::Node => "#dcead8",
        Kind::L3 => "#fdebc8",
        Kind::L2 => "#fff6df",
        Kind::Core => "#dfe8f5",
        Kind::Cpu => "#ffffff",
    }
}

fn write_box(svg: &mut String, item: &Box, left: f64, top: f64) {
    let (x, y) = (left + item.x, top + item.y);
    _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{}\" stroke=\"#555\"/>",
        item.width,
        item.height,
        colour(item.group.kind)
    );
    // Names are made here from numbers and words, without signs that XML would mind.
    _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + GAP, y + TITLE - 3.0, item.group.name);
    item.inside.iter().for_each(|inner| write_box(svg, inner, x, y));
}
