//! What `include/vgpu_pool.hpp` forks with: the words it reads and writes itself, and the calls for everything rare.

use super::worker::vgpu_worker;
use crate::pool::{Job, Worker};
use core::mem::{align_of, offset_of, size_of};
use core::ptr::NonNull;

/// The layout of the fork structs below. A program compiled for one layout must not fork in a library of another.
pub const VGPU_FORK_LAYOUT: u32 = 1;

/// A link of a worker's private stack of forked jobs. For vgpu_pool.hpp alone.
#[repr(C)]
pub struct vgpu_fork_link {
    /// The link pushed after this one.
    pub newer: *mut vgpu_fork_link,
    /// The link pushed before this one.
    pub older: *mut vgpu_fork_link,
}

/// A forked job, on the frame that forked it. For vgpu_pool.hpp alone.
#[repr(C)]
pub struct vgpu_fork_job {
    /// Its place on the private stack.
    pub link: vgpu_fork_link,
    /// Runs the job on the worker that took it, and then calls vgpu_fork_finish(). It must not unwind.
    pub run: Option<unsafe extern "C" fn(job: *mut vgpu_fork_job, worker: *mut vgpu_worker)>,
    /// Room for the library, which fills it when the job becomes public.
    pub done: [u64; 6],
}

/// The first words of a vgpu_worker, which belong to its own thread. For vgpu_pool.hpp alone.
#[repr(C)]
pub struct vgpu_fork_words {
    /// The newest link of the private stack.
    pub newest: *mut vgpu_fork_link,
    /// The newest link that others know.
    pub last_public: *mut vgpu_fork_link,
    /// The oldest link, which is no job.
    pub base: vgpu_fork_link,
    /// The two ends of the worker's deque, top and bottom: nothing is there to steal unless the first is below the second.
    /// Other threads change the first: to be read atomically.
    pub ends: *const isize,
    /// The lowest address of a frame that may fork.
    pub stack_limit: usize,
}

const _: () = {
    assert!(offset_of!(vgpu_fork_words, newest) == Worker::OFFSETS[0]);
    assert!(offset_of!(vgpu_fork_words, ends) == Worker::OFFSETS[1]);
    assert!(offset_of!(vgpu_fork_words, stack_limit) == Worker::OFFSETS[2]);
    assert!(offset_of!(vgpu_fork_job, run) == Job::OFFSET_OF_RUN);
    assert!(size_of::<vgpu_fork_job>() >= size_of::<Job>() && align_of::<vgpu_fork_job>() >= align_of::<Job>());
};

/// The fork layout of this library: VGPU_FORK_LAYOUT of the header it was built with.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_fork_layout() -> u32 {
    VGPU_FORK_LAYOUT
}

/// Publishes the worker's oldest private job, and more of them while other workers have nothing to do. For vgpu_pool.hpp alone.
///
/// @param worker  the calling worker
/// @note Thread safety: on the worker's own thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_fork_promote(worker: *mut vgpu_worker) {
    // SAFETY: the header passes the worker it runs on.
    unsafe { worker.cast::<Worker>().as_ref() }.inspect(|worker| worker.promote());
}

/// Takes a public job back, or waits until the worker that has it is done, running other work meanwhile. For vgpu_pool.hpp alone.
///
/// @param worker  the calling worker
/// @param job     its newest job, which it has just taken off its private stack
/// @return 1 if the caller is to run the job, 0 if the job is done
/// @note Thread safety: on the worker's own thread. May block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_fork_take_back(worker: *mut vgpu_worker, job: *mut vgpu_fork_job) -> i32 {
    // SAFETY: the header passes the worker it runs on, and its own job, which is public and begins as a `Job` does.
    unsafe { (*worker.cast::<Worker>()).take_back(&*job.cast::<Job>()).into() }
}

/// Says that a job is done which this worker took from another and has run. The job may be gone when this returns.
/// For vgpu_pool.hpp alone.
///
/// @param worker  the calling worker
/// @param job     the job
/// @note Thread safety: on the worker's own thread, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_fork_finish(worker: *mut vgpu_worker, job: *mut vgpu_fork_job) {
    if let Some(job) = NonNull::new(job.cast::<Job>()) {
        // SAFETY: as for taking back; the job was taken and has been run.
        unsafe { Job::finish(job, &*worker.cast::<Worker>()) }
    }
}
