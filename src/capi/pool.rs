//! Making and ending pools, and submitting to them.

use super::arguments::{clear, null, required};
use super::callbacks::{CTask, UserData, required_callback, vgpu_destroy_fn, vgpu_task_fn};
use super::config::{inbox_mode, vgpu_pool_config, victims};
use super::error::guard;
use super::future::{StoredTask, vgpu_future, vgpu_task_storage};
use super::options::{cpu_set, vgpu_task_options, with_options};
use super::sized;
use super::status::vgpu_status;
use crate::error::Result;
use crate::os::affinity;
use crate::os::alloc::{Allocator, Owned};
use crate::pool::core::Core;
use crate::pool::{Destination, Pool};
use core::ffi::c_void;
use core::ptr::{self, NonNull};

/// A pool of workers.
pub struct vgpu_pool {
    pool: Pool,
}

impl vgpu_pool {
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// The pool behind a handle that may be NULL, which means the caller's own thread.
pub(super) fn optional<'a>(pool: *const vgpu_pool) -> Option<&'a Pool> {
    // SAFETY: the caller of the export vouches for a handle that is not NULL.
    unsafe { pool.as_ref() }.map(vgpu_pool::pool)
}

/// Makes a pool and starts its workers.
///
/// @param config  the settings; NULL for the defaults
/// @param pool    where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for a setting out of range; VGPU_ERROR_OUT_OF_MEMORY;
///         VGPU_ERROR_THREAD_SPAWN; VGPU_ERROR_AFFINITY if pinning is required and refused. On failure whatever was started
///         is stopped and whatever was allocated is given back.
/// @note Thread safety: any thread. Blocks until the threads are started.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_create(config: *const vgpu_pool_config, pool: *mut *mut vgpu_pool) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output and for the config.
        unsafe {
            clear(pool, "pool, where the handle would go,")?;
            let config = sized::read(config)?;
            let cpus = cpu_set(config.cpus, config.num_cpu_words as usize)?;
            let config = config.to_config(cpus.as_ref())?;
            let made = Owned::new(config.allocator, vgpu_pool { pool: Pool::new(&config)? })?;
            pool.write(Owned::into_raw(made).as_ptr());
        }
        Ok(())
    })
}

/// Ends a pool: refuses new tasks from outside, runs what was accepted, joins the threads and frees the pool.
///
/// @param pool  the pool; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks, and the pool goes on; VGPU_ERROR_INVALID_ARGUMENT for a
///         pool made with VGPU_POOL_ON_CALLER on another thread than the one that made it, and the pool goes on; VGPU_ERROR_FORKED
///         in a forked child, where the threads do not exist and the memory is left alone
/// @note Thread safety: once, by a thread that is not a worker of the pool. Other threads may be submitting when it begins;
///       nobody may use the handle after it has returned. Blocks until everything is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_destroy(pool: *mut vgpu_pool) -> vgpu_status {
    guard(|| {
        let Some(pool) = NonNull::new(pool) else { return Ok(()) };
        // SAFETY: the caller vouches for the handle, and gives it up unless this fails.
        unsafe {
            pool.as_ref().pool.check_process()?;
            pool.as_ref().pool.check_destroy()?;
            drop(Owned::from_raw(pool.as_ref().pool.allocator(), pool));
        }
        Ok(())
    })
}

/// Runs queued tasks on the calling thread, in a pool made with VGPU_POOL_ON_CALLER on the thread that made it. Returns when none are
/// left, or when the budget is spent; does not wait for more. Inside one of the pool's tasks it runs others meanwhile.
///
/// @param pool       the pool
/// @param max_tasks  how many at most; 0: any number
/// @param budget_ns  after so many nanoseconds none is begun any more, but one is in any case; 0: any time
/// @param ran        where it goes how many were run; may be NULL
/// @return VGPU_OK, also if there was none; VGPU_ERROR_INVALID_ARGUMENT for NULL, for a pool with threads, and on another thread;
///         VGPU_ERROR_STACK_LIMIT too deep in pumps in tasks; VGPU_ERROR_FORKED
/// @note Thread safety: the thread that made the pool. Lasts as long as the tasks do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_pump(
    pool: *mut vgpu_pool,
    max_tasks: usize,
    budget_ns: u64,
    ran: *mut usize,
) -> vgpu_status {
    guard(|| {
        let taken = required(pool, "pool")?.pool.pump(max_tasks, budget_ns)?;
        if !ran.is_null() {
            // SAFETY: the caller vouches for the output.
            unsafe { ran.write(taken) };
        }
        Ok(())
    })
}

/// How many workers a pool has; 0 for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_num_workers(pool: *const vgpu_pool) -> u32 {
    optional(pool).map_or(0, |pool| pool.workers() as u32)
}

/// How many workers of a pool have places now; the others rest. 0 for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_active_workers(pool: *const vgpu_pool) -> u32 {
    optional(pool).map_or(0, |pool| pool.active_workers() as u32)
}

/// Lets at most so many workers have places by load from now on, but at least min_workers. Those that lose their places finish what
/// they have begun. In a pool whose number of workers is fixed nothing changes.
///
/// @param pool     the pool
/// @param workers  how many; 0 takes the limit back
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL
/// @note Thread safety: any thread, tasks included. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_limit_workers(pool: *mut vgpu_pool, workers: u32) -> vgpu_status {
    guard(|| {
        required(pool, "pool")?.pool.limit_workers(workers as usize);
        Ok(())
    })
}

