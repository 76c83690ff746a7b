//! Blocks of a matrix in a file.

use super::FileMatrix;
use crate::error::{Result, error};
use crate::gemm::problem::View;
use crate::os::disk::Disk;
use core::ops::Range;

/// A or B: a file and the way through it.
pub(super) struct Source {
    disk: Disk,
    offset: u64,
    /// Elements from one row, and from one column, to the next. One of them is 1.
    row: usize,
    pub(super) column: usize,
}

impl Source {
    pub(super) fn open<T>(
        name: char,
        matrix: &FileMatrix,
        view: View<T>,
        rows: usize,
        columns: usize,
    ) -> Result<Source> {
        let disk = Disk::open(matrix.path.clone())?;
        let last = (rows - 1) * view.row + (columns - 1) * view.column;
        let needed = matrix.offset.saturating_add(((last + 1) * size_of::<T>()) as u64);
        let found = disk.bytes()?;
        if found < needed {
            return Err(error!(
                Io,
                "{}: has {found} bytes, but {name} needs {needed}; pass the whole file, or smaller sizes", matrix.path
            ));
        }
        Ok(Source { disk, offset: matrix.offset, row: view.row, column: view.column })
    }

    pub(super) fn transposed(self) -> Source {
        Source { row: self.column, column: self.row, ..self }
    }

    /// Elements of a line of a block as it lies in the file, of which one read brings at least one.
    pub(super) fn line(&self, rows: usize, columns: usize) -> usize {
        if self.column == 1 { columns } else { rows }
    }

    /// The pieces of a block that lie together in the file: where each begins, and its bytes.
    fn extents<T>(&self, rows: &Range<usize>, columns: &Range<usize>) -> impl Iterator<Item = (u64, usize)> {
        let (lines, within, step) =
            if self.column == 1 { (rows, columns, self.row) } else { (columns, rows, self.column) };
        // Lines that are whole follow each other in the file, too.
        let (count, length) =
            if step == within.len() { (1, within.len() * lines.len()) } else { (lines.len(), within.len()) };
        let first = lines.start * step + within.start;
        let (offset, size) = (self.offset, size_of::<T>());
        (0..count).map(move |i| (offset + ((first + i * step) * size) as u64, length * size))
    }

    /// Has the system begin to read a block that is to be read later.
    pub(super) fn announce<T>(&self, rows: &Range<usize>, columns: &Range<usize>) {
        for (place, bytes) in self.extents::<T>(rows, columns) {
            self.disk.will_read(place, bytes as u64);
        }
    }

    /// Reads a block, whose lines then lie one after the other, and says how to walk it.
    ///
    /// # Safety
    /// `to` is writable for the block.
    pub(super) unsafe fn read<T>(&self, rows: &Range<usize>, columns: &Range<usize>, to: *mut T) -> Result<View<T>> {
        let mut at = to.cast::<u8>();
        for (place, bytes) in self.extents::<T>(rows, columns) {
            // SAFETY: the block's lines, which have room by contract.
            unsafe {
                self.disk.read(place, at, bytes)?;
                at = at.add(bytes);
            }
        }
        Ok(if self.column == 1 {
            View { first: to, row: columns.len(), column: 1 }
        } else {
            View { first: to, row: 1, column: rows.len() }
        })
    }
}
