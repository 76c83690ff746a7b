//! What the library asks of the operating system, each thing in one place and each able to fail politely.

pub mod affinity;
pub mod alloc;
#[cfg(target_arch = "x86_64")]
pub mod amx;
pub mod clock;
pub mod disk;
pub mod file;
pub mod fork;
pub mod futex;
pub mod mempolicy;
pub mod pages;
pub mod thread;
