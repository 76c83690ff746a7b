//! How much of the matrices is in memory at a time, chosen such that as little as possible is read twice.
//!
//! With tiles of C of r x c elements, and chunks of d of k, the panels of A are read once for each column of tiles, those of B once for
//! each row:
//! ```text
//! read   = m k ceil(n / c) + k n ceil(m / r)       a panel that holds all of k stays while the next tile needs it: once
//! memory = r c + 2 d (r + c) + packed              twice, because the next panels are read while the present are multiplied
//! ```
//! Were d nothing, square tiles of r = c = sqrt(memory) would be best, and read 2 m n k / sqrt(memory): 5.7 times the least that any order
//! of the same multiply-adds can do, m n k / sqrt(8 memory) (Irony, Toledo and Tiskin, 2004). But tiles come in whole numbers:
//! with operands four times the memory it is one or two each way, and sizes that do not divide m and n waste half of it. So no formula
//! is solved. All heights are tried, with each the widest tile that fits, and chunks by doubling; the cheapest is taken.

use super::Whole;
use super::source::Source;
use crate::error::{Result, error};
use crate::gemm::blocking;
use crate::gemm::driver::room_of_blocks;
use crate::gemm::element::Element;
use crate::gemm::problem::{Product, View};
use crate::gemm::runner::TileRunner;
use core::ops::Range;
use core::ptr;

/// How much is in memory at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces {
    /// Of C.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Of k: a number of blocks.
    pub(super) deep: usize,
    /// How much of B is packed at a time, in bytes.
    pub(super) packs: usize,
}

/// One chunk of one tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    pub(super) depth: Range<usize>,
}

impl Chunk {
    /// Whether `next` needs another panel of A, and of B, than this one.
    pub(super) fn lacks(&self, next: &Chunk) -> (bool, bool) {
        let deeper = self.depth != next.depth;
        (deeper || self.rows != next.rows, deeper || self.columns != next.columns)
    }
}

fn cut(total: usize, step: usize, i: usize) -> Range<usize> {
    i * step..((i + 1) * step).min(total)
}

impl Pieces {
    fn chunks(&self, k: usize) -> usize {
        k.div_ceil(self.deep).max(1)
    }

    /// How many steps there are, and what step `i` covers: chunk after chunk, tile after tile, row after row.
    pub(super) fn steps<T>(&self, whole: &Whole<T>) -> usize {
        whole.m.div_ceil(self.rows) * whole.n.div_ceil(self.columns) * self.chunks(whole.k)
    }

    pub(super) fn step<T>(&self, whole: &Whole<T>, i: usize) -> Chunk {
        let (tile, chunk) = (i / self.chunks(whole.k), i % self.chunks(whole.k));
        let across = whole.n.div_ceil(self.columns);
        Chunk {
            rows: cut(whole.m, self.rows, tile / across),
            columns: cut(whole.n, self.columns, tile % across),
            depth: cut(whole.k, self.deep, chunk),
        }
    }

    /// Elements of a panel of A and of one of B.
    pub(super) fn panels(&self) -> (usize, usize) {
        (self.rows * self.deep, self.deep * self.columns)
    }
}

impl<T: Element> Whole<T> {
    pub(super) fn product(&self, pieces: &Pieces) -> Product<T> {
        let line = |rows, columns, source: &Option<Source>| match source {
            Some(source) if source.column != 1 => View { first: ptr::null(), row: 1, column: rows },
            _ => View { first: ptr::null(), row: columns, column: 1 },
        };
        Product {
            m: pieces.rows,
            n: pieces.columns,
            k: pieces.deep.min(self.k),
            alpha: self.alpha,
            a: line(pieces.rows, pieces.deep, &self.a),
            b: line(pieces.deep, pieces.columns, &self.b),
            beta: self.beta,
            c: ptr::null_mut(),
            c_row: pieces.columns,
        }
    }

