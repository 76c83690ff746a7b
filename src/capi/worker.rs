//! The context of running work.

use crate::pool::Worker;

/// The worker that runs a callback. Valid during the callback.
pub struct vgpu_worker {
    _private: [u8; 0],
}

/// The number of a worker in its pool, from 0.
///
/// @param worker  what the callback was passed
/// @return the number; UINT32_MAX for NULL, and for a thread that runs a task without being a worker because the inbox was full
/// @note Thread safety: inside the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_worker_index(worker: *const vgpu_worker) -> u32 {
    // SAFETY: what callbacks are passed points to a worker, or is NULL.
    let worker = unsafe { worker.cast::<Worker>().as_ref() };
    worker.map_or(u32::MAX, |worker| u32::try_from(worker.index()).unwrap_or(u32::MAX))
}
