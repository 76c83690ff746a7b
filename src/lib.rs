//! A work-stealing, NUMA-aware thread pool with futures and tiled GEMM, model-checked, with a stable C ABI.

#[cfg(feature = "capi")]
pub mod capi;
pub mod error;
pub mod gemm;
pub mod memory;
pub mod os;
pub mod parallel;
pub mod pool;
pub mod protocol;
pub mod sync;
pub mod topology;
