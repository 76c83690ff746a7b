//! Status codes and their names.

use crate::error::Status;
use core::ffi::{CStr, c_char};

/// What a call came to: VGPU_OK, or one of the negative VGPU_ERROR_ numbers.
pub type vgpu_status = i32;

/// The call did what was asked.
pub const VGPU_OK: i32 = 0;
/// An argument is out of range, NULL where it must not be, or contradicts another.
pub const VGPU_ERROR_INVALID_ARGUMENT: i32 = -1;
/// The allocator returned no memory.
pub const VGPU_ERROR_OUT_OF_MEMORY: i32 = -2;
/// The system refused to start a thread.
pub const VGPU_ERROR_THREAD_SPAWN: i32 = -3;
/// The system refused to pin a thread, or the CPU is not one this process may use.
pub const VGPU_ERROR_AFFINITY: i32 = -4;
/// The pool is being destroyed and takes no new work.
pub const VGPU_ERROR_CLOSED: i32 = -5;
/// The inbox is full and the pool was told to say so.
pub const VGPU_ERROR_QUEUE_FULL: i32 = -6;
/// The task was cancelled before it started, or a graph before all of it had.
pub const VGPU_ERROR_CANCELLED: i32 = -7;
/// The time given for a wait ran out.
pub const VGPU_ERROR_TIMED_OUT: i32 = -8;
/// A Rust panic was caught.
pub const VGPU_ERROR_PANIC: i32 = -9;
/// A task returned a code of its own.
pub const VGPU_ERROR_TASK_FAILED: i32 = -10;
/// The pool belongs to the parent of this forked child.
pub const VGPU_ERROR_FORKED: i32 = -11;
/// The call would wait for itself.
pub const VGPU_ERROR_WOULD_DEADLOCK: i32 = -12;
/// The machine, the system or this build cannot do what was asked.
pub const VGPU_ERROR_UNSUPPORTED: i32 = -13;
/// A size or index does not fit the arithmetic needed to serve it.
pub const VGPU_ERROR_OVERFLOW: i32 = -14;
/// Reading or writing a file failed.
pub const VGPU_ERROR_IO: i32 = -15;
/// The task has started, or is done: it cannot be cancelled any more. Or the graph is running: it cannot be run as well.
pub const VGPU_ERROR_ALREADY_STARTED: i32 = -16;
/// A worker's stack is too short for the recursion asked of it: give the pool's workers a larger stack_size.
pub const VGPU_ERROR_STACK_LIMIT: i32 = -17;

/// The name of a status, such as "VGPU_ERROR_CLOSED".
///
/// @param status  any number
/// @return a string that is never freed; "VGPU_ERROR_UNKNOWN" for a number that is no status of this library
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_status_name(status: vgpu_status) -> *const c_char {
    fn terminated(status: Status) -> &'static CStr {
        match status {
            Status::Ok => c"VGPU_OK",
            Status::InvalidArgument => c"VGPU_ERROR_INVALID_ARGUMENT",
            Status::OutOfMemory => c"VGPU_ERROR_OUT_OF_MEMORY",
            Status::ThreadSpawn => c"VGPU_ERROR_THREAD_SPAWN",
            Status::Affinity => c"VGPU_ERROR_AFFINITY",
            Status::Closed => c"VGPU_ERROR_CLOSED",
            Status::QueueFull => c"VGPU_ERROR_QUEUE_FULL",
            Status::Cancelled => c"VGPU_ERROR_CANCELLED",
            Status::TimedOut => c"VGPU_ERROR_TIMED_OUT",
            Status::Panic => c"VGPU_ERROR_PANIC",
            Status::TaskFailed => c"VGPU_ERROR_TASK_FAILED",
            Status::Forked => c"VGPU_ERROR_FORKED",
            Status::WouldDeadlock => c"VGPU_ERROR_WOULD_DEADLOCK",
            Status::Unsupported => c"VGPU_ERROR_UNSUPPORTED",
            Status::Overflow => c"VGPU_ERROR_OVERFLOW",
            Status::Io => c"VGPU_ERROR_IO",
            Status::AlreadyStarted => c"VGPU_ERROR_ALREADY_STARTED",
            Status::StackLimit => c"VGPU_ERROR_STACK_LIMIT",
        }
    }
    Status::from_code(status).map_or(c"VGPU_ERROR_UNKNOWN", terminated).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_rust_side() {
        for status in Status::ALL {
            // SAFETY: a static, terminated string.
            let name = unsafe { CStr::from_ptr(vgpu_status_name(status.code())) };
            assert_eq!(name.to_str(), Ok(status.name()));
        }
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(vgpu_status_name(1)) };
        assert_eq!(name, c"VGPU_ERROR_UNKNOWN");
    }
}
