//! A neighbour: a process that does nothing but use a CPU, with the priority that ours has.

use std::hint;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

pub const FLAG: &str = "--hog";

/// Ended when dropped.
pub struct Hog(Child);

impl Hog {
    /// Starts it, and returns when it is at work on `cpu`.
    pub fn start(cpu: usize) -> Result<Hog, String> {
        let text = |error: std::io::Error| format!("the busy loop: {error}");
        let program = std::env::current_exe().map_err(text)?;
        let mut hog = Hog(Command::new(program)
            .args([FLAG, &cpu.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(text)?);
        let mut line = String::new();
        let output = hog.0.stdout.take().ok_or("the busy loop has no pipe")?;
        BufReader::new(output).read_line(&mut line).map_err(text)?;
        if line.is_empty() { Err("the busy loop did not start".to_owned()) } else { Ok(hog) }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the process does: it ends with the one that started it.
pub fn run(cpu: &str) -> Result<(), String> {
    let cpu = cpu.parse().map_err(|error| format!("{cpu}: {error}"))?;
    // SAFETY: it asks for a signal when the parent ends.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    vgpu_bench::cpus::pin(&[cpu]).map_err(|error| format!("pinning to CPU {cpu}: {error}"))?;
    println!("at work");
    loop {
        hint::black_box(cpu);
    }
}
