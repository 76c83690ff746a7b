//! Loops on a pool, built on [`Worker::join`](crate::pool::Worker::join) or on tasks that are taken back and nothing else, and [task graphs](graph).
//!
//! | what | functions | which pieces |
//! |---|---|---|
//! | each index once, in any order | [`for_range`], [`for_tiles`] | whatever keeps the workers busy |
//! | the same, where the caller is no worker and takes part | [`crew`] | single calls |
//! | the same, each index on the same worker every time | [`for_range_static`] | one for each worker, or of the grain's length |
//! | one value out of all indices | [`reduce()`] | fixed by the length: the same bits for any number of workers |
//! | the value before each index | [`scan()`], [`inclusive_scan`], [`exclusive_scan`] | fixed by the length, likewise |
//! | a slice in order | [`sort()`], [`sort_by`] | fixed by the items |
//! | the same inside a recursion, in brackets that depend on who takes part | [`Worker::fold`](crate::pool::Worker::fold) | single calls |
//! | a call for each index | [`fork_all()`], [`Worker::fork_all`](crate::pool::Worker::fork_all) | single calls |

pub mod crew;
mod failure;
pub mod fork_all;
pub mod graph;
mod order;
mod place;
pub mod range;
pub mod reduce;
pub mod scan;
pub mod sort;
#[cfg(feature = "capi")]
mod sort_bytes;
pub mod static_range;
pub mod tiles;

pub use fork_all::fork_all;
pub use range::{for_range, for_range_on};
pub use reduce::{reduce, reduce_on};
#[cfg(feature = "capi")]
pub(crate) use scan::{ScanValues, scan_copying};
pub use scan::{exclusive_scan, inclusive_scan, scan, scan_on};
pub use sort::{sort, sort_by, sort_by_on};
#[cfg(feature = "capi")]
pub(crate) use sort_bytes::sort_bytes;
pub use static_range::{for_range_static, for_range_static_on};
pub use tiles::{Tile, Tiling, for_tiles, for_tiles_on};

use core::ops::Range;

/// Cuts a range of more than `grain` indices in two, where the left part is a whole number of grains: so all pieces but the last have
/// the grain's length. Depends on nothing else.
fn cut(range: Range<usize>, grain: usize) -> (Range<usize>, Range<usize>) {
    let pieces = range.len().div_ceil(grain);
    let middle = range.start + pieces / 2 * grain;
    (range.start..middle, middle..range.end)
}

/// The grain of a loop whose pieces depend on its length alone: at most 1024 pieces, and fewer where the range is short, so
/// that cheap bodies outweigh the forks.
fn fixed_grain(len: usize, grain: usize) -> usize {
    match grain {
        0 => (len.isqrt() / 4).max(len.div_ceil(1024)).max(1),
        grain => grain,
    }
}
