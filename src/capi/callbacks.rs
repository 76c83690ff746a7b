//! The functions a program hands in. None of them may unwind; one that does ends the process with a message, because the
//! type says that it could and Rust cannot catch what is not its own.

use super::arguments::null;
use super::error::callback_result;
use super::status::vgpu_status;
use super::worker::vgpu_worker;
use crate::error::Result;
use crate::pool::{Work, Worker};
use core::ffi::{c_char, c_void};
use core::ptr;

/// A task. Returns 0 for success; any other number is its own error code, and comes out where it is waited for.
///
/// @param worker     the worker that runs it, valid during the call; NULL when a NULL pool runs it on the caller
/// @param user_data  what was passed with the function
pub type vgpu_task_fn = Option<unsafe extern "C-unwind" fn(worker: *mut vgpu_worker, user_data: *mut c_void) -> i32>;

/// A piece of a loop: the indices from begin up to, and without, end. Returns as a vgpu_task_fn does.
pub type vgpu_range_fn = Option<
    unsafe extern "C-unwind" fn(worker: *mut vgpu_worker, user_data: *mut c_void, begin: usize, end: usize) -> i32,
>;

/// A tile of a loop over rows and columns; each end is not part of the tile. Returns as a vgpu_task_fn does.
pub type vgpu_tile_fn = Option<
    unsafe extern "C-unwind" fn(
        worker: *mut vgpu_worker,
        user_data: *mut c_void,
        row_begin: usize,
        row_end: usize,
        col_begin: usize,
        col_end: usize,
    ) -> i32,
>;

/// A condition of a graph: sets bit i of `*chosen`, which is 0 before, for each successor i that is to run, numbered in the order of
/// its edges. Returns as a vgpu_task_fn does.
pub type vgpu_condition_fn =
    Option<unsafe extern "C-unwind" fn(worker: *mut vgpu_worker, user_data: *mut c_void, chosen: *mut u64) -> i32>;

/// One of many calls, by its number. Returns as a vgpu_task_fn does.
pub type vgpu_index_fn =
    Option<unsafe extern "C-unwind" fn(worker: *mut vgpu_worker, user_data: *mut c_void, index: usize) -> i32>;

/// A piece of a reduction or a scan: the indices from begin up to, and without, end, and a value to read and change, aligned to
/// 64 bytes and valid during the call. Returns as a vgpu_task_fn does.
pub type vgpu_value_fn = Option<
    unsafe extern "C-unwind" fn(
        worker: *mut vgpu_worker,
        user_data: *mut c_void,
        begin: usize,
        end: usize,
        value: *mut c_void,
    ) -> i32,
>;

/// Combines two neighbouring values: left becomes what left and right are together. Returns as a vgpu_task_fn does.
pub type vgpu_combine_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, left: *mut c_void, right: *const c_void) -> i32>;

/// Compares two elements of an array: a negative number if a comes before b, a positive one if after, else 0. It must order all
/// elements, and may be called from several threads at a time.
pub type vgpu_compare_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, a: *const c_void, b: *const c_void) -> i32>;

/// Ends the life of a task's user_data: called exactly once after the task has run or was cancelled, if its submission
/// succeeded.
pub type vgpu_destroy_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// Told the outcome of a task by the thread that completes it. It must not wait.
pub type vgpu_completion_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, status: vgpu_status)>;

/// Called on a worker's thread when it starts or before it ends.
pub type vgpu_worker_hook_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, worker_index: u32)>;

/// Called when a task comes to a pool without threads; see vgpu_pool_config. From any thread.
pub type vgpu_wake_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// Told a sentence of a pool; see vgpu_pool_config. From any thread, several at a time.
///
/// @param level     one of VGPU_LOG_
/// @param sentence  valid during the call, at most 511 bytes of UTF-8
pub type vgpu_log_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, level: u32, sentence: *const c_char)>;

/// Gives size bytes aligned to align, a power of two, or NULL. Called from any thread.
pub type vgpu_allocate_fn =
    Option<unsafe extern "C-unwind" fn(context: *mut c_void, size: usize, align: usize) -> *mut c_void>;

/// As vgpu_allocate_fn, for memory that is used by threads pinned to CPUs of a NUMA node, by the system's number. Memory elsewhere is
/// as good, only slower.
pub type vgpu_allocate_on_node_fn =
    Option<unsafe extern "C-unwind" fn(context: *mut c_void, size: usize, align: usize, node: u32) -> *mut c_void>;

/// Takes back what vgpu_allocate_fn or vgpu_allocate_on_node_fn gave, with the size and alignment it was asked for with. Called from any thread.
pub type vgpu_free_fn =
    Option<unsafe extern "C-unwind" fn(context: *mut c_void, memory: *mut c_void, size: usize, align: usize)>;

/// A program's pointer on its way to a worker.
#[derive(Clone, Copy)]
pub(super) struct UserData(pub(super) *mut c_void);

// SAFETY: a program that hands a pointer to a pool vouches for its use on the pool's threads.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// A worker as a callback sees it; none is NULL.
pub(super) fn worker_pointer(worker: Option<&Worker>) -> *mut vgpu_worker {
    worker.map_or(ptr::null_mut(), |worker| ptr::from_ref(worker).cast_mut().cast())
}

/// A task function with its data. Dropping it calls nothing: `destroy` is only for tasks that were accepted.
pub(super) struct CTask {
    pub(super) function: unsafe extern "C-unwind" fn(*mut vgpu_worker, *mut c_void) -> i32,
    pub(super) user_data: UserData,
    pub(super) destroy: vgpu_destroy_fn,
}

impl Work<()> for CTask {
    fn run(self, worker: &Worker) -> Result<()> {
        // SAFETY: the program vouches for its function and data.
        let code = unsafe { (self.function)(worker_pointer(Some(worker)), self.user_data.0) };
        let result = callback_result(code);
        self.discard();
        result
    }

    fn discard(self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: as above; called once, because this consumes the task.
            unsafe { destroy(self.user_data.0) }
        }
    }
}

/// A function that may not be NULL.
pub(super) fn required_callback<F>(function: Option<F>) -> Result<F> {
    function.ok_or_else(|| null("function"))
}
