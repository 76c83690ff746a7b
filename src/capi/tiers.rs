//! Memory from the fastest tier that has room: a node, other nodes, files on disk.

use super::arguments::{clear, null, path};
use super::error::guard;
use super::status::vgpu_status;
use crate::error::{Result, error};
use crate::memory::tiers::{Tier, TierConfig, TierMemory, Tiers};
use crate::os::alloc::{Allocator, Owned};
use core::ffi::{c_char, c_void};
use core::ptr::NonNull;

/// The memory of the fast node.
pub const VGPU_TIER_FAST: u32 = 0;
/// The memory of another node, the nearest that has room for the whole block.
pub const VGPU_TIER_OTHER_NODE: u32 = 1;
/// A file, of which the system keeps in memory what it has room for.
pub const VGPU_TIER_DISK: u32 = 2;

/// Where tiered memory comes from; see vgpu_tiers_create().
pub struct vgpu_tiers {
    tiers: Tiers,
}

/// A block of tiered memory.
pub struct vgpu_tier_memory {
    memory: TierMemory<'static>,
}

fn tiers_of<'a>(tiers: *const vgpu_tiers) -> Result<&'a Tiers> {
    // SAFETY: the caller of the export vouches for a handle that is not NULL.
    unsafe { tiers.as_ref() }.map(|tiers| &tiers.tiers).ok_or_else(|| null("tiers"))
}

/// Makes a source of memory for computations that outgrow a node, or the machine: blocks come from a fast node while there is room,
/// then from other nodes, nearest first, then from files on disk.
///
/// @param node         the number of the fast node, see vgpu_node_numbers(); without memory, its nearest node's is taken
/// @param fast_bytes   bytes of the fast node's memory that may be out at a time; 0: none; UINT64_MAX: as much as there is
/// @param other_bytes  the same of all other nodes
/// @param disk_bytes   the same of files
/// @param folder       where the files are made, which have no names and are gone with their blocks, or with the process. May be NULL
///                     if disk_bytes is 0. Not used after the call; the folder stays the same when the process goes elsewhere
/// @param tiers        where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for an unknown node, or no folder; VGPU_ERROR_IO for what is no folder;
///         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY
/// @note Thread safety: any thread. Reads the machine, which takes a millisecond or more. To be ended with vgpu_tiers_destroy().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tiers_create(
    node: u32,
    fast_bytes: u64,
    other_bytes: u64,
    disk_bytes: u64,
    folder: *const c_char,
    tiers: *mut *mut vgpu_tiers,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { clear(tiers, "tiers, where the handle would go,")? };
        // SAFETY: the caller vouches for a terminated string.
        let folder = if folder.is_null() { None } else { Some(unsafe { path("folder", folder)? }) };
        let config = TierConfig { node, limits: [fast_bytes, other_bytes, disk_bytes], folder };
        let made = Owned::new(Allocator::SYSTEM, vgpu_tiers { tiers: Tiers::new(&config)? })?;
        // SAFETY: as above.
        unsafe { tiers.write(Owned::into_raw(made).as_ptr()) };
        Ok(())
    })
}

/// Ends such a source.
///
/// @param tiers  the source; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT while blocks of it are there: release them first. Then nothing is ended
/// @note Thread safety: once; nobody may be using it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tiers_destroy(tiers: *mut vgpu_tiers) -> vgpu_status {
    guard(|| {
        let Some(tiers) = NonNull::new(tiers) else { return Ok(()) };
        let used = Tier::ALL.map(|tier| tiers_of(tiers.as_ptr()).map_or(0, |tiers| tiers.used(tier)));
        if used != [0; 3] {
            let [fast, other, disk] = used;
            return Err(error!(
                InvalidArgument,
                "blocks of {fast} bytes on the fast node, {other} on others and {disk} on disk are still there; release them first"
            ));
        }
        // SAFETY: the caller vouches for the handle, and gives it up.
        drop(unsafe { Owned::from_raw(Allocator::SYSTEM, tiers) });
        Ok(())
    })
}

