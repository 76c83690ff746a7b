//! The C ABI: argument checks, panic guards and calls down.
//!
//! One file for each noun of `include/vgpu_pool.h`, which cbindgen makes from here; the comments of the exported items are
//! the header's. So they are written for C programmers, and say in prose what a `# Safety` section would.
#![allow(non_camel_case_types)]
#![allow(clippy::missing_safety_doc)]

mod arguments;
pub mod callbacks;
pub mod config;
pub mod error;
pub mod fork;
pub mod future;
pub mod gemm;
pub mod gemm_batch;
pub mod gemm_files;
pub mod gemm_packed;
pub mod graph;
pub mod group;
pub mod lease;
pub mod micropools;
pub mod node;
pub mod numa;
pub mod options;
pub mod parallel;
pub mod pool;
pub mod reduce;
pub mod scan;
pub mod sized;
pub mod sort;
pub mod stats;
pub mod status;
pub mod tiers;
pub mod topology;
pub mod trace;
pub mod worker;
