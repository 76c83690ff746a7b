//! A thread for each NUMA node that allocates for whoever asks, and host memory pinned for GPUs.

use super::arguments::{clear, null};
use super::error::guard;
use super::node::request;
use super::status::vgpu_status;
use crate::error::{Result, error};
use crate::memory::cuda::{CudaMemory, Pin};
use crate::memory::gpu::PciAddress;
use crate::memory::node::{NodeMemory, Place};
use crate::memory::numa_pool::{NumaPool, process_wide};
use crate::os::alloc::{Allocator, Owned};
use core::ffi::{CStr, c_char, c_void};
use core::ptr::NonNull;

/// The driver maps and pins the pages itself (cuMemHostAlloc). Without this flag several threads of the node write them at once, and
/// the driver pins them afterwards (cuMemHostRegister).
pub const VGPU_PINNED_HOST_ALLOC: u32 = 1;

/// A thread for each NUMA node, started on first use and pinned to the node for life.
pub struct vgpu_numa_pool {
    pool: NumaPool,
}

/// Host memory pinned for a GPU.
pub struct vgpu_pinned {
    memory: CudaMemory,
}

/// The pool behind a handle, or the process's own.
fn pool_of<'a>(pool: *const vgpu_numa_pool) -> Result<&'a NumaPool> {
    // SAFETY: the caller of the export vouches for a handle that is not NULL.
    match unsafe { pool.as_ref() } {
        Some(pool) => Ok(&pool.pool),
        None => process_wide(),
    }
}

/// 0 milliseconds are the default.
fn timeout_ns(timeout_ms: u64) -> Option<u64> {
    (timeout_ms > 0).then(|| timeout_ms.saturating_mul(1_000_000))
}

/// Makes such a pool. No thread is started yet. Most programs need none of their own: every call takes NULL for the one that the
/// process has.
///
/// @param pool  where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY
/// @note Thread safety: any thread. Reads the machine, which takes a millisecond or more.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_numa_pool_create(pool: *mut *mut vgpu_numa_pool) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { clear(pool, "pool, where the handle would go,")? };
        let made = Owned::new(Allocator::SYSTEM, vgpu_numa_pool { pool: NumaPool::new(Allocator::SYSTEM)? })?;
        // SAFETY: as above.
        unsafe { pool.write(Owned::into_raw(made).as_ptr()) };
        Ok(())
    })
}

/// Ends such a pool and joins its threads. What they are at is finished first; what nobody waits for any more is freed. Memory that
/// was given out stays.
///
/// @param pool  the pool; NULL does nothing
/// @return VGPU_OK. In a forked child, where the threads do not exist, only the memory is given back.
/// @note Thread safety: once; nobody may be using the pool any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_numa_pool_destroy(pool: *mut vgpu_numa_pool) -> vgpu_status {
    guard(|| {
        let Some(pool) = NonNull::new(pool) else { return Ok(()) };
        // SAFETY: the caller vouches for the handle, and gives it up.
        drop(unsafe { Owned::from_raw(Allocator::SYSTEM, pool) });
        Ok(())
    })
}

/// As vgpu_node_alloc(), but the thread of the node allocates, which is started when the node is first asked for.
///
/// @param pool        the pool; NULL: the process's own
/// @param bytes       how many bytes, at least 1
/// @param node        the number of the node, see vgpu_node_numbers()
/// @param flags       VGPU_NODE_ flags, or 0
/// @param timeout_ms  how long to wait; 0: 10 s, and 1 s for every GiB, but no longer than 300 s. What comes later is freed.
/// @param memory      where the address goes; NULL goes there on failure
/// @return as vgpu_node_alloc(); VGPU_ERROR_TIMED_OUT; VGPU_ERROR_QUEUE_FULL when 64 requests wait for the node;
///         VGPU_ERROR_FORKED in a forked child, for a pool of its parent
/// @note Thread safety: any thread. To be freed with vgpu_node_free().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_numa_alloc(
    pool: *mut vgpu_numa_pool,
    bytes: usize,
    node: u32,
    flags: u32,
    timeout_ms: u64,
    memory: *mut *mut c_void,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { clear(memory, "memory, where the address would go,")? };
        let request = request(bytes, Place::Node(node), flags)?;
        let made = pool_of(pool)?.allocate(&request, timeout_ns(timeout_ms))?;
        // SAFETY: as above.
        unsafe { memory.write(NodeMemory::into_raw(made).as_ptr().cast()) };
        Ok(())
    })
}

