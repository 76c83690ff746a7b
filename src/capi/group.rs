//! Tasks that are waited for together.

use super::arguments::{clear, required};
use super::callbacks::{CTask, UserData, required_callback, vgpu_destroy_fn, vgpu_task_fn};
use super::error::guard;
use super::future::write_code;
use super::options::{vgpu_task_options, with_options};
use super::pool::vgpu_pool;
use super::status::vgpu_status;
use crate::error::Result;
use crate::os::alloc::Owned;
use crate::pool::{Destination, Group};
use core::ffi::c_void;
use core::ptr::{self, NonNull};

/// Tasks of one pool that are waited for together.
pub struct vgpu_group {
    group: Group<'static>,
}

/// Makes an empty group.
///
/// @param pool   the pool its tasks run on, which must outlive it
/// @param group  where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
/// @note Thread safety: any thread.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_group_create(pool: *mut vgpu_pool, group: *mut *mut vgpu_group) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output, and that the pool outlives the group.
        unsafe {
            clear(group, "group, where the handle would go,")?;
            let pool: &'static vgpu_pool = required(pool, "pool")?;
            let made = Owned::new(pool.pool().allocator(), vgpu_group { group: pool.pool().group()? })?;
            group.write(Owned::into_raw(made).as_ptr());
        }
        Ok(())
    })
}

/// Submits a task as one of the group.
///
/// @return as vgpu_pool_submit()
/// @note Thread safety: any thread, tasks of the group included.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_group_submit(
    group: *mut vgpu_group,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
) -> vgpu_status {
    guard(|| submit(group, |_| Ok(Destination::USUAL), function, user_data, destroy))
}

/// As vgpu_group_submit(), for a task of which something is asked: a priority, a place.
///
/// @param options  what is asked; NULL for nothing. Not used after the call
/// @return as vgpu_pool_submit_with()
/// @note Thread safety: any thread, tasks of the group included.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_group_submit_with(
    group: *mut vgpu_group,
    options: *const vgpu_task_options,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
) -> vgpu_status {
    // SAFETY: the caller vouches for the options.
    let to = |group: &Group<'static>| unsafe { with_options(options, |options| group.destination(options)) };
    guard(|| submit(group, to, function, user_data, destroy))
}

fn submit(
    group: *mut vgpu_group,
    to: impl FnOnce(&Group<'static>) -> Result<Destination>,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
) -> Result<()> {
    let group = &required(group, "group")?.group;
    let function = required_callback(function)?;
    group.submit_work(to(group)?, CTask { function, user_data: UserData(user_data), destroy })
}

/// Submits many tasks as vgpu_group_submit() does each, for less: they are counted, queued and announced together.
///
///     for (size_t i = 0; i < count; i++) vgpu_group_submit(group, function, user_data ? user_data[i] : NULL, destroy);
///
/// @param group      the group
/// @param function   what each task does
/// @param user_data  count pointers, one for each task; NULL passes NULL to all. The array is not used after the call
/// @param count      how many tasks; may be 0
/// @param destroy    as in vgpu_pool_submit(), called once with each task's pointer
/// @param submitted  where the number goes of those that were submitted, the first ones; may be NULL. It is count unless this fails
/// @return as vgpu_pool_submit(). What was submitted before a failure goes on; for the others destroy is not called
/// @note Thread safety: any thread, tasks of the group included.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_group_submit_batch(
    group: *mut vgpu_group,
    function: vgpu_task_fn,
    user_data: *const *mut c_void,
    count: usize,
    destroy: vgpu_destroy_fn,
    submitted: *mut usize,
) -> vgpu_status {
    let write = |number| {
        if !submitted.is_null() {
            // SAFETY: the caller vouches for the output.
            unsafe { submitted.write(number) };
        }
    };
    guard(|| {
        write(0);
        let group = required(group, "group")?;
        let function = required_callback(function)?;
        let tasks = (0..count).map(|i| {
            // SAFETY: the caller vouches for as many pointers as tasks.
            let user_data = if user_data.is_null() { ptr::null_mut() } else { unsafe { *user_data.add(i) } };
            CTask { function, user_data: UserData(user_data), destroy }
        });
        let result = group.group.submit_works(Destination::USUAL, tasks);
        write(result.as_ref().map_or_else(|(number, _)| *number, |()| count));
        result.map_err(|(_, error)| error)
    })
}

/// Waits until every task of the group is done. The group can be used again afterwards.
///
/// @param group      the group
/// @param task_code  where the number goes that the first failing task returned, or 0; may be NULL
/// @return VGPU_OK if no task failed; otherwise the first failure, as vgpu_future_get() gives it;
///         VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
/// @note Thread safety: one thread at a time. Blocks; inside a task it helps, as vgpu_future_get() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_group_wait(group: *mut vgpu_group, task_code: *mut i32) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output and the handle, and that no other thread waits.
        unsafe {
            write_code(task_code, 0);
            let group = required(group, "group")?;
            group.group.wait_unshared().inspect_err(|error| write_code(task_code, error.task_code()))
        }
    })
}

/// Waits for the group's tasks and frees it.
///
/// @param group  the group; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_FORKED in a forked child, where its tasks would never be done and its memory is left alone
/// @note Thread safety: once; nobody may use the group afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_group_destroy(group: *mut vgpu_group) -> vgpu_status {
    guard(|| {
        let Some(group) = NonNull::new(group) else { return Ok(()) };
        // SAFETY: the caller vouches for the handle, and gives it up.
        unsafe {
            group.as_ref().group.check_process()?;
            let allocator = group.as_ref().group.allocator();
            drop(Owned::from_raw(allocator, group));
        }
        Ok(())
    })
}
