//! Micropools: several small pools side by side, between which tasks go.

use super::arguments::{clear, null, required};
use super::callbacks::{UserData, required_callback, vgpu_destroy_fn, worker_pointer};
use super::config::vgpu_pool_config;
use super::error::{callback_result, guard};
use super::future::write_code;
use super::options::cpu_set;
use super::sized::{self, Sized32};
use super::status::vgpu_status;
use super::worker::vgpu_worker;
use crate::error::{Error, Result, error};
use crate::os::alloc::{Array, Owned};
use crate::pool::micropools::Stage;
use crate::pool::{Micropool, MicropoolTask, Micropools};
use core::ffi::{CStr, c_char, c_void};
use core::mem;
use core::ptr::{self, NonNull};

/// A set of micropools.
pub struct vgpu_micropools {
    set: Micropools,
}

/// A running task of a set of micropools, as its function sees it. Valid during the call.
pub struct vgpu_micropool_task {
    /// Gone when the task has been handed over.
    running: Option<NonNull<MicropoolTask<'static>>>,
    next: Option<(u32, StageFn)>,
}

/// A stage of a task in a micropool: what it does there. Returns 0 for success; any other number is its own error code.
///
/// @param task       the running task, valid during the call
/// @param user_data  what the task was submitted with
pub type vgpu_micropool_task_fn =
    Option<unsafe extern "C-unwind" fn(task: *mut vgpu_micropool_task, user_data: *mut c_void) -> i32>;

type StageFn = unsafe extern "C-unwind" fn(*mut vgpu_micropool_task, *mut c_void) -> i32;

/// One micropool of a set. Begin with vgpu_micropool_init(); zero means the default, where there is one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_micropool {
    /// The size of this struct as the program was compiled; set by vgpu_micropool_init(). The same in all structs of an array.
    pub struct_size: u32,
    /// How many workers; 0: as many as it has CPUs.
    pub num_workers: u32,
    /// How many tasks that came in through it may be in the set at a time, of 128 bytes each; 0: 1024.
    pub num_places: u32,
    /// How many words `cpus` has.
    pub num_cpu_words: u32,
    /// What it is called, in UTF-8; its workers' threads are named with the first 8 bytes. No two are called the same.
    pub name: *const c_char,
    /// On which CPUs its workers are pinned: CPU n is bit n % 64 of word n / 64. NULL: the machine's, of which those micropools without
    /// CPUs of their own get one after the other. Not used after the call.
    pub cpus: *const u64,
}

// SAFETY: `repr(C)`, begins with its size, and zeroes are valid.
unsafe impl Sized32 for vgpu_micropool {
    const NAME: &'static str = "vgpu_micropool";
    const DEFAULT: vgpu_micropool = vgpu_micropool {
        struct_size: mem::size_of::<vgpu_micropool>() as u32,
        num_workers: 0,
        num_places: 0,
        num_cpu_words: 0,
        name: ptr::null(),
        cpus: ptr::null(),
    };
}

/// The function that a task runs next, and its data.
struct CStage {
    function: StageFn,
    user_data: UserData,
    destroy: vgpu_destroy_fn,
}

impl Stage for CStage {
    fn run(self, task: MicropoolTask<'_>) -> Result<()> {
        let mut view = vgpu_micropool_task { running: Some(NonNull::from(&task).cast()), next: None };
        // SAFETY: the program vouches for its function and data. What it is passed is not used after the call.
        let code = unsafe { (self.function)(&mut view, self.user_data.0) };
        match (callback_result(code), view.next) {
            (Ok(()), Some((to, function))) => match task.hand_over_stage(to as usize, CStage { function, ..self }) {
                Ok(()) => Ok(()),
                Err((error, _, stage)) => {
                    stage.discard();
                    Err(error)
                }
            },
            (result, _) => {
                self.discard();
                result
            }
        }
    }

    fn discard(self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the program vouches for it; called once, because this consumes the stage.
            unsafe { destroy(self.user_data.0) }
        }
    }
}

/// Fills a micropool with the defaults. Programs call the macro vgpu_micropool_init(), which knows the size.
///
/// @param micropool  where to write; NULL does nothing
/// @param size       sizeof(vgpu_micropool) as the program was compiled; what lies beyond this library's knowledge is zeroed
/// @note Thread safety: any thread, each on its own struct.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropool_init_sized(micropool: *mut vgpu_micropool, size: u32) {
    // SAFETY: the caller vouches for `size` writable bytes.
    unsafe { sized::init(micropool, size) }
}