    /// Bytes of all buffers; `None` for more than there are addresses.
    fn memory(&self, pieces: &Pieces, tiles: &dyn TileRunner) -> Option<usize> {
        let panels = pieces.rows.checked_add(pieces.columns)?.checked_mul(pieces.deep)?.checked_mul(2)?;
        let elements = pieces.rows.checked_mul(pieces.columns)?.checked_add(panels)?;
        elements.checked_mul(size_of::<T>())?.checked_add(self.packed(pieces, tiles)?)
    }

    /// Bytes of packed panels: as many as any step takes. The last ones are smaller, and may take more, since they are cut otherwise.
    pub(super) fn packed(&self, pieces: &Pieces, tiles: &dyn TileRunner) -> Option<usize> {
        let sizes =
            |total: usize, step: usize| [step, total.checked_rem(step).filter(|&rest| rest > 0).unwrap_or(step)];
        let mut most = 0;
        for rows in sizes(self.m, pieces.rows) {
            for columns in sizes(self.n, pieces.columns) {
                for deep in sizes(self.k, pieces.deep) {
                    let product = self.product(&Pieces { rows, columns, deep, ..*pieces });
                    most = most.max(room_of_blocks(self.depth, pieces.packs, &product, self.kernels, tiles)?);
                }
            }
        }
        Some(most)
    }

    /// What a choice costs in elements to read: those of A and B, as often as they are read; as much as 4 KiB more for each call; and
    /// the first panels, which nothing hides.
    fn cost(&self, pieces: &Pieces) -> u128 {
        let (down, across) = (self.m.div_ceil(pieces.rows), self.n.div_ceil(pieces.columns));
        let once = pieces.chunks(self.k) == 1;
        let calls = (4096 / size_of::<T>()) as u128;
        let read = |elements: u128, line: usize| elements + elements * calls / line.max(1) as u128;
        let line =
            |source: &Option<Source>, rows, columns| source.as_ref().map_or(1, |source| source.line(rows, columns));
        let (m, n, k) = (self.m as u128, self.n as u128, self.k as u128);
        let of_a = m * k * if once { 1 } else { across as u128 };
        let of_b = k * n * if once && across == 1 { 1 } else { down as u128 };
        let (a, b) = pieces.panels();
        read(of_a, line(&self.a, pieces.rows, pieces.deep))
            + read(of_b, line(&self.b, pieces.deep, pieces.columns))
            + (a + b) as u128
    }

    /// The pieces that cost least within the budget.
    pub(super) fn pieces(&self, budget: usize, tiles: &dyn TileRunner) -> Result<Pieces> {
        let (lines, panel) = (self.kernels.rows, self.kernels.columns());
        let packs = (budget / 8).min(blocking::PACKED_BYTES);
        let part = |total: usize, parts: usize, step: usize| total.div_ceil(parts).next_multiple_of(step).min(total);
        let fits = |pieces: &Pieces| self.memory(pieces, tiles).is_some_and(|bytes| bytes <= budget);
        let mut best: Option<(u128, Pieces)> = None;
        let mut blocks = 1;
        loop {
            let deep = (blocks * self.depth).min(self.k.max(1));
            let mut down = 1;
            loop {
                let rows = part(self.m, down, lines);
                let with = |across: usize| Pieces { rows, columns: part(self.n, across, panel), deep, packs };
                // The fewest columns of tiles that fit.
                let (mut low, mut high) = (1, self.n.div_ceil(panel));
                while low < high {
                    let middle = low.midpoint(high);
                    if fits(&with(middle)) {
                        high = middle;
                    } else {
                        low = middle + 1;
                    }
                }
                let pieces = with(low);
                let cost = self.cost(&pieces);
                if fits(&pieces) && best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, pieces));
                }
                if rows <= lines {
                    break;
                }
                down += (down / 8).max(1);
            }
            if deep >= self.k {
                break;
            }
            blocks *= 2;
        }
        best.map(|(_, pieces)| pieces).ok_or_else(|| {
            let least = Pieces {
                rows: lines.min(self.m),
                columns: panel.min(self.n),
                deep: self.depth.min(self.k.max(1)),
                packs,
            };
            error!(
                InvalidArgument,
                "a budget of {budget} bytes does not hold the smallest pieces of this product; pass {} or more",
                self.memory(&least, tiles).unwrap_or(usize::MAX)
            )
        })
    }
}
