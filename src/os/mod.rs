//! What the library asks of the operating system, each thing in one place and each able to fail politely.

pub mod alloc;
pub mod clock;
pub mod futex;
