//! The statistics of a pool.

use super::arguments::{null, required};
use super::error::guard;
use super::pool::vgpu_pool;
use super::sized::{check_size, write_sized};
use super::status::vgpu_status;
use crate::pool::{Distance, Stats, WorkerStats};
use core::ffi::c_char;
use core::fmt::{self, Write};
use core::ptr;

/// The victim is on the same core. The first of the indices into vgpu_worker_stats.steals_tried and steals_done.
pub const VGPU_SAME_CORE: u32 = 0;
/// The victim is behind the same L2 or L3 cache.
pub const VGPU_SAME_CACHE: u32 = 1;
/// The victim is in the same NUMA node.
pub const VGPU_SAME_NODE: u32 = 2;
/// The victim is in another NUMA node.
pub const VGPU_OTHER_NODE: u32 = 3;
/// It is not known how far the victim is: one of the two workers is not pinned.
pub const VGPU_UNKNOWN_DISTANCE: u32 = 4;
/// How many distances there are.
pub const VGPU_DISTANCES: usize = 5;

const _: () = assert!(VGPU_DISTANCES == Distance::ALL.len() && VGPU_UNKNOWN_DISTANCE == Distance::Unknown as u32);

/// What a pool has done since it was made. Set struct_size and worker_size to the sizes of the two structs as the program was
/// compiled; a newer library fills no more than that, and zeroes what it does not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_stats {
    /// sizeof(vgpu_stats); set by the caller.
    pub struct_size: u32,
    /// sizeof(vgpu_worker_stats); set by the caller.
    pub worker_size: u32,
    /// How many workers the pool has.
    pub num_workers: u32,
    /// 0.
    pub reserved: u32,
    /// How long the pool has existed, in nanoseconds.
    pub elapsed_ns: u64,
    /// Tasks run to their end by threads that are not workers, because the inbox was full.
    pub executed_outside: u64,
}

/// What one worker has done. Times are in nanoseconds; what is left of elapsed_ns, the worker was busy.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_worker_stats {
    /// Submitted tasks that it has run to their end.
    pub executed: u64,
    /// Forked jobs that it has made public. Those that stayed private are not counted.
    pub promoted: u64,
    /// Public jobs that it took back itself, which nobody had stolen.
    pub reclaimed: u64,
    /// Its looks into other workers' deques, by how far the victim was: index VGPU_SAME_CORE and so on.
    pub steals_tried: [u64; VGPU_DISTANCES],
    /// Those that found a job.
    pub steals_done: [u64; VGPU_DISTANCES],
    /// Tasks it took that were queued at another worker.
    pub migrations: u64,
    /// How often it went to sleep.
    pub parks: u64,
    /// How often it was called because there was work.
    pub wakeups: u64,
    /// For how long it looked for work.
    pub searching_ns: u64,
    /// For how long it slept.
    pub sleeping_ns: u64,
    /// How many tasks are queued at it now.
    pub queued: u64,
    /// The most tasks that were seen queued at it.
    pub inbox_high_water: u64,
    /// The most public jobs it had at a time.
    pub deque_high_water: u64,
    /// How often it was found on another CPU than its own, and was put back.
    pub pin_repairs: u64,
    /// The CPU it is pinned to; UINT32_MAX if it is not.
    pub cpu: u32,
    /// 0.
    pub reserved: u32,
}

impl vgpu_worker_stats {
    fn new(worker: &WorkerStats) -> vgpu_worker_stats {
        vgpu_worker_stats {
            executed: worker.executed,
            promoted: worker.promoted,
            reclaimed: worker.reclaimed,
            steals_tried: worker.steals.map(|steals| steals.tried),
            steals_done: worker.steals.map(|steals| steals.done),
            migrations: worker.migrations,
            parks: worker.parks,
            wakeups: worker.wakeups,
            searching_ns: worker.searching_ns,
            sleeping_ns: worker.sleeping_ns,
            queued: worker.queued,
            inbox_high_water: worker.inbox_high_water,
            deque_high_water: worker.deque_high_water,
            pin_repairs: worker.pin_repairs,
            cpu: worker.cpu.unwrap_or(u32::MAX),
            reserved: 0,
        }
    }
}

