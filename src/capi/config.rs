//! The settings of a pool, as C passes them.

use super::callbacks::{vgpu_allocate_fn, vgpu_free_fn, vgpu_worker_hook_fn};
use super::error::null;
use crate::error::{Result, error};
use crate::os::alloc::Allocator;
use crate::pool::{Config, Hooks, Pinning, WaitPolicy, WhenFull};
use core::ffi::{CStr, c_char, c_void};
use core::mem;
use core::ptr;

/// Workers run where the system puts them.
pub const VGPU_POOL_NO_PINNING: u32 = 1;
/// A worker that cannot be pinned makes the creation of the pool fail, instead of running unpinned.
pub const VGPU_POOL_REQUIRE_PINNING: u32 = 2;
/// Workers do not block signals.
pub const VGPU_POOL_KEEP_SIGNALS: u32 = 4;

/// A full inbox makes submitting fail with VGPU_ERROR_QUEUE_FULL. The default.
pub const VGPU_INBOX_FULL_ERROR: u32 = 0;
/// A full inbox makes submitting last until there is room; meanwhile the caller runs queued tasks, oldest first.
pub const VGPU_INBOX_FULL_BLOCK: u32 = 1;
/// A full inbox makes the caller run the task itself, at once.
pub const VGPU_INBOX_FULL_RUN: u32 = 2;

/// A worker that waits runs whatever there is: first jobs of its own, then those of the worker it waits for, then any. What it
/// runs may be a stranger. So do not wait with a lock held that other tasks take; and if a stranger may wait for the running task,
/// choose another policy, since the one cannot go on before the other. The default.
///
/// Whatever is chosen, a worker that waits for a future runs its task itself if nobody has begun it. And when all workers of a
/// pool wait, and one of them for what may not have been begun, the last to come helps, since there is nobody else left who could.
/// Threads that are not workers sleep.
pub const VGPU_WAIT_HELP_ANY: u32 = 0;
/// A worker that waits runs jobs of the worker it waits for, which were forked on behalf of what it waits for, and sleeps when
/// there are none.
pub const VGPU_WAIT_HELP_OWN: u32 = 1;
/// A worker that waits sleeps.
pub const VGPU_WAIT_BLOCK: u32 = 2;

/// A way to wait, by its number; `name` is what was set to it.
pub(super) fn wait_policy(name: &str, number: u32) -> Result<WaitPolicy> {
    match number {
        VGPU_WAIT_HELP_ANY => Ok(WaitPolicy::HelpAny),
        VGPU_WAIT_HELP_OWN => Ok(WaitPolicy::HelpOwn),
        VGPU_WAIT_BLOCK => Ok(WaitPolicy::Block),
        other => {
            Err(error!(InvalidArgument, "{name} is {other}; the choices are 0 (help any), 1 (help own) and 2 (block)"))
        }
    }
}

/// The settings of a pool. Begin with vgpu_pool_config_init(); zero always means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_pool_config {
    /// The size of this struct as the program was compiled; set by vgpu_pool_config_init().
    pub struct_size: u32,
    /// VGPU_POOL_ flags, or 0.
    pub flags: u32,
    /// How many workers, at most 4096; 0: as many as the process may use at a time, by its CPU mask and its cgroup's quota.
    pub num_workers: u32,
    /// How many tasks the inbox holds for each worker, rounded up to a power of two; 0: 4096.
    pub inbox_capacity: u32,
    /// What submitting does when the inbox is full: one of VGPU_INBOX_FULL_.
    pub inbox_full: u32,
    /// How workers wait: one of VGPU_WAIT_.
    pub wait_policy: u32,
    /// Stack of each worker in bytes, at least 64 KiB; 0: 2 MiB.
    pub stack_size: usize,
    /// Workers' threads are named with this and their number; at most 8 bytes of UTF-8. NULL: "vgpu-".
    pub name_prefix: *const c_char,
    /// Called on each worker's thread before its first task; may be NULL.
    pub on_worker_start: vgpu_worker_hook_fn,
    /// Called on each worker's thread after its last task; may be NULL.
    pub on_worker_stop: vgpu_worker_hook_fn,
    /// Passed to both, and to the other hooks.
    pub worker_user_data: *mut c_void,
    /// Where the pool's memory comes from, and where it goes back to: both or neither.
    pub allocate: vgpu_allocate_fn,
    /// See allocate.
    pub free: vgpu_free_fn,
    /// Passed to both.
    pub allocator_context: *mut c_void,
    /// How deep VGPU_WAIT_HELP_ANY goes: a worker that has started so many tasks and jobs, each in a wait of the one before,
    /// waits as with VGPU_WAIT_HELP_OWN; 0: 128.
    pub help_depth: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Called before each task, and before each forked job that the worker took from the public ones; for a profiler. A thread from
    /// outside that runs a task because the inbox is full passes UINT32_MAX. May be NULL, as the next ones.
    pub on_work_begin: vgpu_worker_hook_fn,
    /// Called after it. Such calls are nested as the pieces of work are.
    pub on_work_end: vgpu_worker_hook_fn,
    /// Called before the worker goes to sleep.
    pub on_park: vgpu_worker_hook_fn,
    /// Called when it has slept.
    pub on_unpark: vgpu_worker_hook_fn,
}

