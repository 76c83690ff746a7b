//! Every way to place n queens: the board is copied for each child, and each legal move is a child.

use super::Program;
use crate::pool::Pool;
use std::hint::black_box;
use vgpu_bench::kernels::{self, Board, QUEENS_MAX};

pub struct Queens {
    size: u32,
}

fn solutions<P: Pool>(worker: P::Worker<'_>, board: &Board, row: u32, size: u32) -> u64 {
    if row == size {
        return 1;
    }
    let mut moves = Board::default();
    let count = kernels::queens_moves(board, row, size, &mut moves);
    if count == 0 {
        return 0;
    }
    P::fork_each(worker, count, &|worker, i| {
        let mut next = *board;
        next[row as usize] = moves[i];
        solutions::<P>(worker, &next, row + 1, size)
    })
}

impl Program for Queens {
    const WARM_UP: u64 = 8;
    type Answer = u64;

    fn prepare(size: u64) -> Queens {
        assert!(size as usize <= QUEENS_MAX);
        Queens { size: size as u32 }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) -> u64 {
        solutions::<P>(worker, &Board::default(), 0, black_box(self.size))
    }

    fn check(&self, answer: u64) -> String {
        answer.to_string()
    }
}
