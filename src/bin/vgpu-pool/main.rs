//! `vgpu-pool`: what the machine is, what it lets a pool do, and what a pool did.

mod bench;
mod doctor;
mod draw;
mod latency;
mod svg;
mod topology;
mod trace;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

fn command() -> Command {
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON");
    let number = |name: &'static str, least: u64, usual: &'static str| {
        let arg = Arg::new(name).long(name).value_name("N").default_value(usual);
        arg.value_parser(value_parser!(u64).range(least..=1 << 32))
    };
    Command::new("vgpu-pool")
        .version(env!("CARGO_PKG_VERSION"))
        .about("What the machine is, what it lets a thread pool do, and how long requests take there")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("topology")
                .about("CPUs, caches, packages and NUMA nodes that this process may use")
                .arg(json().conflicts_with("svg"))
                .arg(Arg::new("svg").long("svg").action(ArgAction::SetTrue).help("Print a drawing, as SVG"))
                .arg(
                    Arg::new("root")
                        .long("root")
                        .value_name("DIR")
                        .help("Read the recorded machine whose /sys and /proc lie under DIR"),
                ),
        )
        .subcommand(Command::new("doctor").about("What this machine allows: pinning, placing memory, ...").arg(json()))
        .subcommand(latency::command())
        .subcommand(
            Command::new("bench")
                .about("Which way to share queued tasks pays on this machine: modes, victims, settings")
                .arg(json())
                .arg(number("workers", 0, "0").help("Workers of each pool; 0: as many as the process may use"))
                .arg(number("tasks", 16, "20000").help("Tasks of each run"))
                .arg(number("task-ns", 1, "2000").help("Nanoseconds of a short task; every 32nd is 16 times as long"))
                .arg(number("rounds", 1, "9").help("Runs of each way, in turns")),
        )
        .subcommand(
            Command::new("trace")
                .about("Sums up a trace that a pool has written: what each worker did")
                .arg(json())
                .arg(Arg::new("file").value_name("FILE").required(true).help("What vgpu_pool_trace_write wrote")),
        )
}

fn run(matches: &ArgMatches) -> Result<String, Box<dyn Error>> {
    match matches.subcommand() {
        Some(("topology", options)) => {
            let root = options.get_one::<String>("root").map(String::as_str);
            let machine = topology::read(root)?;
            Ok(match (options.get_flag("json"), options.get_flag("svg")) {
                (true, _) => format!("{:#}\n", topology::json(&machine)),
                (_, true) => svg::draw(&machine),
                _ => topology::text(&machine),
            })
        }
        Some(("doctor", options)) => {
            let findings = doctor::examine();
            Ok(match options.get_flag("json") {
                true => format!("{:#}\n", doctor::json(&findings)),
                false => doctor::text(&findings),
            })
        }
        Some(("bench", options)) => {
            let number = |name| *options.get_one::<u64>(name).expect("it has a default");
            let (workers, rounds) = (number("workers") as usize, number("rounds") as usize);
            let size = bench::Size { workers, tasks: number("tasks"), task_ns: number("task-ns"), rounds };
            let rows = bench::measure(size)?;
            Ok(match options.get_flag("json") {
                true => format!("{:#}\n", bench::json(&rows)),
                false => bench::text(&rows, size),
            })
        }
        Some(("trace", options)) => {
            let summary = trace::read(options.get_one::<String>("file").expect("it is required"))?;
            Ok(match options.get_flag("json") {
                true => format!("{:#}\n", trace::json(&summary)),
                false => trace::text(&summary),
            })
        }
        Some(("latency", options)) => Ok(latency::run(options)?),
        _ => Ok(String::new()),
    }
}

fn main() -> ExitCode {
    match run(&command().get_matches()) {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            // Whoever reads only the first lines has what it wants.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("vgpu-pool: the output could not be written: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        },
        Err(error) => {
            eprintln!("vgpu-pool: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }
}