/// Reads what a pool's workers have done. Costs a few loads for each worker, and disturbs nobody: the counts are those of a moment
/// ago, and exact about everything that the caller has waited for.
///
///     vgpu_stats stats = {sizeof stats, sizeof(vgpu_worker_stats)};
///     vgpu_worker_stats workers[64];
///     if (vgpu_pool_stats(pool, &stats, workers, 64) == VGPU_OK) ...
///
/// @param pool      the pool
/// @param stats     where the pool's part goes; struct_size and worker_size are set
/// @param workers   where the workers' parts go, in order; may be NULL if capacity is 0
/// @param capacity  how many there is room for; workers beyond it are left out, stats->num_workers says how many there are
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY. On failure nothing is written
/// @note Thread safety: any thread, tasks included. Does not block.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_stats(
    pool: *const vgpu_pool,
    stats: *mut vgpu_stats,
    workers: *mut vgpu_worker_stats,
    capacity: u32,
) -> vgpu_status {
    guard(|| {
        let pool = required(pool, "pool")?;
        let given = *required(stats, "stats")?;
        let size = check_size("vgpu_stats.struct_size", given.struct_size, 16)?;
        let stride = check_size("vgpu_stats.worker_size", given.worker_size, 8)?;
        if workers.is_null() && capacity != 0 {
            return Err(null("workers, with a capacity above 0,"));
        }
        let Stats { elapsed_ns, executed_outside, workers: found } = pool.pool().stats()?;
        let all = vgpu_stats { num_workers: found.len() as u32, reserved: 0, elapsed_ns, executed_outside, ..given };
        // SAFETY: the caller vouches for both outputs and their sizes.
        unsafe {
            for (at, worker) in found.iter().take(capacity as usize).enumerate() {
                write_sized(workers.cast::<u8>().add(at * stride), stride, &vgpu_worker_stats::new(worker));
            }
            write_sized(stats.cast(), size, &all);
        }
        Ok(())
    })
}

/// Says in words what a pool's workers have done and what held them up: a line for all, and one for each thing that stands out, such
/// as "- worker 3 searched 61 % of the time while worker 0 held 412 tasks: ...".
///
/// @param pool    the pool
/// @param buffer  where the text goes, always terminated, cut if there is too little room; may be NULL if size is 0
/// @param size    how many bytes there are
/// @param length  where the length of the whole text goes, without its end; may be NULL
/// @return VGPU_OK, also if the text was cut; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY
/// @note Thread safety: any thread, tasks included. Does not block.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pool_report(
    pool: *const vgpu_pool,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
) -> vgpu_status {
    guard(|| {
        let pool = required(pool, "pool")?;
        if buffer.is_null() && size != 0 {
            return Err(null("buffer, with a size above 0,"));
        }
        let report = pool.pool().report()?;
        let mut text = Cut { buffer: buffer.cast(), room: size.saturating_sub(1), length: 0 };
        // A cut text never fails.
        let _ = write!(text, "{report}");
        // SAFETY: the caller vouches for both outputs.
        unsafe {
            if size != 0 {
                buffer.add(text.length.min(size - 1)).write(0);
            }
            if !length.is_null() {
                length.write(text.length);
            }
        }
        Ok(())
    })
}

/// Writes what there is room for, and counts it all. The text is ASCII, so a cut falls between characters.
struct Cut {
    buffer: *mut u8,
    room: usize,
    length: usize,
}

impl Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let fits = piece.len().min(self.room.saturating_sub(self.length));
        if fits != 0 {
            // SAFETY: `room` bytes are writable, and so many are left after `length`.
            unsafe { ptr::copy_nonoverlapping(piece.as_ptr(), self.buffer.add(self.length), fits) };
        }
        self.length += piece.len();
        Ok(())
    }
}
