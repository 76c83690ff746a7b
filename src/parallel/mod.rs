//! Loops on a pool: built on [`Worker::join`](crate::pool::Worker::join) and nothing else.

pub mod range;
pub mod tiles;

pub use range::{for_range, for_range_on};
pub use tiles::{Tile, Tiling, for_tiles, for_tiles_on};
