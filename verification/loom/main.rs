//! The protocols under loom. `cargo test --features loom -- --nocapture` prints what each model explored.

mod explore;
