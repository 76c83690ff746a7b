//! Sleeping on a word of memory, as Linux offers it.

use core::ptr;
use core::sync::atomic::AtomicU32;

/// Sleeps while `word` holds `expected`, until woken, at most until the monotonic clock shows `deadline_ns`. False when
/// the time ran out. May come back early.
pub fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> bool {
    let deadline = deadline_ns.map(|ns| libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    });
    // A bit-set wait is the kind whose timeout is a moment and not a span, so that waking early does not prolong it.
    // SAFETY: the kernel reads an aligned word that lives through the call, and a deadline that does too.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            expected,
            deadline.as_ref().map_or(ptr::null(), ptr::from_ref),
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    // SAFETY: errno is this thread's own.
    !(result == -1 && unsafe { *libc::__errno_location() } == libc::ETIMEDOUT)
}

/// Wakes up to `count` threads that sleep on this address, which is a name: the memory is not touched.
pub fn wake(address: usize, count: u32) {
    // SAFETY: for a private futex the kernel uses the address as a key only.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            address,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            count.min(i32::MAX as u32),
        );
    }
}
