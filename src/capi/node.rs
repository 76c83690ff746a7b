//! Memory on a named NUMA node.

use super::arguments::{clear, null};
use super::error::guard;
use super::status::vgpu_status;
use crate::error::{Result, error};
use crate::memory::node::{self, NodeMemory, Place, Request};
use crate::os::alloc::Allocator;
use crate::os::pages::page_bytes;
use crate::topology::Topology;
use core::ffi::c_void;
use core::mem;
use core::ptr::{self, NonNull};

/// Huge pages are asked for; the size is rounded up to 2 MiB. The system gives as many as it has.
pub const VGPU_NODE_HUGE_PAGES: u32 = 1;
/// Memory of which any page is elsewhere is an error, instead of spilling to the next node.
pub const VGPU_NODE_STRICT: u32 = 2;
/// The pages are not written now. Each goes to its place when it is first written, where the system lets itself be told.
pub const VGPU_NODE_NO_TOUCH: u32 = 4;

/// Nobody tells where the pages are: the system forbids it.
pub const VGPU_VERIFIED_BY_NOBODY: u32 = 0;
/// The system told it for each page (move_pages).
pub const VGPU_VERIFIED_BY_MOVE_PAGES: u32 = 1;
/// The system told it for the whole (/proc/self/numa_maps).
pub const VGPU_VERIFIED_BY_NUMA_MAPS: u32 = 2;

/// Where memory is. Set struct_size to sizeof(vgpu_node_report) before the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vgpu_node_report {
    /// The size of this struct as the program was compiled.
    pub struct_size: u32,
    /// The node it was put on: the one asked for, or the nearest with memory that the process may use. UINT32_MAX for
    /// interleaved memory.
    pub node: u32,
    /// One of VGPU_VERIFIED_BY_.
    pub verified_by: u32,
    /// 1: the system refused to be told the place, and threads that ran there wrote the pages first.
    pub policy_refused: u32,
    /// Size of the pages counted, in bytes.
    pub page_bytes: u64,
    /// How many pages there are.
    pub pages: u64,
    /// How many are on the node; for interleaved memory, on any.
    pub pages_there: u64,
    /// How many are on other nodes.
    pub pages_elsewhere: u64,
    /// How many have not been written yet.
    pub pages_absent: u64,
    /// Of how many the system did not tell.
    pub pages_unknown: u64,
    /// The other node with the most pages; UINT32_MAX if there is none.
    pub spill_node: u32,
    /// Always 0.
    pub reserved: u32,
}

pub(super) fn request(bytes: usize, place: Place, flags: u32) -> Result<Request> {
    const FLAGS: u32 = VGPU_NODE_HUGE_PAGES | VGPU_NODE_STRICT | VGPU_NODE_NO_TOUCH;
    if flags & !FLAGS != 0 {
        return Err(error!(InvalidArgument, "flags is {flags:#x}; the known flags are {FLAGS:#x}"));
    }
    if flags & VGPU_NODE_STRICT != 0 && flags & VGPU_NODE_NO_TOUCH != 0 {
        return Err(error!(
            InvalidArgument,
            "VGPU_NODE_STRICT and VGPU_NODE_NO_TOUCH contradict each other: what is not written is nowhere yet; set one"
        ));
    }
    Ok(Request {
        bytes,
        place,
        huge_pages: flags & VGPU_NODE_HUGE_PAGES != 0,
        strict: flags & VGPU_NODE_STRICT != 0,
        touch: flags & VGPU_NODE_NO_TOUCH == 0,
    })
}

fn allocate(bytes: usize, place: Place, flags: u32, memory: *mut *mut c_void) -> Result<()> {
    // SAFETY: the caller of the export vouches for the output.
    unsafe { clear(memory, "memory, where the address would go,")? };
    let request = request(bytes, place, flags)?;
    let machine = Topology::detect(Allocator::SYSTEM)?;
    let made = NodeMemory::allocate(&machine, &request)?;
    // SAFETY: as above.
    unsafe { memory.write(NodeMemory::into_raw(made).as_ptr().cast()) };
    Ok(())
}

/// Tells the numbers of the machine's NUMA nodes, ascending; they may have gaps. A machine without NUMA has node 0.
///
/// @param numbers   where they go; may be NULL if capacity is 0
/// @param capacity  how many numbers there is room for; of more nodes the first are told
/// @param count     where the number of nodes goes
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY
/// @note Thread safety: any thread. Reads the machine anew each time, which takes a millisecond or more.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_node_numbers(numbers: *mut u32, capacity: usize, count: *mut usize) -> vgpu_status {
    guard(|| {
        if count.is_null() || (numbers.is_null() && capacity > 0) {
            return Err(null("numbers or count"));
        }
        let machine = Topology::detect(Allocator::SYSTEM)?;
        for (index, node) in machine.nodes().iter().take(capacity).enumerate() {
            // SAFETY: the caller vouches for `capacity` numbers.
            unsafe { numbers.add(index).write(node.number) };
        }
        // SAFETY: the caller vouches for the output.
        unsafe { count.write(machine.nodes().len()) };
        Ok(())
    })
}

