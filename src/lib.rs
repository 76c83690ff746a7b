//! A work-stealing, NUMA-aware thread pool with futures and tiled GEMM, model-checked, with a stable C ABI.

pub mod error;
pub mod gemm;
pub mod os;
pub mod parallel;
pub mod pool;
pub mod protocol;
pub mod sync;
pub mod topology;
