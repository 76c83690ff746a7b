//! What a micro-kernel needs of a register.

use crate::gemm::element::Element;

/// A register of [`LANES`](Self::LANES) elements.
///
/// # Safety
/// Every function may be called only on a CPU with the instruction set of the implementing type; pointers need not be
/// aligned, and are readable or writable for the lanes that the function touches. The functions are always inlined, so
/// that they compile with the features of the kernel which calls them.
pub(super) unsafe trait Vector: Copy {
    /// The element type.
    type Scalar: Element;
    /// Which lanes of a partial vector exist.
    type Mask: Copy;
    /// Elements of a register.
    const LANES: usize;

    /// The mask of the first `count` lanes.
    unsafe fn mask(count: usize) -> Self::Mask;
    /// All lanes zero.
    unsafe fn zero() -> Self;
    /// All lanes `value`.
    unsafe fn splat(value: Self::Scalar) -> Self;
    /// All lanes the element at `from`.
    unsafe fn broadcast(from: *const Self::Scalar) -> Self;
    /// Reads every lane.
    unsafe fn load(from: *const Self::Scalar) -> Self;
    /// Reads the lanes of `mask`; the others are zero and their memory is not touched.
    unsafe fn load_part(from: *const Self::Scalar, mask: Self::Mask) -> Self;
    /// Writes every lane.
    unsafe fn store(self, to: *mut Self::Scalar);
    /// Writes every lane past the caches, to an address that is a multiple of the register's size; [`finish_streams`](super::finish_streams) must come
    /// after. Into the caches where the instruction set has no such store.
    #[inline(always)]
    unsafe fn stream(self, to: *mut Self::Scalar) {
        // SAFETY: passed on to the caller.
        unsafe { self.store(to) }
    }
    /// Writes the lanes of `mask`; the others' memory is not touched.
    unsafe fn store_part(self, to: *mut Self::Scalar, mask: Self::Mask);
    /// `self * factor + addend`, fused where the instruction set fuses.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self * factor`.
    unsafe fn mul(self, factor: Self) -> Self;
    /// Asks for the line at `from`, which may be any address, to be brought into the first-level cache.
    unsafe fn prefetch(from: *const Self::Scalar);
    /// As [`prefetch`](Self::prefetch), into the second-level cache.
    unsafe fn prefetch_far(from: *const Self::Scalar);
    /// The same pointer and the same register, of which the compiler must believe that the one needs the other: what is
    /// loaded through the pointer afterwards is loaded after the register was computed.
    #[inline(always)]
    unsafe fn after(pointer: *const Self::Scalar, register: Self) -> (*const Self::Scalar, Self) {
        (pointer, register)
    }
}
