//! Where pages are to go, and where they are: the kernel's memory policy calls.
//!
//! Containers often forbid all of them. That is an ordinary answer here, [`Unsupported`](crate::error::Status::Unsupported),
//! and whoever asks has another way: pages go to the node of the thread that first writes them, and `/proc/self/numa_maps`
//! tells where they went.

use crate::error::{Result, Status, error};
use crate::os::file::Errno;
use core::ffi::{c_int, c_long, c_void};
use core::fmt;

/// Node numbers from here on are refused, as the kernel does.
pub const NODE_LIMIT: u32 = 1024;

const WORDS: usize = NODE_LIMIT as usize / 64;

/// Which node a page goes to when it is first written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The first node of the set while it has room, then the nearest that has.
    Preferred = 1,
    /// A node of the set; when all are full the kernel ends a process to make room.
    Bind = 2,
    /// The nodes of the set in turn, page by page.
    Interleave = 3,
}

/// A set of node numbers.
#[derive(Clone, Copy)]
pub struct NodeMask([u64; WORDS]);

impl NodeMask {
    /// The set of these numbers; those from [`NODE_LIMIT`] on are left out.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> NodeMask {
        let mut mask = NodeMask([0; WORDS]);
        for number in numbers.into_iter().filter(|&number| number < NODE_LIMIT) {
            mask.0[number as usize / 64] |= 1 << (number % 64);
        }
        mask
    }
}

impl fmt::Display for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = (0..NODE_LIMIT).filter(|&number| self.0[number as usize / 64] >> (number % 64) & 1 != 0);
        for (place, number) in numbers.enumerate() {
            write!(f, "{}{number}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Whether the system refused the call itself, and not what was asked of it.
fn is_refusal(errno: &Errno) -> bool {
    matches!(errno.0, libc::EPERM | libc::ENOSYS | libc::EACCES)
}

/// Sets where the pages from `start` on go; with `migrate` those that are elsewhere already are moved, as far as that can be.
///
/// # Errors
/// `Unsupported` when the system refuses the call itself; `InvalidArgument` for nodes it does not know, that have no memory, or
/// that the cpuset forbids; `OutOfMemory`.
pub fn set_policy(start: *mut u8, bytes: usize, policy: Policy, nodes: &NodeMask, migrate: bool) -> Result<()> {
    const MOVE: c_long = 2;
    let flags = if migrate { MOVE } else { 0 };
    // SAFETY: the mask is readable for as many bits as said (the kernel takes one more for its own count); pages of this
    // process are placed or moved, their contents stay.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            start as c_long,
            bytes as c_long,
            policy as c_long,
            nodes.0.as_ptr(),
            c_long::from(NODE_LIMIT) + 1,
            flags,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let errno = Errno::last();
    let status = match errno.0 {
        _ if is_refusal(&errno) => Status::Unsupported,
        libc::ENOMEM => Status::OutOfMemory,
        _ => Status::InvalidArgument,
    };
    Err(crate::error::Error::new(
        status,
        format_args!(
            "{bytes} bytes could not be placed on node {nodes} (mbind): {errno}; does the node have memory, and do the cpuset \
             and the seccomp filter allow it?"
        ),
    ))
}

/// Writes into `nodes` the node of each page, or a negative error number: `-ENOENT` for a page that is nowhere yet.
///
/// # Errors
/// `Unsupported` when the system refuses the call.
pub fn locate(pages: &[*const c_void], nodes: &mut [c_int]) -> Result<()> {
    let count = pages.len().min(nodes.len());
    // SAFETY: both slices hold `count` items; without a list of targets the call only looks.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0 as c_long,
            count as c_long,
            pages.as_ptr(),
            core::ptr::null::<c_int>(),
            nodes.as_mut_ptr(),
            0 as c_long,
        )
    };
    match result {
        0 => Ok(()),
        _ => {
            Err(error!(Unsupported, "the node of {count} pages could not be asked for (move_pages): {}", Errno::last()))
        }
    }
}

/// The node of one page that has been written.
///
/// # Errors
/// `Unsupported` when the system refuses the call.
pub fn node_of(page: *const u8) -> Result<u32> {
    const NODE_OF_ADDRESS: c_long = 1 | 2;
    let mut node: c_int = -1;
    // SAFETY: the call writes one number and looks at the address without touching what is there.
    let result = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut node,
            core::ptr::null_mut::<u64>(),
            0 as c_long,
            page as c_long,
            NODE_OF_ADDRESS,
        )
    };
    match (result, u32::try_from(node)) {
        (0, Ok(node)) => Ok(node),
        _ => Err(error!(Unsupported, "the node of a page could not be asked for (get_mempolicy): {}", Errno::last())),
    }
}

/// Which kinds of `membarrier` the kernel offers, as its own bits; 0: none.
pub fn membarrier_commands() -> u32 {
    // SAFETY: a plain query.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, 0 as c_long, 0 as c_long, 0 as c_long) };
    u32::try_from(commands).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::pages::Pages;

    #[test]
    fn a_mask_names_its_nodes() {
        assert_eq!(NodeMask::of([3, 0, 72, 5000]).to_string(), "0,3,72");
        assert_eq!(NodeMask::of([]).to_string(), "");
    }

    /// Where the calls are allowed they agree with one another; where they are not, each says so.
    #[test]
    fn a_written_page_is_on_a_node_and_an_unwritten_one_is_nowhere() {
        let pages = Pages::map(3 * crate::os::pages::page_bytes()).unwrap();
        pages.advise_huge(false);
        let start = pages.start().as_ptr();
        // SAFETY: the first page is ours.
        unsafe { start.write_volatile(1) };
        let asked = [start.cast_const().cast(), start.wrapping_add(crate::os::pages::page_bytes()).cast_const().cast()];
        let mut nodes = [7; 2];
        match locate(&asked, &mut nodes) {
            Ok(()) => {
                assert!(nodes[0] >= 0, "{nodes:?}");
                assert_eq!(nodes[1], -libc::ENOENT);
                if let Ok(node) = node_of(start) {
                    assert_eq!(node as c_int, nodes[0]);
                }
            }
            Err(refused) => {
                assert_eq!(refused.status(), Status::Unsupported);
                println!("not allowed here: {refused}");
            }
        }
    }

    #[test]
    fn a_node_that_is_not_there_is_refused_by_number() {
        let pages = Pages::map(1).unwrap();
        let refused = set_policy(pages.start().as_ptr(), pages.bytes(), Policy::Bind, &NodeMask::of([1023]), false);
        let refused = refused.unwrap_err();
        assert!(matches!(refused.status(), Status::InvalidArgument | Status::Unsupported), "{refused:?}");
        assert!(refused.message().contains("node 1023"), "{refused}");
    }
}
