//! Time that only moves forward.

/// Nanoseconds since some fixed moment.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the result; CLOCK_MONOTONIC exists on every supported kernel.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The moment when so many nanoseconds have passed. `None` if it is past the clock's range, which is as good as never.
pub fn deadline_after(ns: u64) -> Option<u64> {
    monotonic_ns().checked_add(ns).filter(|&deadline| deadline < i64::MAX as u64)
}