/// Makes a set of micropools and starts their workers: several small pools side by side, each for one class of work, so that cheap
/// tasks do not wait for dear ones. Each has workers and a queue of its own. A task says at vgpu_micropools_submit() to which it goes,
/// and a running one goes on in another with vgpu_micropool_task_hand_over().
///
/// @param config      what holds for each of them; NULL for the defaults. Not used of it: num_workers, inbox_capacity and name_prefix.
///                    inbox_full says what happens when all places of a micropool are taken: VGPU_INBOX_FULL_ERROR or VGPU_INBOX_FULL_BLOCK
/// @param micropools  count structs, one for each; they are numbered from 0 in this order
/// @param count       how many; at least 1
/// @param set         where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for a setting out of range, a name that is missing or there twice, no CPUs;
///         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_THREAD_SPAWN; VGPU_ERROR_AFFINITY if pinning is required and refused. On failure
///         whatever was started is stopped and whatever was allocated is given back.
/// @note Thread safety: any thread. Blocks until the threads are started.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropools_create(
    config: *const vgpu_pool_config,
    micropools: *const vgpu_micropool,
    count: usize,
    set: *mut *mut vgpu_micropools,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output, the config and the micropools.
        unsafe {
            clear(set, "set, where the handle would go,")?;
            let config = sized::read(config)?;
            let chosen = cpu_set(config.cpus, config.num_cpu_words as usize)?;
            let config = config.to_config(chosen.as_ref())?;
            let stride = required(micropools, "micropools")?.struct_size as usize;
            let at = |i| sized::read(micropools.byte_add(i * stride));
            let allocator = config.allocator;
            let cpus = Array::from_fn(allocator, count, |i| {
                let micropool = at(i)?;
                cpu_set(micropool.cpus, micropool.num_cpu_words as usize)
            })?;
            let micropools = Array::from_fn(allocator, count, |i| {
                let micropool = at(i)?;
                Ok(Micropool {
                    name: name(i, micropool.name)?,
                    workers: micropool.num_workers as usize,
                    cpus: cpus[i].as_ref(),
                    places: micropool.num_places as usize,
                })
            })?;
            let made = Owned::new(allocator, vgpu_micropools { set: Micropools::new(&micropools, &config)? })?;
            set.write(Owned::into_raw(made).as_ptr());
        }
        Ok(())
    })
}

/// # Safety
/// `text` is NULL or a terminated string that lives for `'a`.
unsafe fn name<'a>(micropool: usize, text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Err(null(format_args!("the name of micropool {micropool}")));
    }
    // SAFETY: by contract.
    unsafe { CStr::from_ptr(text) }
        .to_str()
        .map_err(|_| error!(InvalidArgument, "the name of micropool {micropool} is not UTF-8"))
}

/// Ends a set: refuses new tasks from outside, runs what was accepted, joins the threads and frees the set.
///
/// @param set  the set; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks, and the set goes on; VGPU_ERROR_FORKED in a
///         forked child, where the threads do not exist and the memory is left alone
/// @note Thread safety: once, by a thread that is not a worker of the set. Other threads may be submitting when it begins;
///       nobody may use the handle after it has returned. Blocks until everything is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropools_destroy(set: *mut vgpu_micropools) -> vgpu_status {
    guard(|| {
        let Some(set) = NonNull::new(set) else { return Ok(()) };
        // SAFETY: the caller vouches for the handle, and gives it up unless this fails.
        unsafe {
            set.as_ref().set.check_destroy()?;
            drop(Owned::from_raw(set.as_ref().set.allocator(), set));
        }
        Ok(())
    })
}

