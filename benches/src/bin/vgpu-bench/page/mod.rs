//! The report as one page that needs nothing else.

mod bars;
mod colours;
mod curves;

use crate::product_tables;
use crate::row::Report;
use crate::score::worker_counts;
use crate::tables::{self, Table};
use std::fmt::Write;
use vgpu_bench::catalogue::{Family, Kind, PROGRAMS, Program};

const STYLE: &str = include_str!("style.css");

pub fn html(report: &Report) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>vgpu-pool beside its peers</title>\n<style>{STYLE}</style>\n<main>\n<h1>vgpu-pool beside its peers</h1>\n"
    );
    if report.quick {
        page.push_str("<p class=\"warning\">A quick run: sizes are small, and the figures mean nothing.</p>\n");
    }
    machine(&mut page, report);
    lists(&mut page, report);
    page.push_str("<h2>Goals</h2>\n");
    table(&mut page, &tables::of_goals(report));
    page.push_str("<h2>Score</h2>\n<p>The mean, over the scored programs, of each time by the best time.</p>\n<div class=\"row\">\n");
    table(&mut page, &tables::of_scores(report));
    table(&mut page, &tables::of_means(report));
    page.push_str("</div>\n");
    for family in Family::ALL {
        self::family(&mut page, report, family);
    }
    page.push_str("</main>\n</html>\n");
    page
}

fn machine(page: &mut String, report: &Report) {
    let machine = &report.machine;
    let load = format!("{:.2} running threads for each CPU", machine.load_before);
    let stolen = format!("{:.1} % of the CPU time", machine.stolen * 100.0);
    let cpu = format!("{}, {} CPUs{}", machine.cpu, machine.cpus, if machine.is_virtual { ", virtual" } else { "" });
    let facts = [
        ("Date", machine.date.clone()),
        ("Of", machine.commit.clone()),
        ("CPU", cpu),
        ("Caches", machine.caches.join(", ")),
        ("Memory", machine.memory.clone()),
        ("Kernel", machine.kernel.clone()),
        ("Compilers and flags", machine.compilers.join("; ")),
        ("Load before the run", load),
        ("Taken by the host", stolen),
    ];
    page.push_str("<dl>\n");
    for (name, value) in facts {
        let _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    page.push_str("</dl>\n");
}

fn lists(page: &mut String, report: &Report) {
    for (title, list) in report.lists() {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<h2>{title}</h2>\n<ul>");
        for entry in list {
            let _ = writeln!(page, "<li>{}</li>", escape(&entry));
        }
        page.push_str("</ul>\n");
    }
}

fn family(page: &mut String, report: &Report, family: Family) {
    let programs: Vec<&Program> = PROGRAMS
        .iter()
        .filter(|program| program.family == family && report.rows.iter().any(|row| row.program == program.name))
        .collect();
    if programs.is_empty() {
        return;
    }
    let _ = writeln!(page, "<h2>{}</h2>", family.title());
    if family == Family::Gemm {
        products(page, report);
    }
    for program in programs {
        let _ = writeln!(page, "<h3><code>{}</code> {}</h3>\n<div class=\"row\">", program.name, escape(program.title));
        for workers in worker_counts(report) {
            page.push_str(&bars::ratios(report, program, workers).unwrap_or_default());
        }
        match program.kind {
            Kind::Duration => page.push_str(&curves::speed_ups(report, program).unwrap_or_default()),
            Kind::Latency => {
                for workers in worker_counts(report) {
                    page.push_str(&curves::latencies(report, program, workers).unwrap_or_default());
                }
            }
            Kind::CpuUse => {}
        }
        page.push_str("</div>\n<details><summary>Numbers</summary>\n");
        table(page, &tables::of_program(report, program));
        page.push_str("</details>\n");
    }
}

/// What all sizes say together.
fn products(page: &mut String, report: &Report) {
    page.push_str("<div class=\"row\">\n");
    for is_double in [false, true] {
        for workers in worker_counts(report) {
            page.push_str(&curves::peak_shares(report, is_double, workers).unwrap_or_default());
        }
    }
    page.push_str("</div>\n<p>GFLOPS, and the share of what the multiply-add units could do at that moment. The error is by eps * sum |a||b|.</p>\n");
    for (title, of_products) in product_tables::all(report) {
        let _ = writeln!(page, "<h3>{title}</h3>");
        table(page, &of_products);
    }
}

fn table(page: &mut String, table: &Table) {
    page.push_str("<table>\n<tr>");
    for cell in &table.heading {
        let _ = write!(page, "<th>{}</th>", escape(cell));
    }
    page.push_str("</tr>\n");
    for line in &table.lines {
        page.push_str(if line.is_ours { "<tr class=\"ours\">" } else { "<tr>" });
        for cell in &line.cells {
            let class = match cell.as_str() {
                "missed" => " class=\"missed\"",
                "met" => " class=\"met\"",
                _ => "",
            };
            let _ = write!(page, "<td{class}>{}</td>", escape(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A drawing, with what it shows for those who do not see it.
fn figure(svg: &str, caption: &str) -> String {
    format!("<figure role=\"img\" aria-label=\"{0}\">{svg}<figcaption>{0}</figcaption></figure>\n", escape(caption))
}
