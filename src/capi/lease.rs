//! Threads of the program that lend themselves to a pool.

use super::arguments::{clear, required};
use super::error::guard;
use super::pool::vgpu_pool;
use super::status::vgpu_status;
use crate::os::alloc::{Allocator, Owned};
use crate::pool::Lease;
use crate::pool::lend::Key;
use core::ptr::NonNull;
use core::time::Duration;

/// How long threads of the program are lent to a pool.
pub struct vgpu_lease {
    /// There while somebody has entered by the key.
    pool: *const vgpu_pool,
    key: Key,
    lease: Lease,
    allocator: Allocator,
}

/// Makes a lease: as long as it is not ended, threads may lend themselves to the pool by vgpu_lease_run().
///
/// @param pool   a pool made with host_seats
/// @param lease  where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT, also for a pool without host_seats; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
/// @note Thread safety: any thread.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_lease_create(pool: *mut vgpu_pool, lease: *mut *mut vgpu_lease) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { clear(lease, "lease, where the handle would go,")? };
        let lent_to = required(pool, "pool")?.pool();
        lent_to.check_process()?;
        let allocator = lent_to.allocator();
        let key = lent_to.key()?.another();
        let made = Owned::new(allocator, vgpu_lease { pool, key, lease: Lease::new(), allocator })?;
        // SAFETY: as above.
        unsafe { lease.write(Owned::into_raw(made).as_ptr()) };
        Ok(())
    })
}

/// Lends the calling thread to the pool: it is one of its workers, runs tasks and sleeps when there are none, until the lease is ended,
/// the time is up or the pool is destroyed. What it has begun it finishes. Its CPU mask, name and signals stay as they are; on_worker_start
/// and on_worker_stop are called on it. Several threads may be lent on one lease, as many as the pool has host_seats.
///
/// @param lease       the lease
/// @param timeout_ns  for how long, in nanoseconds; UINT64_MAX: for any time
/// @return VGPU_OK when the lease was ended; VGPU_ERROR_TIMED_OUT when the time is up; VGPU_ERROR_CLOSED if the pool has been destroyed,
///         before the call or meanwhile; VGPU_ERROR_ALREADY_STARTED if all seats are taken; VGPU_ERROR_WOULD_DEADLOCK on a worker of the
///         pool; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, also while vgpu_pool_destroy() runs, which waits for lent threads, and after. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_lease_run(lease: *mut vgpu_lease, timeout_ns: u64) -> vgpu_status {
    guard(|| {
        let lease = required(lease, "lease")?;
        let timeout = (timeout_ns != u64::MAX).then(|| Duration::from_nanos(timeout_ns));
        let _visit = lease.key.enter()?;
        required(lease.pool, "pool")?.pool().lend(&lease.lease, timeout)
    })
}

/// Ends a lease: the threads lent on it return, and those that come later return at once. A second time does nothing.
///
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL
/// @note Thread safety: any thread, tasks included, also while vgpu_pool_destroy() runs, and after. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_lease_end(lease: *mut vgpu_lease) -> vgpu_status {
    guard(|| {
        let lease = required(lease, "lease")?;
        match lease.key.enter() {
            Ok(_visit) => required(lease.pool, "pool")?.pool().end_lease(&lease.lease),
            // The pool gives back whoever is lent to it.
            Err(_) => _ = lease.lease.end(),
        }
        Ok(())
    })
}

/// Frees a lease. The pool may be gone already; its allocator must not.
///
/// @param lease  the lease; NULL does nothing
/// @note Thread safety: once, when every vgpu_lease_run() has returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_lease_destroy(lease: *mut vgpu_lease) {
    if let Some(lease) = NonNull::new(lease) {
        // SAFETY: the caller vouches for the handle, and gives it up.
        drop(unsafe { Owned::from_raw(lease.as_ref().allocator, lease) });
    }
}