/// The longest name prefix in bytes.
const MAX_PREFIX: usize = 8;

impl vgpu_pool_config {
    const DEFAULT: vgpu_pool_config = vgpu_pool_config {
        struct_size: mem::size_of::<vgpu_pool_config>() as u32,
        flags: 0,
        num_workers: 0,
        inbox_capacity: 0,
        inbox_full: VGPU_INBOX_FULL_ERROR,
        wait_policy: VGPU_WAIT_HELP_ANY,
        stack_size: 0,
        name_prefix: ptr::null(),
        on_worker_start: None,
        on_worker_stop: None,
        worker_user_data: ptr::null_mut(),
        allocate: None,
        free: None,
        allocator_context: ptr::null_mut(),
        help_depth: 0,
        reserved: 0,
        on_work_begin: None,
        on_work_end: None,
        on_park: None,
        on_unpark: None,
    };

    /// A copy of the caller's struct in the shape this library knows.
    ///
    /// # Safety
    /// `config` is NULL or points to as many readable bytes as its first field says.
    pub(super) unsafe fn read(config: *const vgpu_pool_config) -> Result<vgpu_pool_config> {
        // SAFETY: by contract; a config of zeroes is valid.
        unsafe { read_sized(config, "vgpu_pool_config") }.map(|config| config.unwrap_or(vgpu_pool_config::DEFAULT))
    }

    /// The settings as the pool takes them.
    ///
    /// # Safety
    /// `name_prefix` is NULL or a terminated string that outlives the result; the functions keep what the header asks.
    pub(super) unsafe fn to_config<'a>(self) -> Result<Config<'a>> {
        const FLAGS: u32 = VGPU_POOL_NO_PINNING | VGPU_POOL_REQUIRE_PINNING | VGPU_POOL_KEEP_SIGNALS;
        if self.flags & !FLAGS != 0 {
            return Err(error!(
                InvalidArgument,
                "vgpu_pool_config.flags is {:#x}; the known flags are {FLAGS:#x}", self.flags
            ));
        }
        if self.reserved != 0 {
            return Err(error!(InvalidArgument, "vgpu_pool_config.reserved is {}; it must be 0", self.reserved));
        }
        let pinning = match self.flags & (VGPU_POOL_NO_PINNING | VGPU_POOL_REQUIRE_PINNING) {
            0 => Pinning::Preferred,
            VGPU_POOL_NO_PINNING => Pinning::Off,
            VGPU_POOL_REQUIRE_PINNING => Pinning::Required,
            _ => {
                return Err(error!(
                    InvalidArgument,
                    "VGPU_POOL_NO_PINNING and VGPU_POOL_REQUIRE_PINNING contradict each other; set one"
                ));
            }
        };
        let when_full = match self.inbox_full {
            VGPU_INBOX_FULL_ERROR => WhenFull::Error,
            VGPU_INBOX_FULL_BLOCK => WhenFull::Block,
            VGPU_INBOX_FULL_RUN => WhenFull::Run,
            other => {
                return Err(error!(
                    InvalidArgument,
                    "vgpu_pool_config.inbox_full is {other}; the choices are 0 (error), 1 (block) and 2 (run)"
                ));
            }
        };
        let wait_policy = wait_policy("vgpu_pool_config.wait_policy", self.wait_policy)?;
        // SAFETY: the header asks of the functions what this asks.
        let allocator =
            unsafe { host_allocator("vgpu_pool_config", self.allocate, self.free, self.allocator_context)? };
        // SAFETY: by contract.
        let name_prefix = unsafe { prefix(self.name_prefix)? };
        Ok(Config {
            workers: self.num_workers as usize,
            pinning,
            inbox_capacity: self.inbox_capacity as usize,
            when_full,
            wait_policy,
            help_depth: self.help_depth,
            stack_size: self.stack_size,
            name_prefix,
            keep_signals: self.flags & VGPU_POOL_KEEP_SIGNALS != 0,
            hooks: Hooks {
                on_start: self.on_worker_start,
                on_stop: self.on_worker_stop,
                on_work_begin: self.on_work_begin,
                on_work_end: self.on_work_end,
                on_park: self.on_park,
                on_unpark: self.on_unpark,
                context: self.worker_user_data,
            },
            allocator,
            topology: None,
        })
    }
}

