//! Pages straight from the system, for memory whose place matters: mapped, guarded, and given back.
//!
//! # Layout
//! ```text
//! | header page | guard | the pages asked for, from a 2 MiB boundary on | guard |
//! ```
//! The boundary is there for huge pages: where two blocks share 2 MiB, the huge page of whoever touches first takes the
//! other's part along. The guards keep the kernel from merging the mapping with a neighbour's, whose pages would then be
//! counted with ours, and turn an overrun into a fault. The header page is for whoever must find the size by the address.

use crate::error::{Result, error};
use crate::os::file::Errno;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

/// The size and alignment of the huge pages of x86-64 and of most 64-bit Arm.
pub const HUGE_PAGE: usize = 2 << 20;

/// The size of the machine's ordinary pages.
pub fn page_bytes() -> usize {
    // SAFETY: a plain query.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(4096) as usize
}

/// Zeroed pages of a mapping of their own. Dropping gives them back.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the pages are owned as a box owns its value, and hold plain bytes.
unsafe impl Send for Pages {}
// SAFETY: shared access offers addresses only.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps `bytes`, rounded up to whole pages. Nothing is placed yet: the system does that when a page is first written.
    ///
    /// # Errors
    /// `Overflow`; `OutOfMemory` when the system will not promise so much.
    pub fn map(bytes: usize) -> Result<Pages> {
        let page = page_bytes();
        let too_much = || error!(Overflow, "{bytes} bytes of pages do not fit the address space; ask for less");
        let bytes = bytes.checked_next_multiple_of(page).ok_or_else(too_much)?;
        let reserved = bytes.checked_add(3 * page + HUGE_PAGE).ok_or_else(too_much)?;
        let refused = |what: &str| {
            error!(OutOfMemory, "{bytes} bytes of pages: {what} was refused: {}; ask for less", Errno::last())
        };
        // SAFETY: a fresh mapping, wherever the system likes.
        let base = unsafe {
            libc::mmap(core::ptr::null_mut(), reserved, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(refused("the address space"));
        }
        let end = base as usize + reserved;
        let start = (base as usize + 2 * page).next_multiple_of(HUGE_PAGE);
        let header = start - 2 * page;
        let used_end = start + bytes + page;
        // SAFETY: what lies before the header and after the second guard is ours and unused.
        unsafe {
            unmap(base as usize, header - base as usize);
            unmap(used_end, end - used_end);
        }
        let Some(start) = NonNull::new(base.cast::<u8>().wrapping_add(start - base as usize)) else {
            return Err(refused("an address other than 0"));
        };
        let pages = Pages { start, bytes };
        for (from, len) in [(header, page), (start.as_ptr() as usize, bytes)] {
            // SAFETY: both ranges lie in the mapping made above.
            if unsafe { libc::mprotect(from as *mut c_void, len, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
                return Err(refused("that much memory"));
            }
        }
        Ok(pages)
    }

    /// Maps the first `bytes` bytes of a file, rounded up to whole pages, which it has: what is written goes to the file.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_file(descriptor: c_int, bytes: usize) -> Result<Pages> {
        let pages = Pages::map(bytes)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: the range is ours and nobody has seen it yet; its pages are replaced by the file's.
        let at = unsafe { libc::mmap(pages.start.as_ptr().cast(), pages.bytes, protection, flags, descriptor, 0) };
        if at == libc::MAP_FAILED {
            return Err(error!(OutOfMemory, "{bytes} bytes of a file could not be mapped: {}", Errno::last()));
        }
        Ok(pages)
    }

    /// The first byte, at a multiple of 2 MiB.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes there are, a multiple of the page size.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A page of its own for whoever must find the size by the address.
    pub fn header(&self) -> *mut u8 {
        self.start.as_ptr().wrapping_sub(2 * page_bytes())
    }

    /// Asks for huge pages, or for none. `false`: the system does not do that, and pages are what they are.
    pub fn advise_huge(&self, wanted: bool) -> bool {
        let advice = if wanted { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
        // SAFETY: the range is ours; the advice changes no contents.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, advice) == 0 }
    }

    /// Gives up ownership; [`from_raw`](Self::from_raw) takes it back.
    pub fn into_raw(self) -> (NonNull<u8>, usize) {
        let pages = core::mem::ManuallyDrop::new(self);
        (pages.start, pages.bytes)
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave.
    ///
    /// # Safety
    /// Both values came from one call of `into_raw`, and nobody else owns the pages.
    pub unsafe fn from_raw(start: NonNull<u8>, bytes: usize) -> Pages {
        Pages { start, bytes }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let page = page_bytes();
        // SAFETY: the mapping is ours, from the header page to the second guard, and not used again.
        unsafe { unmap(self.start.as_ptr() as usize - 2 * page, self.bytes + 3 * page) };
    }
}

/// # Safety
/// The range is mapped by this file and not used again.
unsafe fn unmap(from: usize, bytes: usize) {
    if bytes > 0 {
        // SAFETY: by contract.
        unsafe { libc::munmap(from as *mut c_void, bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn pages_are_zeroed_aligned_and_as_many_as_asked() {
        for bytes in [1, 4096, 4097, HUGE_PAGE, HUGE_PAGE + 1, 5 << 20] {
            let pages = Pages::map(bytes).unwrap();
            assert_eq!(pages.start().as_ptr() as usize % HUGE_PAGE, 0);
            assert_eq!(pages.bytes(), bytes.next_multiple_of(page_bytes()));
            // SAFETY: the pages are ours, and the header is a page too.
            unsafe {
                let all = core::slice::from_raw_parts_mut(pages.start().as_ptr(), pages.bytes());
                assert!(all.iter().all(|&byte| byte == 0));
                all.fill(1);
                pages.header().write_bytes(2, page_bytes());
                assert!(all.iter().all(|&byte| byte == 1));
            }
            let (start, bytes) = pages.into_raw();
            // SAFETY: as given a moment ago.
            drop(unsafe { Pages::from_raw(start, bytes) });
        }
    }

    #[test]
    fn more_than_there_is_is_refused() {
        assert_eq!(Pages::map(usize::MAX).unwrap_err().status(), Status::Overflow);
        assert_eq!(Pages::map(usize::MAX - (1 << 20)).unwrap_err().status(), Status::Overflow);
        let refused = Pages::map(1 << 60).unwrap_err();
        assert_eq!(refused.status(), Status::OutOfMemory);
        assert!(refused.message().contains("errno 12"), "{refused}");
    }
}
