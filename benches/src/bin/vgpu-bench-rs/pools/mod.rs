//! The pools, each behind the traits of what it can do.

pub mod chili;
pub mod plain;
pub mod rayon;
pub mod tokio;
pub mod vgpu;
