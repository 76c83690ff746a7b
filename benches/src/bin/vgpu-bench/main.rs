//! Runs every program on every pool in turns, and writes what came out.
//!
//! It builds nothing: `scripts/bench.sh` builds the programs and then calls this.

mod child;
mod goals;
mod machine;
mod markdown;
mod outcome;
mod page;
mod plan;
mod product_tables;
mod progress;
mod row;
mod score;
mod tables;

use child::Launcher;
use clap::Parser;
use machine::Machine;
use outcome::Outcome;
use plan::Plan;
use progress::Progress;
use row::{Failure, Report};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Measures vgpu-pool beside its peers.
#[derive(Debug, Parser)]
#[command(name = "vgpu-bench")]
struct Options {
    /// A small run that shows that everything works; its figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Only programs with one of these names, or with one that contains it
    #[arg(long = "program", value_delimiter = ',', value_name = "PART")]
    programs: Vec<String>,
    /// Only implementations with one of these names
    #[arg(long = "impl", value_delimiter = ',', value_name = "NAME")]
    implementations: Vec<String>,
    /// How many workers [default: 1, 2, 4 and so on up to the number of CPUs]
    #[arg(long, value_delimiter = ',')]
    workers: Vec<usize>,
    /// How many times each sample is taken [default: 9, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// A sample that takes more seconds than this is given up, and its implementation with it
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// Where the C++ peers are
    #[arg(long, default_value = "target/bench", value_name = "FOLDER")]
    peers: PathBuf,
    /// Where the report goes
    #[arg(long, default_value = "target/report", value_name = "FOLDER")]
    out: PathBuf,
    /// What the figures are of, to be named in the report
    #[arg(long, default_value = "", value_name = "TEXT")]
    commit: String,
    /// Keeps the rows of other programs from the report that is there: a long run in several parts
    #[arg(long)]
    add: bool,
    /// Measures nothing: reads the report's numbers and writes its pages again
    #[arg(long)]
    render_only: bool,
    /// Also writes the tables into this file, between the lines that mark their place
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vgpu-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// False when our own pool failed somewhere.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let report = if options.render_only { Report::read(&options.out)? } else { measure(options)? };
    report.write(&options.out)?;
    fs::write(options.out.join("index.html"), page::html(&report))?;
    let tables = markdown::tables(&report);
    fs::write(options.out.join("tables.md"), &tables)?;
    if let Some(document) = &options.into {
        markdown::replace_between_marks(document, &tables)?;
    }
    summarise(&report, &options.out);
    Ok(!report.failures.iter().any(Failure::is_ours))
}

fn measure(options: &Options) -> Result<Report, Box<dyn Error>> {
    let launcher = Launcher::new(&options.peers, Duration::from_secs(options.timeout))?;
    let plan = Plan::new(options, &launcher);
    let mut machine = Machine::look(&options.peers, &options.commit);
    let progress = Progress::new(plan.samples());
    if machine.is_busy() {
        progress.say("note: other programs are running; figures taken beside them mean little");
    }
    let mut report = Report { quick: options.quick, missing: plan.missing.clone(), ..Report::default() };
    if options.add {
        report.keep_others(Report::read(&options.out)?, &plan);
    }
    for group in &plan.groups {
        progress.begin_group(group.first().map_or("", |cell| cell.program.name));
        let mut outcomes: Vec<Outcome> = group.iter().map(Outcome::new).collect();
        for round in 0..plan.rounds_and_count() {
            // Each round begins with another cell, so that none always follows the same neighbour.
            for step in 0..outcomes.len() {
                let at = (round + step) % outcomes.len();
                outcomes[at].take_part(round, &plan, &launcher, &progress);
            }
        }
        report.add(&outcomes);
        // What was measured is not lost when the run is cut short.
        report.machine = machine.clone();
        report.compare();
        report.write(&options.out)?;
    }
    progress.finish();
    machine.look_again();
    report.machine = machine;
    report.compare();
    Ok(report)
}

fn summarise(report: &Report, out: &Path) {
    print!("{}", markdown::summary(report));
    println!("\n{} rows; the pages are in {}", report.rows.len(), out.display());
    for missing in &report.missing {
        println!("missing: {missing}");
    }
    for failure in &report.failures {
        println!("failed: {failure}");
    }
}