/// A copy of a caller's struct, which begins with its size, in the shape this library knows. `None` for NULL.
///
/// # Safety
/// `config` is NULL or points to as many readable bytes as its first field says; a `T` may have any bytes that programs write
/// there, and zeroes.
pub(super) unsafe fn read_sized<T: Copy>(config: *const T, name: &str) -> Result<Option<T>> {
    let known = mem::size_of::<T>();
    if config.is_null() {
        return Ok(None);
    }
    // SAFETY: the first field is always there.
    let size = unsafe { config.cast::<u32>().read() } as usize;
    if size < mem::size_of::<u32>() {
        return Err(error!(InvalidArgument, "{name}.struct_size is {size}; call {name}_init before setting fields"));
    }
    // SAFETY: by contract `size` bytes are readable; the copy has room for what is taken of them, and a config of
    // zeroes is valid.
    unsafe {
        let tail = core::slice::from_raw_parts(config.cast::<u8>(), size).get(known..).unwrap_or_default();
        if let Some(at) = tail.iter().position(|byte| *byte != 0) {
            return Err(error!(
                InvalidArgument,
                "{name} has {size} bytes, of which this library knows {known}, and byte {} is not 0: a setting of a newer header; use the library that belongs to it",
                known + at
            ));
        }
        let mut copy = mem::zeroed::<T>();
        ptr::copy_nonoverlapping(config.cast::<u8>(), (&raw mut copy).cast::<u8>(), size.min(known));
        Ok(Some(copy))
    }
}

/// The allocator that a config asks for: a host's, or the system's.
///
/// # Safety
/// The functions keep what [`Allocator::from_host`] asks.
pub(super) unsafe fn host_allocator(
    config: &str,
    allocate: vgpu_allocate_fn,
    free: vgpu_free_fn,
    context: *mut c_void,
) -> Result<Allocator> {
    match (allocate, free) {
        (None, None) => Ok(Allocator::SYSTEM),
        // SAFETY: by contract.
        (Some(allocate), Some(free)) => Ok(unsafe { Allocator::from_host(allocate, free, context) }),
        (Some(_), None) => Err(null(format_args!("{config}.free, although allocate is set,"))),
        (None, Some(_)) => Err(null(format_args!("{config}.allocate, although free is set,"))),
    }
}

/// # Safety
/// `text` is NULL or a terminated string that lives for `'a`.
unsafe fn prefix<'a>(text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Ok(Config::default().name_prefix);
    }
    // SAFETY: by contract.
    let bytes = unsafe { CStr::from_ptr(text) };
    match bytes.to_str() {
        Ok(text) if text.len() <= MAX_PREFIX => Ok(text),
        Ok(text) => Err(error!(
            InvalidArgument,
            "vgpu_pool_config.name_prefix has {} bytes; the system keeps 15 of a thread's name, so the prefix may have {MAX_PREFIX}",
            text.len()
        )),
        Err(_) => Err(error!(InvalidArgument, "vgpu_pool_config.name_prefix is not UTF-8")),
    }
}

/// Fills a config with the defaults. Programs call the macro vgpu_pool_config_init(), which knows the size.
///
/// @param config  where to write; NULL does nothing
/// @param size    sizeof(vgpu_pool_config) as the program was compiled; what lies beyond this library's knowledge is zeroed
/// @note Thread safety: any thread, each on its own config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_config_init_sized(config: *mut vgpu_pool_config, size: u32) {
    if config.is_null() || (size as usize) < mem::size_of::<u32>() {
        return;
    }
    let known = mem::size_of::<vgpu_pool_config>();
    let defaults = vgpu_pool_config { struct_size: size, ..vgpu_pool_config::DEFAULT };
    // SAFETY: the caller vouches for `size` writable bytes.
    unsafe {
        config.cast::<u8>().write_bytes(0, size as usize);
        ptr::copy_nonoverlapping((&raw const defaults).cast::<u8>(), config.cast::<u8>(), known.min(size as usize));
    }
}
