//! `vgpu-pool`: what the machine is, and what it lets a pool do.

mod doctor;
mod draw;
mod svg;
mod topology;

use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::{self, Write};
use std::process::ExitCode;

fn command() -> Command {
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON");
    Command::new("vgpu-pool")
        .version(env!("CARGO_PKG_VERSION"))
        .about("What the machine is, and what it lets a thread pool do")
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
}

fn run(matches: &ArgMatches) -> Result<String, vgpu_pool::error::Error> {
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