/// Allocates a zeroed block in the fastest tier that has room for all of it. It begins at a multiple of 2 MiB and has a page before and
/// after it that must not be touched.
///
/// In memory its pages are written by threads of the node, and a block of which the system says that any page is elsewhere is given
/// back before the next place is tried. On disk its room is taken at once.
///
/// @param tiers   the source
/// @param bytes   how many bytes, at least 1; they count as whole pages
/// @param memory  where the handle goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for zero bytes; VGPU_ERROR_OUT_OF_MEMORY when no tier has room, with what their limits
///         leave; VGPU_ERROR_IO when the disk, tried last, is full or the process may not write so large a file (RLIMIT_FSIZE);
///         VGPU_ERROR_UNSUPPORTED where the folder's file system cannot promise room; VGPU_ERROR_OVERFLOW; what vgpu_node_alloc()
///         returns, where the last tier is a node
/// @note Thread safety: any thread, several at a time; what a request is trying counts as taken meanwhile. Starts up to eight threads and
///       waits for them. To be ended with vgpu_tier_memory_release(). A forked child shares a block on disk, and has a copy of others.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tiers_alloc(
    tiers: *mut vgpu_tiers,
    bytes: usize,
    memory: *mut *mut vgpu_tier_memory,
) -> vgpu_status {
    guard(|| {
        // SAFETY: the caller vouches for the output.
        unsafe { clear(memory, "memory, where the handle would go,")? };
        let made = Owned::new(Allocator::SYSTEM, vgpu_tier_memory { memory: tiers_of(tiers)?.allocate(bytes)? })?;
        // SAFETY: as above.
        unsafe { memory.write(Owned::into_raw(made).as_ptr()) };
        Ok(())
    })
}

/// How much of a source is out.
///
/// @param tiers  the source
/// @param tier   one of VGPU_TIER_
/// @param bytes  where the bytes of its blocks in that tier go
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
/// @note Thread safety: any thread. Others may allocate and release meanwhile.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tiers_used(tiers: *const vgpu_tiers, tier: u32, bytes: *mut u64) -> vgpu_status {
    guard(|| {
        let tiers = tiers_of(tiers)?;
        if bytes.is_null() {
            return Err(null("bytes, where the answer would go,"));
        }
        let Some(&tier) = Tier::ALL.get(tier as usize) else {
            return Err(error!(InvalidArgument, "tier is {tier}; VGPU_TIER_FAST to VGPU_TIER_DISK are 0 to 2"));
        };
        // SAFETY: the caller vouches for the output.
        unsafe { bytes.write(tiers.used(tier)) };
        Ok(())
    })
}

/// The first byte of a block; NULL for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tier_memory_data(memory: *const vgpu_tier_memory) -> *mut c_void {
    // SAFETY: the caller vouches for a handle that is not NULL.
    unsafe { memory.as_ref() }.map_or(core::ptr::null_mut(), |block| block.memory.start().as_ptr().cast())
}

/// In which tier a block landed: one of VGPU_TIER_; UINT32_MAX for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tier_memory_tier(memory: *const vgpu_tier_memory) -> u32 {
    // SAFETY: the caller vouches for a handle that is not NULL.
    unsafe { memory.as_ref() }.map_or(u32::MAX, |block| block.memory.tier() as u32)
}

/// The number of the node that a block is on; UINT32_MAX for one on disk, and for NULL.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tier_memory_node(memory: *const vgpu_tier_memory) -> u32 {
    // SAFETY: the caller vouches for a handle that is not NULL.
    unsafe { memory.as_ref() }.and_then(|block| block.memory.node()).unwrap_or(u32::MAX)
}

/// Gives a block back.
///
/// @param memory  the block; NULL does nothing
/// @note Thread safety: once, by any thread; nobody may use the memory any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_tier_memory_release(memory: *mut vgpu_tier_memory) {
    if let Some(memory) = NonNull::new(memory) {
        // SAFETY: the caller vouches for the handle, and gives it up.
        drop(unsafe { Owned::from_raw(Allocator::SYSTEM, memory) });
    }
}