/// Submits a task: it runs once, on some worker.
///
/// Tasks submitted by one thread are started in the order in which it submitted them, as long as they fit one shard of
/// the inbox.
///
/// @param pool       the pool
/// @param function   the task
/// @param user_data  passed to it
/// @param destroy    called once with user_data when the task has run or was cancelled; may be NULL. Not called if this fails
/// @param future     where the handle goes, NULL on failure; if this is NULL itself the task runs unobserved
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL if the pool was told to say so; VGPU_ERROR_CLOSED;
///         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, tasks included. Does not block, unless the pool was told to when the inbox is full.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_submit(
    pool: *mut vgpu_pool,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
    future: *mut *mut vgpu_future,
) -> vgpu_status {
    // SAFETY: as the caller vouches.
    guard(|| unsafe { submit(pool, |_| Ok(Destination::USUAL), function, user_data, destroy, future) })
}

/// As vgpu_pool_submit(), for a task of which something is asked: a priority, a place.
///
/// @param options  what is asked; NULL for nothing. Not used after the call
/// @return as vgpu_pool_submit(); VGPU_ERROR_INVALID_ARGUMENT also for options out of range, and for a place where the pool has no
///         worker
/// @note Thread safety: as vgpu_pool_submit().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_submit_with(
    pool: *mut vgpu_pool,
    options: *const vgpu_task_options,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
    future: *mut *mut vgpu_future,
) -> vgpu_status {
    // SAFETY: as the caller vouches.
    guard(|| unsafe {
        let to = |core: &Core| with_options(options, |options| core.destination(options));
        submit(pool, to, function, user_data, destroy, future)
    })
}

/// # Safety
/// As [`vgpu_pool_submit`].
unsafe fn submit(
    pool: *mut vgpu_pool,
    to: impl FnOnce(&Core) -> Result<Destination>,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
    future: *mut *mut vgpu_future,
) -> Result<()> {
    // SAFETY: the caller vouches for the output.
    unsafe { write_handle(future, ptr::null_mut()) };
    let core = required(pool, "pool")?.pool.core();
    let task = task(function, user_data, destroy)?;
    let to = to(core)?;
    if future.is_null() {
        return core.submit_unheld(to, task);
    }
    let handle = core.submit_work(to, task)?;
    // SAFETY: as above.
    unsafe { write_handle(future, vgpu_future::from_handle(handle)) };
    Ok(())
}

/// Says to whom workers go first from here on when they look for work.
///
/// @param order  one of VGPU_VICTIMS_
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
/// @note Thread safety: any thread. Takes effect at each worker's next look.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_set_victims(pool: *mut vgpu_pool, order: u32) -> vgpu_status {
    guard(|| {
        required(pool, "pool")?.pool.set_victims(victims("order", order)?);
        Ok(())
    })
}

/// Says where tasks from outside go from here on.
///
/// @param mode  one of VGPU_INBOX_NEAREST, VGPU_INBOX_ROUND_ROBIN and VGPU_INBOX_SHARED
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
/// @note Thread safety: any thread. What is queued already stays where it is, and is taken as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_set_inbox_mode(pool: *mut vgpu_pool, mode: u32) -> vgpu_status {
    guard(|| {
        required(pool, "pool")?.pool.set_inbox_mode(inbox_mode("mode", mode)?);
        Ok(())
    })
}

/// As vgpu_pool_submit(), with the task in storage that the caller provides. Nothing is allocated.
///
/// The storage belongs to the library until vgpu_future_release() has returned; it must not move or be used meanwhile.
///
/// @param storage  where the task lies; its contents do not matter
/// @param future   where the handle goes; not NULL, because its release gives the storage back
/// @return as vgpu_pool_submit(). On failure the storage is the caller's again
/// @note Thread safety: as vgpu_pool_submit().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_submit_in(
    pool: *mut vgpu_pool,
    storage: *mut vgpu_task_storage,
    function: vgpu_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
    future: *mut *mut vgpu_future,
) -> vgpu_status {
    guard(|| {
        if future.is_null() {
            return Err(null("future, without which the storage could not be given back,"));
        }
        // SAFETY: the caller vouches for the output.
        unsafe { write_handle(future, ptr::null_mut()) };
        let pool = required(pool, "pool")?;
        let storage: *mut StoredTask = ptr::from_ref(required(storage, "storage")?).cast_mut().cast();
        let task = task(function, user_data, destroy)?;
        // SAFETY: the storage has the size and alignment of the task, and is the library's until the handle's release.
        unsafe {
            let handle = pool.pool.core().submit_in(storage, Destination::USUAL, task)?;
            write_handle(future, vgpu_future::from_handle(handle));
        }
        Ok(())
    })
}

fn task(function: vgpu_task_fn, user_data: *mut c_void, destroy: vgpu_destroy_fn) -> Result<CTask> {
    let function = required_callback(function)?;
    Ok(CTask { function, user_data: UserData(user_data), destroy })
}

/// # Safety
/// `place` is NULL or writable.
unsafe fn write_handle(place: *mut *mut vgpu_future, handle: *mut vgpu_future) {
    if !place.is_null() {
        // SAFETY: by contract.
        unsafe { place.write(handle) };
    }
}

/// Waits until no task of the pool is queued or running, those submitted meanwhile included.
///
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks;
///         VGPU_ERROR_FORKED
/// @note Thread safety: any thread that is not a worker of the pool. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_wait_all(pool: *mut vgpu_pool) -> vgpu_status {
    guard(|| required(pool, "pool")?.pool.wait_all())
}

/// How many CPUs the calling thread may use. A pool made with the defaults has as many workers, or fewer if the cgroup's
/// quota allows less.
///
/// @return the number; at least 1
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_available_cpus() -> u32 {
    affinity::allowed_cpus(Allocator::SYSTEM)
        .map_or(1, |words| words.iter().map(|word| word.count_ones()).sum::<u32>().max(1))
}
