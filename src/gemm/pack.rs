//! Packing: copying what is reused into memory that is read in order.
//!
//! A panel of B is stored row of k by row of k, each row a whole number of vectors: the micro-kernel streams it from the
//! second-level cache, with neither page walks nor cache conflicts however large the leading dimension is. The vectors past the last column hold zeros. Where B's
//! rows are contiguous the copy is made by the first micro-kernel that reads it; where its columns are, by [`pack_columns`].
//!
//! A panel of A is a handful of rows which the micro-kernel broadcasts element by element. Where A's rows are contiguous they
//! are used where they lie: a copy measured 5 to 8 % slower, since its cache misses wait while those of the first
//! micro-kernel hide behind arithmetic. Where A's columns are contiguous each step of k is on another page, and the panel is
//! copied.

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

    /// Copies `rows` rows and `depth` columns of an A whose columns are contiguous, and says how to walk the copy.
    ///
    /// # Safety
    /// `source` is readable over that extent.
    pub(super) unsafe fn copy<T: Element>(&mut self, source: View<T>, rows: usize, depth: usize) -> View<T> {
        const { assert!(8 * T::K_BLOCK * size_of::<T>() <= A_PANEL_BYTES) };
        debug_assert!(source.row == 1 && rows * depth * size_of::<T>() <= A_PANEL_BYTES);
        let to = self.0.as_mut_ptr().cast::<T>();
        // SAFETY: `rows` is at most 8 and `depth` at most `K_BLOCK`, so the copy fits; the caller vouches for the source. The
        // constants only let the compiler copy without a call.
        unsafe {
            match rows {
                8 => copy_columns(source, 8, depth, to),
                6 => copy_columns(source, 6, depth, to),
                4 => copy_columns(source, 4, depth, to),
                _ => copy_columns(source, rows, depth, to),
            }
        }
        View { first: to, row: 1, column: rows }
    }
}

/// # Safety
/// `source` is readable for `depth` columns of `rows` contiguous elements, which need not be aligned, and `to` is writable for all.
#[inline(always)]
unsafe fn copy_columns<T: Element>(source: View<T>, rows: usize, depth: usize, to: *mut T) {
    for p in 0..depth {
        // SAFETY: the caller vouches for both.
        unsafe {
            let (from, to) = (source.at(0, p).cast::<u8>(), to.add(p * rows).cast::<u8>());
            ptr::copy_nonoverlapping(from, to, rows * size_of::<T>());
        }
    }
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
