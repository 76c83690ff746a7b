//! A matrix times a vector: products with one row or one column.
//!
//! Each element of the matrix is used once, so these products wait for memory, and what counts is to read the matrix in runs that the
//! hardware prefetchers follow. The sums stay in the first-level cache. Where the matrix has contiguous rows, several of them are
//! added to the sums at a time. Where it has contiguous columns, a group of columns is turned, in registers or into the cache, and is then as above: a
//! sum is the same chain of multiply-adds in either form, and in the other kernels, so a row alone has the bits which it has among others.
//!
//! Tasks are runs of the sums. Where there are too few sums for all workers a task is a run of blocks of k instead: every block has sums of its
//! own anyway, which are then added to C in the order of the blocks. The bits are the same.

use super::blocking::{TASKS_PER_WORKER, k_block, part};
use super::driver::{Place, packing};
use super::element::Element;
use super::kernel::{Kernels, Rows};
use super::operand::Operand;
use super::problem::{Product, View};
use super::room::Room;
use super::runner::TileRunner;
use crate::error::Result;
use core::ops::Range;

/// Bytes of the sums that a task has at a time: rows are read in runs of this length.
const SUMS_BYTES: usize = 4096;
/// Bytes of C that a task has at least where columns are contiguous: its part of the matrix is in one piece anyway.
const NARROW_BYTES: usize = 256;
/// Bytes of what is transposed at a time: half of the usual first-level cache.
const TURNED_BYTES: usize = 24 << 10;
/// Elements of the matrix below which a task is not worth stealing.
const LEAST_TASK: usize = 1 << 18;
/// Elements of a C that is not contiguous which are gathered at a time.
const GATHERED: usize = 64;

/// `c[j] = alpha * sum over p of vector[p] * matrix[p, j] + beta * c[j]`.
struct Gemv<T: 'static> {
    kernels: &'static Kernels<T>,
    /// `k` rows of `n`.
    matrix: View<T>,
    /// A row of `k`.
    vector: View<T>,
    n: usize,
    k: usize,
    alpha: T,
    beta: T,
    c: Place<T>,
    /// From one element of C to the next.
    c_step: usize,
    /// The length of a block of k.
    depth: usize,
}

/// Whether [`run`] is for this product.
pub(super) fn fits<T: Element, S: Operand<T>>(product: &Product<T, S>) -> bool {
    !S::WIDENED && (product.m == 1 || product.n == 1) && !product.only_scales()
}

/// Computes a product that [`fits`].
///
/// # Safety
/// The matrices of `product` are as [`gemm`](super::gemm) demands, and the CPU has the level of `kernels`.
pub(super) unsafe fn run<T: Element, S: Operand<T>>(
    product: &Product<T, S>,
    kernels: &'static Kernels<T>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    let (matrix, vector, n, c_step) = if product.m == 1 {
        (product.b, product.a, product.n, 1)
    } else {
        (product.a.transposed(), product.b.transposed(), product.m, product.c_row)
    };
    let gemv = Gemv {
        kernels,
        matrix: matrix.cast(),
        vector: vector.cast(),
        n,
        k: product.k,
        alpha: product.alpha,
        beta: product.beta,
        c: Place(product.c),
        c_step,
        depth: k_block(product.k, T::K_BLOCK),
    };
    // SAFETY: passed on to the caller.
    unsafe { gemv.run(tiles) }
}

impl<T: Element> Gemv<T> {
    fn blocks(&self) -> usize {
        self.k.div_ceil(self.depth)
    }

    /// # Safety
    /// As [`run`].
    unsafe fn run(&self, tiles: &dyn TileRunner) -> Result<()> {
        let (workers, blocks) = (tiles.workers().max(1), self.blocks());
        // Shorter runs end before the hardware has begun to fetch ahead.
        let narrow = if self.matrix.column == 1 { SUMS_BYTES } else { NARROW_BYTES } / size_of::<T>();
        let worth = self.n.saturating_mul(self.k) / LEAST_TASK;
        let tasks = if workers == 1 { 1 } else { worth.min(workers.saturating_mul(TASKS_PER_WORKER)).max(1) };
        let runs = self.n.div_ceil(narrow);
        if runs >= tasks || blocks == 1 {
            let tasks = tasks.min(runs);
            // Tasks begin at multiples of `narrow`, so that they share no line of an aligned matrix.
            let body = |i: usize| {
                let run = part(0..runs, tasks, i);
                // SAFETY: the tasks have different columns, and so different elements of C; the rest is passed on to the caller.
                unsafe { self.columns(run.start * narrow..(run.end * narrow).min(self.n)) };
                Ok(())
            };
            return if tasks == 1 { body(0) } else { tiles.for_each(tasks, &body) };
        }
        let tasks = tasks.min(blocks);
        let memory = packing::<T>(tiles, self.n.checked_mul(blocks))?;
        let sums = Place(memory.as_ptr().cast::<T>());
        tiles.for_each(tasks, &|i| {
            for block in part(0..blocks, tasks, i) {
                // SAFETY: each block has a row of the memory; the rest is passed on to the caller.
                unsafe { self.sum_wide(block, 0..self.n, sums.at(block * self.n)) };
            }
            Ok(())
        })?;
        for block in 0..blocks {
            // SAFETY: the tasks are done; the rest is passed on to the caller.
            unsafe { self.finish(block, 0..self.n, sums.at(block * self.n)) };
        }
        Ok(())
    }

