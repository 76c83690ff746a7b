//! Memory on the stack of the task that uses it.

use core::mem::MaybeUninit;

/// So many bytes on a cache line's boundary, whose contents are not set, which costs nothing.
#[repr(align(64))]
pub(super) struct Room<const BYTES: usize>(MaybeUninit<[u8; BYTES]>);

impl<const BYTES: usize> Room<BYTES> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Room(MaybeUninit::uninit())
    }

    /// Where it begins.
    #[inline(always)]
    pub(super) fn first<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }
}
