//! The Cholesky factor of a dense matrix by quarters: factor the first, solve for the one below it, subtract its square from the
//! last, factor that.

use super::Program;
use super::shared::{At, Cells};
use crate::pool::Pool;
use vgpu_bench::kernels::{CHOLESKY_LEAF, cholesky_leaf, solve_leaf, subtract_leaf};

pub struct Factor {
    size: usize,
    matrix: Cells<f64>,
}

/// A square block of the matrix.
#[derive(Clone, Copy)]
struct Block {
    at: At<f64>,
    size: usize,
    stride: usize,
}

impl Block {
    fn quarter(self, row: usize, column: usize) -> Block {
        let half = self.size / 2;
        Block { at: self.at.plus((row * self.stride + column) * half), size: half, ..self }
    }

    fn is_leaf(self) -> bool {
        self.size == CHOLESKY_LEAF
    }
}

/// A = L * L', in place of A.
fn factor<P: Pool>(worker: P::Worker<'_>, a: Block) {
    if a.is_leaf() {
        // SAFETY: a block of the matrix that this fork owns.
        return unsafe { cholesky_leaf(a.at.0, a.stride) };
    }
    factor::<P>(worker, a.quarter(0, 0));
    solve::<P>(worker, a.quarter(0, 0), a.quarter(1, 0));
    subtract_square::<P>(worker, a.quarter(1, 0), a.quarter(1, 1));
    factor::<P>(worker, a.quarter(1, 1));
}

/// X * L' = B, in place of B. Rows of B do not depend on each other.
fn solve<P: Pool>(worker: P::Worker<'_>, l: Block, b: Block) {
    if b.is_leaf() {
        // SAFETY: blocks of the matrix; this fork owns B, and L is done.
        return unsafe { solve_leaf(l.at.0, b.at.0, b.stride) };
    }
    P::fork_each(worker, 2, &|worker, row| {
        let (left, right) = (b.quarter(row, 0), b.quarter(row, 1));
        solve::<P>(worker, l.quarter(0, 0), left);
        subtract::<P>(worker, left, l.quarter(1, 0), right);
        solve::<P>(worker, l.quarter(1, 1), right);
    });
}

/// C -= A * A', lower triangle.
fn subtract_square<P: Pool>(worker: P::Worker<'_>, a: Block, c: Block) {
    if c.is_leaf() {
        // SAFETY: blocks of the matrix; this fork owns C, and A is done.
        return unsafe { subtract_leaf(a.at.0, a.at.0, c.at.0, c.stride) };
    }
    for k in 0..2 {
        P::fork_each(worker, 3, &|worker, i| match i {
            0 => subtract_square::<P>(worker, a.quarter(0, k), c.quarter(0, 0)),
            1 => subtract::<P>(worker, a.quarter(1, k), a.quarter(0, k), c.quarter(1, 0)),
            _ => subtract_square::<P>(worker, a.quarter(1, k), c.quarter(1, 1)),
        });
    }
}

/// C -= A * B'.
fn subtract<P: Pool>(worker: P::Worker<'_>, a: Block, b: Block, c: Block) {
    if c.is_leaf() {
        // SAFETY: blocks of the matrix; this fork owns C, and A and B are done.
        return unsafe { subtract_leaf(a.at.0, b.at.0, c.at.0, c.stride) };
    }
    for k in 0..2 {
        P::fork_each(worker, 4, &|worker, i| {
            let (row, column) = (i / 2, i % 2);
            subtract::<P>(worker, a.quarter(row, k), b.quarter(column, k), c.quarter(row, column));
        });
    }
}

impl Program for Factor {
    const WARM_UP: u64 = 128;
    type Answer = ();

    /// The matrix whose factor is all ones: its elements count the ones that two rows have in common.
    fn prepare(size: u64) -> Factor {
        let size = size as usize;
        assert!(size.is_power_of_two() && size >= CHOLESKY_LEAF);
        Factor { size, matrix: Cells::from_fn(size * size, |i| ((i / size).min(i % size) + 1) as f64) }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) {
        factor::<P>(worker, Block { at: self.matrix.start(), size: self.size, stride: self.size });
    }

    fn check(&self, (): ()) -> String {
        // SAFETY: the program has ended.
        let matrix = unsafe { self.matrix.as_slice() };
        let lower = |i: &usize| i % self.size <= i / self.size;
        match (0..matrix.len()).filter(lower).find(|i| matrix[*i] != 1.0) {
            None => format!("{}: exact", self.size),
            Some(i) => format!("{} at {i}, not 1", matrix[i]),
        }
    }
}
