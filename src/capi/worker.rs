//! The context of running work.

use super::callbacks::worker_pointer;
use super::config::wait_policy;
use super::error::guard;
use super::options::priority_number;
use super::pool::{optional, vgpu_pool};
use super::status::vgpu_status;
use crate::pool::{Priority, WaitPolicy, Worker};

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

/// The worker of a pool that the calling thread is: what its running callback was passed, for code that was not handed it.
///
/// @param pool  the pool
/// @return the worker, valid until the running callback returns; NULL on a thread that is no worker of this pool, and for NULL
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_current_worker(pool: *const vgpu_pool) -> *mut vgpu_worker {
    worker_pointer(optional(pool).and_then(|pool| pool.core().current_worker()))
}

/// How urgent the running task is: the priority it was submitted with, or a higher one if a more urgent task waits for it.
///
/// @return one of VGPU_PRIORITY_; VGPU_PRIORITY_NORMAL for NULL
/// @note Thread safety: inside the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_worker_task_priority(worker: *const vgpu_worker) -> u32 {
    // SAFETY: what callbacks are passed points to a worker, or is NULL.
    let worker = unsafe { worker.cast::<Worker>().as_ref() };
    priority_number(worker.map_or(Priority::Normal, Worker::task_priority))
}

/// How often the running task was moved from one worker's inbox to another worker.
///
/// @return 0, or 1, since a task that was taken from another's inbox is run at once; 0 for NULL
/// @note Thread safety: inside the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_worker_task_migrations(worker: *const vgpu_worker) -> u32 {
    // SAFETY: what callbacks are passed points to a worker, or is NULL.
    let worker = unsafe { worker.cast::<Worker>().as_ref() };
    worker.map_or(0, Worker::task_migrations)
}

/// Says how the running task waits from here on, for futures, groups and the other halves of its forks. What the worker runs while
/// the task waits, and what others run for it, waits as the pool does; so does the next task.
///
/// @param worker    what the callback was passed; NULL means that there is no worker, and nothing changes
/// @param policy    one of VGPU_WAIT_
/// @param previous  where the policy up to now goes; may be NULL
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
/// @note Thread safety: inside the callback.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_worker_set_wait_policy(
    worker: *const vgpu_worker,
    policy: u32,
    previous: *mut u32,
) -> vgpu_status {
    guard(|| {
        let policy = wait_policy("policy", policy)?;
        // SAFETY: what callbacks are passed points to a worker, or is NULL.
        let before = match unsafe { worker.cast::<Worker>().as_ref() } {
            Some(worker) => worker.set_wait_policy(policy),
            None => WaitPolicy::default(),
        };
        if !previous.is_null() {
            // SAFETY: the caller vouches for the output.
            unsafe { previous.write(before as u32) };
        }
        Ok(())
    })
}

/// Says that the task blocks from here on, such as in a read from a file or in a wait for a lock: the worker's place is lent to
/// another until vgpu_blocking_end(), so that as many work as before. All the worker's forks are made public first, since what the task
/// waits for may depend on them. Between the two, fork, submit and wait as anywhere.
///
/// A pool has somebody to lend to if it was made with spare_workers, or while fewer workers have places than it has.
///
/// @param worker  what the callback was passed; NULL does nothing
/// @note Thread safety: inside the callback. To be ended in the same callback; may be nested.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_blocking_begin(worker: *mut vgpu_worker) {
    // SAFETY: what callbacks are passed points to a worker, or is NULL.
    unsafe { worker.cast::<Worker>().as_ref() }.inspect(|worker| worker.begin_blocking());
}

/// Ends what vgpu_blocking_begin() began: once for each.
///
/// @param worker  what was passed there
/// @note Thread safety: inside the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_blocking_end(worker: *mut vgpu_worker) {
    // SAFETY: what callbacks are passed points to a worker, or is NULL.
    unsafe { worker.cast::<Worker>().as_ref() }.inspect(|worker| worker.end_blocking());
}
