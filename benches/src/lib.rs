//! What the benchmark's two programs share: the kernels, CPUs, the list of what is measured, and the line a sample travels on.

pub mod catalogue;
pub mod cpus;
pub mod kernels;
pub mod sample;
