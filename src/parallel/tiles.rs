//! A loop over the tiles of a rectangle.

use super::range::{for_range, for_range_on};
use crate::error::{Result, error};
use crate::pool::{Pool, Worker};
use core::ops::Range;

/// A rectangle of a two-dimensional loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The rows it covers.
    pub rows: Range<usize>,
    /// The columns it covers.
    pub columns: Range<usize>,
}

/// How a rectangle is cut into tiles. The last tile of a row or column may be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Rows of the rectangle.
    pub rows: usize,
    /// Columns of the rectangle.
    pub columns: usize,
    /// Rows of a tile; at least 1.
    pub tile_rows: usize,
    /// Columns of a tile; at least 1.
    pub tile_columns: usize,
}

impl Tiling {
    /// How many tiles there are.
    ///
    /// Errors: [`InvalidArgument`](crate::error::Status::InvalidArgument) for tiles without rows or columns,
    /// [`Overflow`](crate::error::Status::Overflow) for more tiles than can be counted.
    pub fn count(&self) -> Result<usize> {
        if self.tile_rows == 0 || self.tile_columns == 0 {
            return Err(error!(
                InvalidArgument,
                "tiles of {} x {} were asked for; a tile has at least one row and one column",
                self.tile_rows,
                self.tile_columns
            ));
        }
        let (down, across) = (self.rows.div_ceil(self.tile_rows), self.columns.div_ceil(self.tile_columns));
        down.checked_mul(across).ok_or_else(|| {
            error!(
                Overflow,
                "{} x {} items in tiles of {} x {} are more tiles than can be counted; make them larger",
                self.rows,
                self.columns,
                self.tile_rows,
                self.tile_columns
            )
        })
    }

    /// Tile number `index`, counted along the rows.
    pub fn tile(&self, index: usize) -> Tile {
        let across = self.columns.div_ceil(self.tile_columns).max(1);
        let cut = |number: usize, size: usize, end: usize| {
            let start = number * size;
            start..end.min(start.saturating_add(size))
        };
        Tile {
            rows: cut(index / across, self.tile_rows, self.rows),
            columns: cut(index % across, self.tile_columns, self.columns),
        }
    }
}

/// Calls `body` once for each tile of the rectangle, on the workers of `pool`, and returns when all are done. With no pool
/// the caller runs the tiles in order.
///
/// Errors: those of [`Tiling::count`], and as [`for_range`].
pub fn for_tiles<B>(pool: Option<&Pool>, tiling: Tiling, body: B) -> Result<()>
where
    B: Fn(Option<&Worker>, Tile) -> Result<()> + Sync,
{
    for_range(pool, 0..tiling.count()?, 1, |worker, mut piece| {
        piece.try_for_each(|index| body(worker, tiling.tile(index)))
    })
}

/// As [`for_tiles`], on the workers of the pool that `worker` belongs to.
pub fn for_tiles_on<B>(worker: &Worker, tiling: Tiling, body: B) -> Result<()>
where
    B: Fn(&Worker, Tile) -> Result<()> + Sync,
{
    for_range_on(worker, 0..tiling.count()?, 1, |worker, mut piece| {
        piece.try_for_each(|index| body(worker, tiling.tile(index)))
    })
}
