//! Ten children at each level; a leaf returns its number.

use super::Program;
use crate::pool::Pool;
use std::hint::black_box;

const CHILDREN: u64 = 10;

pub struct Skynet {
    leaves: u64,
}

fn skynet<P: Pool>(worker: P::Worker<'_>, first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let part = leaves / CHILDREN;
    P::fork_each(worker, CHILDREN as usize, &|worker, i| skynet::<P>(worker, first + i as u64 * part, part))
}

impl Program for Skynet {
    const WARM_UP: u64 = 4;
    type Answer = u64;

    fn prepare(depth: u64) -> Skynet {
        Skynet { leaves: CHILDREN.pow(depth as u32) }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) -> u64 {
        skynet::<P>(worker, 0, black_box(self.leaves))
    }

    fn check(&self, answer: u64) -> String {
        answer.to_string()
    }
}
