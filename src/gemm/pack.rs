//! Packing: copying what is reused into memory that is read in order.
//!
//! A panel of B is stored row of k by row of k, each row a whole number of vectors: the micro-kernel streams it from the
//! second-level cache, with neither page walks nor cache conflicts however large the leading dimension is. The vectors past the last column hold zeros. Where B's
//! rows are contiguous the copy is made by the first micro-kernel that reads it; where its columns are, or where elements must be widened, by [`pack_panel`].
//!
//! A panel of A is a handful of rows which the micro-kernel broadcasts element by element. Where A's rows are contiguous they
//! are used where they lie: a copy measured 5 to 8 % slower, since its cache misses wait while those of the first
//! micro-kernel hide behind arithmetic. Where A's columns are contiguous each step of k is on another page, and the panel is
//! copied.

use super::element::Element;
use super::kernel::Kernels;
use super::operand::Operand;
use super::problem::View;
use super::room::Room;
use core::ptr;

/// Bytes for the largest panel of A: 8 rows of 384 f64, or of 512 f32.
const A_PANEL_BYTES: usize = 24 << 10;

/// Room for one panel of A, on the stack of the task that uses it.
pub(super) struct APanel(Room<A_PANEL_BYTES>);

impl APanel {
    /// Room whose contents are not set, which costs nothing.
    pub(super) fn new() -> APanel {
        APanel(Room::new())
    }

    /// Copies `rows` rows and `depth` columns of A, widened, and says how to walk the copy.
    ///
    /// # Safety
    /// `source` is readable over that extent.
    pub(super) unsafe fn copy<T: Element, S: Operand<T>>(
        &mut self,
        source: View<S>,
        rows: usize,
        depth: usize,
    ) -> View<T> {
        const { assert!(8 * T::K_BLOCK * size_of::<T>() <= A_PANEL_BYTES) };
        debug_assert!(rows * depth * size_of::<T>() <= A_PANEL_BYTES);
        let to = self.0.first::<T>();
        // SAFETY: `rows` is at most 8 and `depth` at most `K_BLOCK`, so the copy fits; the caller vouches for the source. The
        // constants only let the compiler copy without a call.
        unsafe {
            if source.column == 1 {
                copy_lines(source, rows, depth, to, depth);
                return View { first: to, row: depth, column: 1 };
            }
            let columns = source.transposed();
            match rows {
                8 => copy_lines(columns, depth, 8, to, 8),
                6 => copy_lines(columns, depth, 6, to, 6),
                4 => copy_lines(columns, depth, 4, to, 4),
                _ => copy_lines(columns, depth, rows, to, rows),
            }
        }
        View { first: to, row: 1, column: rows }
    }
}

/// Copies `lines` rows of `length` elements, widened, to rows that are `step` apart.
///
/// # Safety
/// `source`, whose rows are contiguous, is readable over that extent and need not be aligned; `to` is writable for all.
#[inline(always)]
unsafe fn copy_lines<T: Element, S: Operand<T>>(source: View<S>, lines: usize, length: usize, to: *mut T, step: usize) {
    /// As many elements as the compiler turns into a few vector instructions.
    const CHUNK: usize = 16;
    debug_assert!(source.column == 1);
    for i in 0..lines {
        let (from, to) = (source.at(i, 0), to.wrapping_add(i * step));
        // SAFETY: the caller vouches for both; what is not widened has the same type.
        unsafe {
            if !S::WIDENED {
                ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), length * size_of::<T>());
                continue;
            }
            let whole = length / CHUNK * CHUNK;
            for j in (0..whole).step_by(CHUNK) {
                let chunk = from.add(j).cast::<[S; CHUNK]>().read_unaligned();
                to.add(j).cast::<[T; CHUNK]>().write_unaligned(chunk.map(S::widen));
            }
            for j in whole..length {
                to.add(j).write(from.add(j).read_unaligned().widen());
            }
        }
    }
}

/// Columns and depth of what is widened at a time on its way into a panel of B.
const WIDE_COLUMNS: usize = 48;
const WIDE_DEPTH: usize = 64;

/// Packs a panel of B: `columns` columns of `depth`, padded with zeros to rows of `width`.
///
/// # Safety
/// The CPU has the level of `kernels`, `source` is readable over the panel, `packed` is writable for `depth` rows of
/// `width`, `columns <= width`, and `width` is a multiple of the level's lanes and not more than its widest tile.
pub(super) unsafe fn pack_panel<T: Element, S: Operand<T>>(
    kernels: &Kernels<T>,
    source: View<S>,
    depth: usize,
    columns: usize,
    packed: *mut T,
    width: usize,
) {
    // SAFETY: `columns` is at most `width`, and that at most the room for what is widened; the rest is passed on to the caller.
    unsafe {
        if source.column == 1 {
            copy_lines(source, depth, columns, packed, width);
            for p in 0..depth {
                for j in columns..width {
                    packed.add(p * width + j).write(T::ZERO);
                }
            }
        } else if S::WIDENED {
            debug_assert!(columns <= WIDE_COLUMNS);
            let mut wide = [T::ZERO; WIDE_COLUMNS * WIDE_DEPTH];
            for first in (0..depth).step_by(WIDE_DEPTH) {
                let deep = WIDE_DEPTH.min(depth - first);
                let block = View { first: source.at(first, 0), ..source }.transposed();
                copy_lines(block, columns, deep, wide.as_mut_ptr(), WIDE_DEPTH);
                (kernels.transpose)(wide.as_ptr(), WIDE_DEPTH, deep, columns, packed.add(first * width), width);
            }
        } else {
            (kernels.transpose)(source.first.cast(), source.column, depth, columns, packed, width);
        }
    }
}