/// Tells the node that host memory for a GPU should be on: the nearest with CPUs, where the GPU's own memory is a node.
///
/// @param pool     the pool; NULL: the process's own
/// @param address  the GPU's PCI slot, such as "0000:65:00.0"; nvidia-smi prints it
/// @param node     where the number of the node goes
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for what is no such address; VGPU_ERROR_IO when nothing is in that slot
/// @note Thread safety: any thread.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_numa_node_of_slot(
    pool: *mut vgpu_numa_pool,
    address: *const c_char,
    node: *mut u32,
) -> vgpu_status {
    guard(|| {
        if address.is_null() || node.is_null() {
            return Err(null("address or node"));
        }
        // SAFETY: the caller vouches for a terminated string.
        let Ok(text) = unsafe { CStr::from_ptr(address) }.to_str() else {
            return Err(error!(InvalidArgument, "address is not UTF-8; PCI addresses look like 0000:65:00.0"));
        };
        let found = pool_of(pool)?.node_of_slot(PciAddress::parse(text)?)?;
        // SAFETY: the caller vouches for the output.
        unsafe { node.write(found.node) };
        Ok(())
    })
}

/// Pins host memory for a GPU, on the GPU's node, through the CUDA driver. The driver is looked for now; no program needs it to
/// start.
///
/// @param pool        the pool; NULL: the process's own
/// @param bytes       how many bytes, at least 1
/// @param gpu         the GPU's number for CUDA
/// @param flags       VGPU_PINNED_ flags, or 0
/// @param timeout_ms  how long to wait; 0: 10 s, and 1 s for every GiB, but no longer than 300 s. What comes later is freed.
/// @param pinned      where the handle goes; NULL goes there on failure
/// @return as vgpu_numa_alloc(); VGPU_ERROR_UNSUPPORTED without a CUDA driver or a GPU; VGPU_ERROR_INVALID_ARGUMENT for a GPU
///         that is not there
/// @note Thread safety: any thread. To be ended with vgpu_pinned_release().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pinned_create(
    pool: *mut vgpu_numa_pool,
    bytes: usize,
    gpu: u32,
    flags: u32,
    timeout_ms: u64,
    pinned: *mut *mut vgpu_pinned,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { clear(pinned, "pinned, where the handle would go,")? };
        let pin = match flags {
            0 => Pin::Register,
            VGPU_PINNED_HOST_ALLOC => Pin::HostAlloc,
            _ => {
                return Err(error!(
                    InvalidArgument,
                    "flags is {flags:#x}; the known flag is {VGPU_PINNED_HOST_ALLOC:#x}"
                ));
            }
        };
        let memory = pool_of(pool)?.allocate_pinned(gpu, bytes, pin, timeout_ns(timeout_ms))?;
        let made = Owned::new(Allocator::SYSTEM, vgpu_pinned { memory })?;
        // SAFETY: as above.
        unsafe { pinned.write(Owned::into_raw(made).as_ptr()) };
        Ok(())
    })
}

/// The first byte of pinned memory; NULL for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pinned_data(pinned: *const vgpu_pinned) -> *mut c_void {
    // SAFETY: the caller vouches for a handle that is not NULL.
    unsafe { pinned.as_ref() }.map_or(core::ptr::null_mut(), |pinned| pinned.memory.start().as_ptr().cast())
}

/// The number of the node that pinned memory was to be on; UINT32_MAX for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pinned_node(pinned: *const vgpu_pinned) -> u32 {
    // SAFETY: the caller vouches for a handle that is not NULL.
    unsafe { pinned.as_ref() }.map_or(u32::MAX, |pinned| pinned.memory.node())
}

/// Gives pinned memory back to the driver and to the system.
///
/// @param pinned  the memory; NULL does nothing
/// @note Thread safety: once, by any thread; neither the program nor the GPU may use the memory any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_pinned_release(pinned: *mut vgpu_pinned) {
    if let Some(pinned) = NonNull::new(pinned) {
        // SAFETY: the caller vouches for the handle, and gives it up.
        drop(unsafe { Owned::from_raw(Allocator::SYSTEM, pinned) });
    }
}
