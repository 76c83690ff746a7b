//! The tables as Markdown, and their place in a document.

use crate::product_tables;
use crate::row::Report;
use crate::tables::{self, Table};
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};
use vgpu_bench::catalogue::{Family, PROGRAMS};

const BEGIN: &str = "<!-- tables: begin -->";
const END: &str = "<!-- tables: end -->";

fn write_table(text: &mut String, table: &Table) {
    let rule: Vec<&str> = table.heading.iter().map(|_| "---").collect();
    let _ = writeln!(text, "| {} |\n|{}|", table.heading.join(" | "), rule.join("|"));
    for line in &table.lines {
        let cells: Vec<String> =
            line.cells.iter().map(|cell| if line.is_ours { bold(cell) } else { cell.clone() }).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn bold(cell: &str) -> String {
    if cell.is_empty() { String::new() } else { format!("**{cell}**") }
}

/// Every table of the report.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    let machine = &report.machine;
    let _ = writeln!(
        text,
        "{}, {}: {} ({} CPUs{}), {}, {}, {}. Load before the run {:.2} a CPU; {:.1} % of the time was the host's.\n",
        machine.date,
        machine.commit,
        machine.cpu,
        machine.cpus,
        if machine.is_virtual { ", virtual" } else { "" },
        machine.caches.join(", "),
        machine.memory,
        machine.kernel,
        machine.load_before,
        machine.stolen * 100.0
    );
    for compiler in &machine.compilers {
        let _ = writeln!(text, "- {compiler}");
    }
    if report.quick {
        text.push_str("\n**A quick run: sizes are small, and the figures mean nothing.**\n");
    }
    text.push_str("\n### Goals\n\n");
    write_table(&mut text, &tables::of_goals(report));
    text.push_str("\n### Score: mean ratio to the best\n\n");
    write_table(&mut text, &tables::of_scores(report));
    text.push('\n');
    write_table(&mut text, &tables::of_means(report));
    for program in PROGRAMS.iter().filter(|program| program.family != Family::Gemm) {
        let table = tables::of_program(report, program);
        if !table.lines.is_empty() {
            let _ = writeln!(text, "\n### {}: {}\n", program.name, program.title);
            write_table(&mut text, &table);
        }
    }
    for (title, table) in product_tables::all(report) {
        let _ = writeln!(text, "\n### GEMM: {title}\n");
        write_table(&mut text, &table);
    }
    for (title, list) in report.lists() {
        if !list.is_empty() {
            let _ = writeln!(text, "\n### {title}\n");
            for entry in list {
                let _ = writeln!(text, "- {entry}");
            }
        }
    }
    text
}

/// What is printed when a run ends.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    for goal in crate::goals::goals(report) {
        let mark = match goal.is_met {
            Some(true) => "met   ",
            Some(false) => "missed",
            None => continue,
        };
        let _ = writeln!(text, "{mark}  {}: {}", goal.what, goal.measured);
    }
    text
}

/// Puts `tables` where the document marks their place.
pub fn replace_between_marks(document: &Path, tables: &str) -> io::Result<()> {
    let text = fs::read_to_string(document)?;
    fs::write(
        document,
        between_marks(&text, tables)
            .ok_or_else(|| io::Error::other(format!("{} has no lines {BEGIN} and {END}", document.display())))?,
    )
}

fn between_marks(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_replace_what_stood_between_the_marks() {
        let text = format!("one\n{BEGIN}\nold\n{END}\ntwo\n");
        let new = between_marks(&text, "new\n").unwrap();
        assert_eq!(new, format!("one\n{BEGIN}\n\nnew\n\n{END}\ntwo\n"));
        assert_eq!(between_marks(&new, "new\n").unwrap(), new);
        assert_eq!(between_marks("no marks", ""), None);
    }
}
