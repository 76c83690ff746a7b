//! A product of square matrices of integers: eight products of quarters, in two rounds of four.

use super::Program;
use super::shared::{At, Cells};
use crate::pool::Pool;
use vgpu_bench::kernels::{MATMUL_LEAF, matmul_leaf};

pub struct Product {
    size: usize,
    a: Cells<i32>,
    b: Cells<i32>,
    c: Cells<i32>,
}

/// C += A * B for blocks of `size` rows and columns.
fn multiply<P: Pool>(worker: P::Worker<'_>, blocks: [At<i32>; 3], size: usize, stride: usize) {
    let [a, b, c] = blocks;
    if size == MATMUL_LEAF {
        // SAFETY: all blocks lie in matrices of that stride; forks of one round write different quarters of C.
        return unsafe { matmul_leaf(a.0, b.0, c.0, stride) };
    }
    let half = size / 2;
    let quarter = |of: At<i32>, row: usize, column: usize| of.plus((row * stride + column) * half);
    for k in 0..2 {
        P::fork_each(worker, 4, &|worker, i| {
            let (row, column) = (i / 2, i % 2);
            let blocks = [quarter(a, row, k), quarter(b, k, column), quarter(c, row, column)];
            multiply::<P>(worker, blocks, half, stride);
        });
    }
}

impl Program for Product {
    const WARM_UP: u64 = 128;
    type Answer = ();

    fn prepare(size: u64) -> Product {
        let size = size as usize;
        assert!(size.is_power_of_two() && size >= MATMUL_LEAF);
        let filled = |with| Cells::from_fn(size * size, |_| with);
        Product { size, a: filled(1), b: filled(1), c: filled(0) }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) {
        multiply::<P>(worker, [self.a.start(), self.b.start(), self.c.start()], self.size, self.size);
    }

    /// Every element is a row of ones times a column of ones.
    fn check(&self, (): ()) -> String {
        // SAFETY: the program has ended.
        let c = unsafe { self.c.as_slice() };
        match c.iter().find(|element| **element != self.size as i32) {
            None => self.size.to_string(),
            Some(wrong) => format!("{wrong} in a product of {} ones", self.size),
        }
    }
}
