//! Which CPUs a thread may run on.

use std::io;

/// The CPUs that the calling thread may run on.
pub fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: a set of CPUs is plain bits, of which none is set here.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is as large as is said.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the numbers are within the set.
    Ok((0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
}

/// Keeps the calling thread, and those that it starts, on some of them.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    pin_thread(0, cpus)
}

/// Keeps the thread with the system's number `thread` on some of them; 0 is the calling one.
pub fn pin_thread(thread: libc::pid_t, cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a set of CPUs is plain bits, of which none is set here.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        // SAFETY: the number came out of such a set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the set is as large as is said.
    match unsafe { libc::sched_setaffinity(thread, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