/// The number of the micropool of this name.
///
/// @param set     the set
/// @param name    a terminated string
/// @param number  where the number goes
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, and for a name that none has
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropools_find(
    set: *const vgpu_micropools,
    name: *const c_char,
    number: *mut u32,
) -> vgpu_status {
    guard(|| {
        let set = required(set, "set")?;
        if name.is_null() || number.is_null() {
            return Err(null("name, or number, where the result would go,"));
        }
        // SAFETY: the caller vouches for the string and the output.
        unsafe {
            let text = CStr::from_ptr(name).to_string_lossy();
            let found = set.set.find(&text).ok_or_else(|| {
                error!(
                    InvalidArgument,
                    "no micropool is called {text}; names are those given to vgpu_micropools_create"
                )
            })?;
            number.write(found as u32);
        }
        Ok(())
    })
}

/// Submits a task to a micropool: it runs once, on one of its workers.
///
/// @param set        the set
/// @param micropool  the micropool's number
/// @param function   what the task does there
/// @param user_data  passed to it, and to whatever the task hands itself over to
/// @param destroy    called once with user_data when the task is done or has failed; may be NULL. Not called if this fails
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL if all places are taken and the set was not told to wait, or
///         this is one of its workers; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, tasks of the set included. With VGPU_INBOX_FULL_BLOCK it blocks until there is a place.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropools_submit(
    set: *mut vgpu_micropools,
    micropool: u32,
    function: vgpu_micropool_task_fn,
    user_data: *mut c_void,
    destroy: vgpu_destroy_fn,
) -> vgpu_status {
    guard(|| {
        let set = required(set, "set")?;
        let function = required_callback(function)?;
        set.set.joint().submit_stage(micropool as usize, CStage { function, user_data: UserData(user_data), destroy })
    })
}

/// Waits until no task is in the set. The set can be used again afterwards.
///
/// @param set        the set
/// @param task_code  where the number goes that the first failing task returned, or 0; may be NULL
/// @return VGPU_OK if no task has failed since the last call; otherwise the first failure; VGPU_ERROR_INVALID_ARGUMENT for NULL;
///         VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks; VGPU_ERROR_FORKED
/// @note Thread safety: one thread at a time, while nobody submits but tasks of the set. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropools_wait_all(set: *mut vgpu_micropools, task_code: *mut i32) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output, and that nobody else waits or submits from outside.
        unsafe {
            write_code(task_code, 0);
            let waited = required(set, "set")?.set.joint().wait_all();
            waited.inspect_err(|error: &Error| write_code(task_code, error.task_code()))
        }
    })
}

/// # Safety
/// `task` is NULL, or what a running stage was passed.
unsafe fn running<'a>(task: *const vgpu_micropool_task) -> Option<&'a MicropoolTask<'static>> {
    // SAFETY: by contract; the running task outlives the call of its stage.
    unsafe { task.as_ref()?.running.map(|running| running.as_ref()) }
}

/// Says how the running task goes on: when its function has returned 0, `function` is queued in another micropool, behind what is
/// queued there, with the same user_data. The task keeps its place in the set, so this never waits and never fails for want of
/// room. If the running function returns another number after all, the task ends there. Called twice, the second call counts.
///
/// @param task       what the running function was passed
/// @param micropool  the number of the micropool; may be the one in which the task runs
/// @param function   what the task does there
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL and for a number that no micropool has
/// @note Thread safety: inside the function, on the thread that runs it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropool_task_hand_over(
    task: *mut vgpu_micropool_task,
    micropool: u32,
    function: vgpu_micropool_task_fn,
) -> vgpu_status {
    guard(|| {
        let function = required_callback(function)?;
        // SAFETY: the caller vouches for the task, which is its thread's alone.
        unsafe {
            running(task).ok_or_else(|| null("task"))?.check(micropool as usize)?;
            (*task).next = Some((micropool, function));
        }
        Ok(())
    })
}

/// The number of the micropool in which the running task runs; UINT32_MAX for NULL.
///
/// @note Thread safety: inside the function, on the thread that runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropool_task_micropool(task: *const vgpu_micropool_task) -> u32 {
    // SAFETY: the caller vouches for the task.
    unsafe { running(task) }.map_or(u32::MAX, |running| running.micropool() as u32)
}

/// The worker that runs the task, for forks, which run in its micropool; NULL for NULL.
///
/// @note Thread safety: inside the function, on the thread that runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_micropool_task_worker(task: *const vgpu_micropool_task) -> *mut vgpu_worker {
    // SAFETY: the caller vouches for the task.
    worker_pointer(unsafe { running(task) }.map(MicropoolTask::worker))
}
