//! What can be asked for a task, as C passes it.

use super::arguments::null;
use super::config::choice;
use super::sized::{self, Sized32};
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, List};
use crate::pool::{Binding, Priority, TaskOptions};
use crate::topology::CpuSet;
use core::mem;
use core::ptr;

/// The usual priority. The default.
pub const VGPU_PRIORITY_NORMAL: u32 = 0;
/// When there is nothing else to do.
pub const VGPU_PRIORITY_LOW: u32 = 1;
/// Before the usual.
pub const VGPU_PRIORITY_HIGH: u32 = 2;
/// Before all others.
pub const VGPU_PRIORITY_MAX: u32 = 3;

/// The task may run on any worker. The default.
pub const VGPU_BIND_NONE: u32 = 0;
/// The task, and the jobs it forks, run on one worker.
pub const VGPU_BIND_WORKER: u32 = 1;
/// They run on workers that are pinned to CPUs of one NUMA node.
pub const VGPU_BIND_NODE: u32 = 2;
/// They run on workers that are pinned to certain CPUs. If those are just the workers of a node, any of them takes the task; else
/// it is dealt to the one of them that has the fewest such tasks.
pub const VGPU_BIND_CPUS: u32 = 3;

/// What is asked for a task. Begin with vgpu_task_options_init(); zero always means the default.
///
/// Whoever is free takes the most urgent task of the whole pool, its own inbox first. The less urgent are not starved: every 16th
/// task a worker takes is taken from one priority of one inbox, and all of them have their turn.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_task_options {
    /// The size of this struct as the program was compiled; set by vgpu_task_options_init().
    pub struct_size: u32,
    /// How urgent the task is: one of VGPU_PRIORITY_.
    pub priority: u32,
    /// Where it may run: one of VGPU_BIND_.
    pub binding: u32,
    /// With VGPU_BIND_WORKER the worker, with VGPU_BIND_NODE the node by the system's number; else 0.
    pub place: u32,
    /// With VGPU_BIND_CPUS the CPUs: CPU n is bit n % 64 of word n / 64. Not used after the call.
    pub cpus: *const u64,
    /// How many words `cpus` has.
    pub num_cpu_words: usize,
}

// SAFETY: `repr(C)`, begins with its size, and zeroes are the defaults but for that size.
unsafe impl Sized32 for vgpu_task_options {
    const NAME: &'static str = "vgpu_task_options";
    const DEFAULT: vgpu_task_options = vgpu_task_options {
        struct_size: mem::size_of::<vgpu_task_options>() as u32,
        priority: VGPU_PRIORITY_NORMAL,
        binding: VGPU_BIND_NONE,
        place: 0,
        cpus: ptr::null(),
        num_cpu_words: 0,
    };
}

/// A priority by its number; `name` is what was set to it.
pub(super) fn priority(name: &str, number: u32) -> Result<Priority> {
    choice(
        name,
        number,
        &[("normal", Priority::Normal), ("low", Priority::Low), ("high", Priority::High), ("max", Priority::Max)],
    )
}

/// The number of a priority.
pub(super) fn priority_number(priority: Priority) -> u32 {
    match priority {
        Priority::Normal => VGPU_PRIORITY_NORMAL,
        Priority::Low => VGPU_PRIORITY_LOW,
        Priority::High => VGPU_PRIORITY_HIGH,
        Priority::Max => VGPU_PRIORITY_MAX,
    }
}

/// A set of CPUs as C passes it, if it does.
///
/// # Safety
/// `words` is NULL, or so many are readable.
pub(super) unsafe fn cpu_set(words: *const u64, count: usize) -> Result<Option<CpuSet>> {
    if words.is_null() {
        return Ok(None);
    }
    // SAFETY: by contract.
    let words = unsafe { core::slice::from_raw_parts(words, count) };
    Ok(Some(CpuSet::from_words(List::from_slice(Allocator::SYSTEM, words)?)))
}

/// Calls `action` with the caller's options.
///
/// # Safety
/// As [`sized::read`]; the CPUs are readable.
pub(super) unsafe fn with_options<R>(
    options: *const vgpu_task_options,
    action: impl FnOnce(&TaskOptions<'_>) -> Result<R>,
) -> Result<R> {
    // SAFETY: by contract.
    let options = unsafe { sized::read(options)? };
    let priority = priority("vgpu_task_options.priority", options.priority)?;
    let cpus;
    let binding = match options.binding {
        VGPU_BIND_NONE => Binding::Anywhere,
        VGPU_BIND_WORKER => Binding::Worker(options.place as usize),
        VGPU_BIND_NODE => Binding::Node(options.place),
        VGPU_BIND_CPUS => {
            // SAFETY: by contract.
            let Some(set) = (unsafe { cpu_set(options.cpus, options.num_cpu_words)? }) else {
                return Err(null("vgpu_task_options.cpus, to which the task is bound,"));
            };
            cpus = set;
            Binding::Cpus(&cpus)
        }
        other => {
            return Err(error!(
                InvalidArgument,
                "vgpu_task_options.binding is {other}; the choices are 0 (none), 1 (worker), 2 (node) and 3 (CPUs)"
            ));
        }
    };
    if matches!(options.binding, VGPU_BIND_NONE | VGPU_BIND_CPUS) && options.place != 0 {
        return Err(error!(
            InvalidArgument,
            "vgpu_task_options.place is {}, and binding says neither worker nor node; set binding, or leave place 0",
            options.place
        ));
    }
    action(&TaskOptions { priority, binding })
}

/// Fills task options with the defaults. Programs call the macro vgpu_task_options_init(), which knows the size.
///
/// @param options  where to write; NULL does nothing
/// @param size     sizeof(vgpu_task_options) as the program was compiled; what lies beyond this library's knowledge is zeroed
/// @note Thread safety: any thread, each on its own options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_task_options_init_sized(options: *mut vgpu_task_options, size: u32) {
    // SAFETY: the caller vouches for `size` writable bytes.
    unsafe { sized::init(options, size) }
}
