//! Keeping the threads of a library that does not do it itself each on a CPU of its own.

use std::fs;

/// Pins the calling thread to the first of `cpus`, and the process's others, in the order in which they were started, to the next ones.
pub fn pin_all(cpus: &[usize]) -> Result<(), String> {
    // SAFETY: it takes nothing and cannot fail.
    let own = unsafe { libc::gettid() };
    let entries = fs::read_dir("/proc/self/task").map_err(|error| format!("/proc/self/task: {error}"))?;
    let mut others: Vec<libc::pid_t> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|thread| *thread != own)
        .collect();
    others.sort_unstable();
    for (thread, cpu) in std::iter::once(own).chain(others).zip(cpus.iter().cycle()) {
        vgpu_bench::cpus::pin_thread(thread, &[*cpu])
            .map_err(|error| format!("pinning a thread to CPU {cpu}: {error}"))?;
    }
    Ok(())
}
