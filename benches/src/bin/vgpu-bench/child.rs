//! Runs one sample in a process of its own, on the CPUs that it is meant to have.

use crate::plan::Cell;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_bench::catalogue::{Implementation, Program};
use vgpu_bench::cpus;
use vgpu_bench::sample::Sample;

pub struct Launcher {
    folders: [PathBuf; 2],
    timeout: Duration,
    /// The CPUs this process may use; samples get the first of them.
    cpus: Vec<usize>,
}

/// What a process said, and how long it lived.
pub struct Finished {
    pub sample: Sample,
    pub lived: Duration,
}

impl Launcher {
    /// Programs are looked for beside this one and in `peers`.
    pub fn new(peers: &Path, timeout: Duration) -> io::Result<Launcher> {
        let beside = std::env::current_exe()?.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Launcher { folders: [beside, peers.to_owned()], timeout, cpus: cpus::allowed()? })
    }

    /// How many CPUs there are to use.
    pub fn cpus(&self) -> usize {
        self.cpus.len()
    }

    fn find(&self, binary: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(binary)).find(|path| path.is_file())
    }

    /// What an implementation lacks to run a program, in words.
    pub fn lacks(&self, program: &Program, implementation: &Implementation) -> Option<String> {
        let Implementation { name, from, .. } = implementation;
        let binary = program.run_by(implementation);
        let Some(path) = self.find(binary) else {
            return Some(format!("{name}: {binary} was not built; it is made from {from}"));
        };
        // One that runs all implementations opens their libraries, and knows which of them are there.
        program.binary?;
        let mut command = Command::new(path);
        command.args(["--has", name]);
        let reason = match self.finish(command) {
            Ok((status, _, _)) if status.success() => return None,
            Ok((status, _, errors)) => errors.lines().last().map_or_else(|| status.to_string(), str::to_owned),
            Err(error) => error,
        };
        Some(format!("{name}: {reason}; it comes from {from}"))
    }

    /// Takes one sample, or says why there is none.
    pub fn run(&self, cell: &Cell, count: bool) -> Result<Finished, String> {
        let binary = self.find(cell.program.run_by(cell.implementation)).ok_or("it is not built")?;
        let threads = cell.workers + cell.program.outside_threads;
        let cpus = self.cpus[..threads.min(self.cpus.len())].to_vec();
        let mut command = Command::new(binary);
        command.args(cell.request(count).to_args());
        set_environment(&mut command, cell);
        // SAFETY: the closure makes one system call and touches nothing that the parent's threads may hold.
        unsafe { command.pre_exec(move || cpus::pin(&cpus)) };
        let begin = Instant::now();
        let (status, output, errors) = self.finish(command)?;
        let lived = begin.elapsed();
        if !status.success() {
            let last = errors.lines().last().unwrap_or("it says nothing");
            return Err(format!("{status}: {last}"));
        }
        let sample =
            serde_json::from_str(output.trim()).map_err(|error| format!("what it printed is no sample: {error}"))?;
        Ok(Finished { sample, lived })
    }

    /// Runs the command to its end, or to the end of its time.
    fn finish(&self, mut command: Command) -> Result<(std::process::ExitStatus, String, String), String> {
        let text = |error: io::Error| error.to_string();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(text)?;
        let (mut stdout, mut stderr) = (child.stdout.take().ok_or("no pipe")?, child.stderr.take().ok_or("no pipe")?);
        let errors = thread::spawn(move || {
            let mut errors = String::new();
            // What cannot be read is not reported; the exit status is.
            let _ = stderr.read_to_string(&mut errors);
            errors
        });
        let (done, over) = mpsc::channel::<()>();
        let (id, timeout) = (child.id() as libc::pid_t, self.timeout);
        let watchdog = thread::spawn(move || {
            let late = over.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout);
            if late {
                // SAFETY: the child is waited for only after the watchdog has ended, so the number is still its own.
                unsafe { libc::kill(id, libc::SIGKILL) };
            }
            late
        });
        let mut output = String::new();
        let read = stdout.read_to_string(&mut output);
        drop(done);
        let late = watchdog.join().unwrap_or(false);
        let status = child.wait().map_err(text)?;
        read.map_err(text)?;
        if late {
            return Err(format!("given up after {} s", timeout.as_secs()));
        }
        Ok((status, output, errors.join().unwrap_or_default()))
    }
}

/// What some peers take from nowhere else.
fn set_environment(command: &mut Command, cell: &Cell) {
    let stack_kib = cell.program.stack_kib;
    command.env("RUST_MIN_STACK", (stack_kib << 10).to_string());
    command.env("OMP_STACKSIZE", format!("{stack_kib}k"));
    command.env("OMP_DYNAMIC", "false");
    // Threads are bound where there is a CPU for each. A program that opens libraries binds their threads itself.
    if cell.program.outside_threads == 0 && cell.program.binary.is_none() {
        command.env("OMP_PROC_BIND", "close").env("OMP_PLACES", "threads");
    }
}
