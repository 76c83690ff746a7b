//! Traces of a pool.

use super::arguments::{null, required};
use super::error::guard;
use super::pool::vgpu_pool;
use super::status::vgpu_status;
use super::worker::vgpu_worker;
use crate::error::error;
use crate::pool::Worker;
use core::ffi::{CStr, c_char};

/// Begins to record what the pool's workers do: tasks, thefts, searches, sleeps and calls out of them. The trace before is
/// forgotten.
///
/// @param pool               the pool
/// @param events_per_worker  the room in each worker's log, in events of 64 bytes; what comes when it is full is counted and dropped.
///                           The first trace makes the room, and later ones may ask for no more; 0: what there is, or 16384
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_ALREADY_STARTED while a trace is recorded or written;
///         VGPU_ERROR_OUT_OF_MEMORY
/// @note Thread safety: any thread, tasks included. Does not block.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_trace_start(pool: *mut vgpu_pool, events_per_worker: usize) -> vgpu_status {
    guard(|| required(pool, "pool")?.pool().trace_start(events_per_worker))
}

/// Ends the recording. What is under way is not in the trace.
///
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT if there is no recording
/// @note Thread safety: any thread, tasks included. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_trace_stop(pool: *mut vgpu_pool) -> vgpu_status {
    guard(|| match required(pool, "pool")?.pool().trace_stop() {
        true => Ok(()),
        false => Err(error!(InvalidArgument, "there is no trace to be stopped: none was started since the last stop")),
    })
}

/// Writes the last trace to a file, as JSON in Chrome's trace-event format: open it in <https://ui.perfetto.dev>.
///
/// @param pool  the pool
/// @param path  the file, which is made anew
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT, also if there is no trace; VGPU_ERROR_ALREADY_STARTED while a trace is recorded or
///         written; VGPU_ERROR_IO with the system's words
/// @note Thread safety: any thread. Blocks while it writes.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_trace_write(pool: *mut vgpu_pool, path: *const c_char) -> vgpu_status {
    guard(|| {
        let pool = required(pool, "pool")?;
        if path.is_null() {
            return Err(null("path"));
        }
        // SAFETY: the caller vouches for a terminated string.
        pool.pool().trace_write(unsafe { CStr::from_ptr(path) }.to_bytes())
    })
}

/// Names the running task, or the forked job that the worker took from another, in traces. Costs a branch while no trace is
/// recorded.
///
/// @param worker  what the callback was passed; NULL does nothing
/// @param label   a terminated string, of which 38 bytes of UTF-8 are copied; NULL does nothing, and so does what is not UTF-8
/// @note Thread safety: inside the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_worker_set_label(worker: *const vgpu_worker, label: *const c_char) {
    // SAFETY: what callbacks are passed points to a worker, or is NULL.
    let Some(worker) = (unsafe { worker.cast::<Worker>().as_ref() }) else { return };
    if !label.is_null() {
        // SAFETY: the caller vouches for a terminated string.
        if let Ok(label) = unsafe { CStr::from_ptr(label) }.to_str() {
            worker.set_label(label);
        }
    }
}