/// Allocates zeroed memory on a NUMA node. It begins at a multiple of 2 MiB, shares no page with other memory, and has a page
/// before and after it that must not be touched.
///
/// The pages are written by threads that run on the node, and the system is told the place besides; where it refuses that, as in
/// many containers, the threads alone place them. A node without memory has its nearest node's. A full node spills to the next:
/// vgpu_node_report_get() tells.
///
/// @param bytes   how many bytes, at least 1
/// @param node    the number of the node, see vgpu_node_numbers()
/// @param flags   VGPU_NODE_ flags, or 0
/// @param memory  where the address goes; NULL goes there on failure
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for zero bytes, an unknown node or unknown flags; VGPU_ERROR_OUT_OF_MEMORY, also
///         when strict memory did not fit the node; VGPU_ERROR_OVERFLOW; VGPU_ERROR_UNSUPPORTED for a node without CPUs where the
///         system refuses to be told the place; VGPU_ERROR_THREAD_SPAWN; VGPU_ERROR_AFFINITY
/// @note Thread safety: any thread. Starts up to eight threads for each node and waits for them. To be freed with vgpu_node_free().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_node_alloc(bytes: usize, node: u32, flags: u32, memory: *mut *mut c_void) -> vgpu_status {
    guard(|| allocate(bytes, Place::Node(node), flags, memory))
}

/// Allocates zeroed memory spread over all nodes with memory, page by page; where the system refuses to be told so, in pieces of
/// 2 MiB. Otherwise as vgpu_node_alloc().
///
/// @param bytes   how many bytes, at least 1
/// @param flags   VGPU_NODE_ flags, or 0
/// @param memory  where the address goes; NULL goes there on failure
/// @return as vgpu_node_alloc()
/// @note Thread safety: any thread. To be freed with vgpu_node_free().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_node_alloc_interleaved(
    bytes: usize,
    flags: u32,
    memory: *mut *mut c_void,
) -> vgpu_status {
    guard(|| allocate(bytes, Place::Interleaved, flags, memory))
}

/// Frees memory from vgpu_node_alloc(), vgpu_node_alloc_interleaved() or vgpu_numa_alloc().
///
/// @param memory  the address that was given; NULL does nothing
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for an address that is no multiple of 2 MiB, and for most others that were not
///         given; then nothing is freed
/// @note Thread safety: any thread; nobody may use the memory any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_node_free(memory: *mut c_void) -> vgpu_status {
    guard(|| {
        let Some(start) = NonNull::new(memory.cast::<u8>()) else { return Ok(()) };
        // SAFETY: the caller vouches for an address that was given and not freed since.
        drop(unsafe { NodeMemory::from_raw(start)? });
        Ok(())
    })
}

/// Asks the system where the pages of such memory are now.
///
/// @param memory  the address that was given
/// @param report  where the answer goes; its struct_size must be set
/// @return VGPU_OK, also when the system does not tell; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY
/// @note Thread safety: any thread. Takes about a millisecond for every 10 MiB.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_node_report_get(memory: *const c_void, report: *mut vgpu_node_report) -> vgpu_status {
    guard(|| {
        let Some(start) = NonNull::new(memory.cast_mut().cast::<u8>()) else { return Err(null("memory")) };
        if report.is_null() {
            return Err(null("report, where the answer would go,"));
        }
        // SAFETY: the caller vouches for the struct, which begins with its size.
        let size = unsafe { report.cast::<u32>().read() } as usize;
        if size < mem::size_of::<u32>() {
            return Err(error!(
                InvalidArgument,
                "vgpu_node_report.struct_size is {size}; set it to sizeof(vgpu_node_report) before the call"
            ));
        }
        // SAFETY: the caller vouches for an address that was given and not freed since.
        let answer = unsafe {
            NodeMemory::with_raw(start, |memory| {
                let pages = memory.report()?;
                let all: usize = pages.on.iter().map(|row| row.1).sum();
                let node = memory.node();
                let (there, spill, node) = match memory.place() {
                    Place::Node(_) => (pages.on_node(node), pages.largest_spill(node), node),
                    Place::Interleaved => (all, None, u32::MAX),
                };
                Ok(vgpu_node_report {
                    struct_size: size as u32,
                    node,
                    verified_by: pages.verified as u32,
                    policy_refused: memory.policy_refused().into(),
                    page_bytes: page_bytes() as u64,
                    pages: pages.pages as u64,
                    pages_there: there as u64,
                    pages_elsewhere: (all - there) as u64,
                    pages_absent: pages.absent as u64,
                    pages_unknown: pages.unknown as u64,
                    spill_node: spill.map_or(u32::MAX, |row| row.0),
                    reserved: 0,
                })
            })?
        };
        // SAFETY: the caller vouches for `size` writable bytes.
        unsafe {
            ptr::copy_nonoverlapping(
                (&raw const answer).cast::<u8>(),
                report.cast::<u8>(),
                size.min(mem::size_of::<vgpu_node_report>()),
            );
        }
        Ok(())
    })
}

/// Has the system put memory of the program's own on a node, and move what is elsewhere already, as far as it can be moved. Whole
/// pages are taken, so what shares the first and the last page comes along.
///
/// @param memory  the first byte
/// @param bytes   how many bytes, at least 1
/// @param node    the number of the node, see vgpu_node_numbers(); without memory, its nearest node's is taken
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_UNSUPPORTED where the system refuses to be told the place
/// @note Thread safety: any thread; the memory may be in use.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_node_bind(memory: *mut c_void, bytes: usize, node: u32) -> vgpu_status {
    guard(|| {
        let machine = Topology::detect(Allocator::SYSTEM)?;
        node::bind(&machine, memory.cast(), bytes, Place::Node(node))
    })
}
