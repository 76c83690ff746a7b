//! The protocols under shuttle.
