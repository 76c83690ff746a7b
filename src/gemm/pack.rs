//! Packing: copying what is reused into memory that is read in order.
//!
//! A panel of B is stored row of k by row of k, each row a whole number of vectors: the micro-kernel streams it from the
//! second-level cache, with neither page walks nor cache conflicts however large the leading dimension is. The vectors past the last column hold zeros. Where B's
//! rows are contiguous the copy is made by the first micro-kernel that reads it; where its columns are, by [`pack_columns`].
//!
//! A panel of A is a handful of rows which the micro-kernel broadcasts element by element from the first-level cache. It
//! keeps its orientation, so that copying it needs no transposition.

use super::element::Element;
use super::kernel::Kernels;
use super::problem::View;
use core::mem::MaybeUninit;
use core::ptr;

/// Bytes for the largest panel of A: 8 rows of 384 f64, or of 512 f32.
const A_PANEL_BYTES: usize = 24 << 10;

/// Room for one panel of A, on the stack of the task that uses it.
#[repr(align(64))]
pub(super) struct APanel(MaybeUninit<[u8; A_PANEL_BYTES]>);

impl APanel {
    /// Room whose contents are not set, which costs nothing.
    pub(super) fn new() -> APanel {
        APanel(MaybeUninit::uninit())
    }

    /// Copies `rows` rows and `depth` columns of A from `source` on, and says how to walk the copy.
    ///
    /// # Safety
    /// `source` is readable over that extent.
    pub(super) unsafe fn copy<T: Element>(&mut self, source: View<T>, rows: usize, depth: usize) -> View<T> {
        const { assert!(8 * T::K_BLOCK * size_of::<T>() <= A_PANEL_BYTES) };
        debug_assert!(rows * depth * size_of::<T>() <= A_PANEL_BYTES);
        let to = self.0.as_mut_ptr().cast::<T>();
        // SAFETY: `rows` is at most 8 and `depth` at most `K_BLOCK`, so the copy fits; the caller vouches for the source, which
        // may be unaligned, hence copied as bytes.
        unsafe {
            if source.column == 1 {
                for i in 0..rows {
                    copy_elements(source.at(i, 0), to.add(i * depth), depth);
                }
                View { first: to, row: depth, column: 1 }
            } else {
                for p in 0..depth {
                    copy_elements(source.at(0, p), to.add(p * rows), rows);
                }
                View { first: to, row: 1, column: rows }
            }
        }
    }
}

/// # Safety
/// `from` is readable and `to` writable for `count` elements; neither need be aligned.
#[inline(always)]
unsafe fn copy_elements<T: Element>(from: *const T, to: *mut T, count: usize) {
    // SAFETY: the caller vouches for both.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), count * size_of::<T>()) }
}

/// Packs a panel of B whose columns are contiguous: `columns` columns of `depth`, padded with zeros to `vectors` vectors.
///
/// # Safety
/// The CPU has the level of `kernels`, `source` is readable over the panel, and `packed` is writable for `depth` rows of
/// `vectors` vectors.
pub(super) unsafe fn pack_columns<T: Element>(
    kernels: &Kernels<T>,
    source: View<T>,
    depth: usize,
    columns: usize,
    packed: *mut T,
    vectors: usize,
) {
    debug_assert!(source.row == 1);
    // SAFETY: passed on to the caller.
    unsafe { (kernels.transpose)(source.first, source.column, depth, columns, packed, vectors * kernels.lanes) }
}