    /// Computes these elements of C.
    ///
    /// # Safety
    /// As [`run`]; nobody else touches these elements.
    unsafe fn columns(&self, columns: Range<usize>) {
        let mut room = Room::<SUMS_BYTES>::new();
        let sums = room.first::<T>();
        // Contiguous columns are read from end to end, a few at a time.
        let turned = self.kernels.add_columns.filter(|_| self.matrix.column != 1);
        let width = turned.map_or(SUMS_BYTES / size_of::<T>(), |(together, _)| together);
        let mut start = columns.start;
        while start < columns.end {
            let end = columns.end.min(start + width);
            for block in 0..self.blocks() {
                // SAFETY: the room holds `width` sums; the rest is passed on to the caller.
                unsafe {
                    self.sum(block, start..end, sums);
                    self.finish(block, start..end, sums);
                }
            }
            start = end;
        }
    }

    /// As [`sum`](Self::sum), for any number of columns.
    ///
    /// # Safety
    /// As [`sum`](Self::sum).
    unsafe fn sum_wide(&self, block: usize, columns: Range<usize>, sums: *mut T) {
        let width = SUMS_BYTES / size_of::<T>();
        let mut start = columns.start;
        while start < columns.end {
            let end = columns.end.min(start + width);
            // SAFETY: passed on to the caller.
            unsafe { self.sum(block, start..end, sums.wrapping_add(start - columns.start)) };
            start = end;
        }
    }

    /// The sums of one block of k for some columns.
    ///
    /// # Safety
    /// As [`run`]; `sums` is writable for the columns, and nobody else uses it.
    unsafe fn sum(&self, block: usize, columns: Range<usize>, sums: *mut T) {
        let start = block * self.depth;
        let end = self.k.min(start + self.depth);
        for i in 0..columns.len() {
            // SAFETY: the caller vouches for the sums.
            unsafe { sums.add(i).write(T::ZERO) };
        }
        let rows = Rows {
            count: end - start,
            first: self.matrix.at(start, columns.start),
            row: self.matrix.row,
            factor: self.vector.at(0, start),
            factor_step: self.vector.column,
            columns: columns.len(),
        };
        if self.matrix.column == 1 {
            // SAFETY: these rows and factors lie within the matrix and the vector, for which the caller vouches.
            unsafe { (self.kernels.add_rows)(&rows, sums) }
        } else {
            // SAFETY: passed on to the caller.
            unsafe { self.sum_turned(&rows, sums) }
        }
    }

    /// Adds rows to `sums` of a matrix whose columns are contiguous.
    ///
    /// # Safety
    /// `rows`, but with columns in the place of rows, is readable; `sums` is writable for its columns.
    unsafe fn sum_turned(&self, rows: &Rows<T>, sums: *mut T) {
        let mut room = Room::<TURNED_BYTES>::new();
        let turned = room.first::<T>();
        let width = 2 * 64 / size_of::<T>();
        let deep = TURNED_BYTES / size_of::<T>() / width;
        let mut column = 0;
        if let Some((together, add_columns)) = self.kernels.add_columns {
            while column + together <= rows.columns {
                let rows = Rows { first: rows.first.wrapping_add(column * self.matrix.column), ..*rows };
                // SAFETY: so many columns lie within the matrix, and as many sums.
                unsafe { add_columns(&rows, self.matrix.column, sums.wrapping_add(column)) };
                column += together;
            }
        }
        while column < rows.columns {
            let columns = width.min(rows.columns - column);
            let mut start = 0;
            while start < rows.count {
                let count = deep.min(rows.count - start);
                let from = rows.first.wrapping_add(column * self.matrix.column + start);
                // SAFETY: this part lies within the matrix, and in the room there are `deep` rows of `width`, which is a multiple of every
                // level's lanes.
                unsafe {
                    (self.kernels.transpose)(from, self.matrix.column, count, columns, turned, width);
                    let factor = rows.factor.wrapping_add(start * rows.factor_step);
                    let rows = Rows { count, first: turned, row: width, factor, columns, ..*rows };
                    (self.kernels.add_rows)(&rows, sums.wrapping_add(column));
                }
                start += count;
            }
            column += columns;
        }
    }

    /// Adds the sums of one block to C.
    ///
    /// # Safety
    /// As [`run`]; `sums` holds those of the columns, and nobody else touches these elements of C.
    unsafe fn finish(&self, block: usize, columns: Range<usize>, sums: *const T) {
        let beta = if block == 0 { self.beta } else { T::ONE };
        let finish = self.kernels.finish;
        if self.c_step == 1 {
            // SAFETY: passed on to the caller.
            return unsafe { finish(columns.len(), sums, self.c.at(columns.start), self.alpha, beta) };
        }
        let mut room = [T::ZERO; GATHERED];
        let mut start = columns.start;
        while start < columns.end {
            let count = GATHERED.min(columns.end - start);
            // SAFETY: passed on to the caller; where beta is zero C is not read.
            unsafe {
                if beta != T::ZERO {
                    for (i, old) in room.iter_mut().enumerate().take(count) {
                        *old = self.c.at((start + i) * self.c_step).read_unaligned();
                    }
                }
                let sums = sums.wrapping_add(start - columns.start);
                finish(count, sums, room.as_mut_ptr(), self.alpha, beta);
                for (i, &value) in room.iter().enumerate().take(count) {
                    self.c.at((start + i) * self.c_step).write_unaligned(value);
                }
            }
            start += count;
        }
    }
}
