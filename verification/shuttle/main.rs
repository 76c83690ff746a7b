//! The protocols under shuttle.
#![allow(unreachable_pub)]
