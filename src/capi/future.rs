//! The handles of submitted tasks.

use super::arguments::{null, required};
use super::callbacks::{CTask, UserData, required_callback, vgpu_completion_fn};
use super::error::guard;
use super::options;
use super::status::{VGPU_OK, vgpu_status};
use crate::error::{Error, Result, error};
use crate::pool::{Future, Header, Task, TaskRef};
use core::mem::{self, ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;
use core::time::Duration;

/// The outcome of a task that may still be running.
pub struct vgpu_future {
    _private: [u8; 0],
}

/// Room for a task, for vgpu_pool_submit_in(). Its contents mean nothing to a program.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_task_storage {
    /// Not to be touched while the storage is in use.
    pub opaque: [u64; 64],
}

/// What lies in a `vgpu_task_storage`.
pub(super) type StoredTask = MaybeUninit<Task<CTask, ()>>;
const _: () = assert!(mem::size_of::<StoredTask>() <= mem::size_of::<vgpu_task_storage>());
const _: () = assert!(mem::align_of::<StoredTask>() <= mem::align_of::<vgpu_task_storage>());

impl vgpu_future {
    /// A handle as C holds it.
    pub(super) fn from_handle(handle: Future<()>) -> *mut vgpu_future {
        handle.into_raw().as_ptr().cast()
    }

    /// Looks through a handle without ending it.
    ///
    /// # Safety
    /// The handle is NULL or was not released yet.
    unsafe fn borrow(future: *const vgpu_future) -> Result<ManuallyDrop<Future<()>>> {
        required(future, "future")?;
        // SAFETY: by contract.
        unsafe { vgpu_future::adopt(future) }.map(ManuallyDrop::new).ok_or_else(|| null("future"))
    }

    /// Takes a handle back.
    ///
    /// # Safety
    /// The handle is NULL, or was not released yet and the result is dropped at most once.
    unsafe fn adopt(future: *const vgpu_future) -> Option<Future<()>> {
        let header = NonNull::new(future.cast_mut().cast::<Header>())?;
        // SAFETY: by contract the handle's reference is there.
        Some(Future::new(unsafe { TaskRef::adopt(header) }))
    }
}

/// Waits until the task is done, and says how it ended. May be called again; the handle stays.
///
/// Inside a task of the same pool the calling worker runs the awaited task itself if nobody has started it, and other
/// tasks while it runs elsewhere. Any other thread sleeps.
///
/// @param future     the handle
/// @param task_code  where the number goes that the task returned; 0 goes there if it did not fail that way. May be NULL
/// @return VGPU_OK if the task returned 0; VGPU_ERROR_TASK_FAILED if it returned anything else, with its sentence in
///         vgpu_last_error_message(); VGPU_ERROR_CANCELLED; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, several at a time. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_get(future: *mut vgpu_future, task_code: *mut i32) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the handle and the output.
        unsafe {
            write_code(task_code, 0);
            let future = vgpu_future::borrow(future)?;
            future.wait()?;
            future.outcome().inspect_err(|error| write_code(task_code, error.task_code()))
        }
    })
}

/// # Safety
/// `place` is NULL or writable.
pub(super) unsafe fn write_code(place: *mut i32, code: i32) {
    if !place.is_null() {
        // SAFETY: by contract.
        unsafe { place.write(code) };
    }
}

/// Waits until the task is done, however it ends.
///
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, several at a time. Blocks, and helps inside a task, as vgpu_future_get() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_wait(future: *mut vgpu_future) -> vgpu_status {
    // SAFETY: the caller vouches for the handle.
    guard(|| unsafe { vgpu_future::borrow(future)?.wait() })
}

/// Waits until the task is done, but no longer than timeout_ns nanoseconds.
///
/// @return VGPU_OK; VGPU_ERROR_TIMED_OUT, and the task goes on; otherwise as vgpu_future_wait()
/// @note Thread safety: any thread, several at a time. Inside a task it helps, and may return late by what it helped with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_wait_for(future: *mut vgpu_future, timeout_ns: u64) -> vgpu_status {
    // SAFETY: the caller vouches for the handle.
    guard(|| unsafe { vgpu_future::borrow(future)?.wait_for(Duration::from_nanos(timeout_ns)) })
}

/// Whether the task is done.
///
/// @return 1 if it has finished, failed or was cancelled; 0 if not, and for NULL
/// @note Thread safety: any thread. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_is_ready(future: *const vgpu_future) -> i32 {
    // SAFETY: the caller vouches for the handle.
    unsafe { vgpu_future::borrow(future) }.map_or(0, |future| i32::from(future.is_ready()))
}

/// Cancels the task if it has not started. It is then done, and its outcome is VGPU_ERROR_CANCELLED.
///
/// @return VGPU_OK; VGPU_ERROR_ALREADY_STARTED if it runs or is done; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
/// @note Thread safety: any thread. Does not block. Calls the task's destroy and completion callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_cancel(future: *mut vgpu_future) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the handle.
        let future = unsafe { vgpu_future::borrow(future)? };
        future.check_process()?;
        match future.cancel() {
            true => Ok(()),
            false => Err(error!(AlreadyStarted, "the task has started or is done, and cannot be cancelled any more")),
        }
    })
}

/// Makes a task more urgent that has not started. It is done by itself for a task that another task waits for which is more urgent.
///
/// @param future    the task's, of a pool that is not being destroyed
/// @param priority  one of VGPU_PRIORITY_; a task that is as urgent already, has started or is done is left as it is
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_FORKED
/// @note Thread safety: any thread. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_raise_priority(future: *mut vgpu_future, priority: u32) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the handle, and for the pool.
        let future = unsafe { vgpu_future::borrow(future)? };
        let priority = options::priority("priority", priority)?;
        future.check_process()?;
        // SAFETY: as above.
        unsafe { future.raise_priority(priority) };
        Ok(())
    })
}

/// Has a function called when the task is done: by the thread that completes it, or by this call if it is done already.
///
/// @param function   called once with user_data and the outcome as vgpu_future_get() gives it
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL or a second function; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
/// @note Thread safety: any thread. The function must not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_on_complete(
    future: *mut vgpu_future,
    function: vgpu_completion_fn,
    user_data: *mut core::ffi::c_void,
) -> vgpu_status {
    guard(|| {
        let function = required_callback(function)?;
        let user_data = UserData(user_data);
        // SAFETY: the caller vouches for the handle.
        let future = unsafe { vgpu_future::borrow(future)? };
        future.check_process()?;
        future.on_complete(move |outcome: Result<()>| {
            let status = outcome.map_or_else(|error: Error| error.status().code(), |()| VGPU_OK);
            // The whole of it is taken along, because a bare pointer may not change threads.
            let UserData(user_data) = { user_data };
            // SAFETY: the program vouches for its function and data.
            unsafe { function(user_data, status) }
        })
    })
}

/// Ends a handle. The task itself goes on; after vgpu_pool_submit_in() this waits until it is done and its storage is the
/// caller's again.
///
/// @param future  the handle; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_FORKED if storage was provided and the task would never be done in this forked child
/// @note Thread safety: once for each handle; nobody may use it afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_future_release(future: *mut vgpu_future) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the handle and gives it up.
        match unsafe { vgpu_future::adopt(future) } {
            Some(future) => future.release(),
            None => Ok(()),
        }
    })
}
