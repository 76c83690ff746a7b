//! Every implementation, and which programs it runs.

use super::{Implementation, Role};

const FORKING: &[&str] =
    &["fib", "skynet", "nqueens", "matmul", "uts-t1", "uts-t3", "integrate", "cilksort", "cholesky", "uts-t3l"];
/// Programs whose nodes have more than two children.
const BRANCHING: &[&str] = &["skynet", "nqueens", "matmul", "uts-t1", "uts-t3", "cholesky", "uts-t3l"];
const FORKING_AND_LATENCY: &[&str] = &[
    "fib",
    "skynet",
    "nqueens",
    "matmul",
    "uts-t1",
    "uts-t3",
    "integrate",
    "cilksort",
    "cholesky",
    "uts-t3l",
    "join-awake",
    "join-asleep",
    "idle",
];
const TASKING: &[&str] = &[
    "fib",
    "skynet",
    "nqueens",
    "matmul",
    "uts-t1",
    "uts-t3",
    "integrate",
    "cilksort",
    "cholesky",
    "uts-t3l",
    "submit",
    "wake",
    "join-awake",
    "join-asleep",
    "idle",
];
const EVERYTHING: &[&str] = &[
    "fib",
    "skynet",
    "nqueens",
    "matmul",
    "uts-t1",
    "uts-t3",
    "integrate",
    "cilksort",
    "cholesky",
    "uts-t3l",
    "submit",
    "wake",
    "join-awake",
    "join-asleep",
    "idle",
    "for-empty",
    "for-cheap",
    "for-skewed",
];
const LOOPS: &[&str] = &["for-empty", "for-cheap", "for-skewed"];

const RUST: Implementation = Implementation {
    name: "",
    role: Role::Peer,
    way_of: None,
    binary: "vgpu-bench-rs",
    programs: &[],
    tiny: false,
    serial: false,
    from: "crates.io",
};
const TBB: Implementation = Implementation { binary: "vgpu-bench-tbb", from: "Debian's libtbb-dev", ..RUST };
const LIBOMP: Implementation =
    Implementation { binary: "vgpu-bench-libomp", from: "Debian's clang and libomp-dev", ..RUST };
const LIBGOMP: Implementation = Implementation { binary: "vgpu-bench-libgomp", from: "Debian's g++", ..RUST };

/// Every implementation, in the order of the report.
pub const IMPLEMENTATIONS: &[Implementation] = &[
    Implementation { name: "vgpu", role: Role::Ours, programs: EVERYTHING, ..RUST },
    Implementation { name: "vgpu-batch", role: Role::Variant, programs: &["submit"], ..RUST },
    Implementation { name: "vgpu-outside", role: Role::Variant, programs: LOOPS, ..RUST },
    Implementation {
        name: "vgpu-c",
        role: Role::Variant,
        binary: "vgpu-bench-vgpu-c",
        programs: EVERYTHING,
        from: "this repository, with a C++ compiler",
        ..RUST
    },
    Implementation {
        name: "vgpu-c-storage",
        role: Role::Variant,
        binary: "vgpu-bench-vgpu-c",
        programs: &["submit"],
        from: "this repository, with a C++ compiler",
        ..RUST
    },
    Implementation {
        name: "vgpu-cpp",
        role: Role::Variant,
        binary: "vgpu-bench-vgpu-cpp",
        programs: FORKING_AND_LATENCY,
        from: "this repository, with g++",
        ..RUST
    },
    Implementation { name: "rayon", programs: EVERYTHING, ..RUST },
    Implementation { name: "rayon-iter", way_of: Some("rayon"), programs: BRANCHING, ..RUST },
    Implementation { name: "chili", programs: FORKING_AND_LATENCY, ..RUST },
    Implementation { name: "chili-each", role: Role::Variant, programs: &["fib"], ..RUST },
    Implementation { name: "tokio", programs: &["submit", "wake", "idle"], ..RUST },
    Implementation { name: "tbb", programs: EVERYTHING, ..TBB },
    Implementation { name: "libomp", programs: TASKING, ..LIBOMP },
    Implementation { name: "libomp-static", programs: LOOPS, ..LIBOMP },
    Implementation { name: "libomp-dynamic", programs: LOOPS, ..LIBOMP },
    Implementation { name: "libomp-guided", programs: LOOPS, ..LIBOMP },
    Implementation { name: "libgomp", programs: TASKING, ..LIBGOMP },
    Implementation { name: "libgomp-static", programs: LOOPS, ..LIBGOMP },
    Implementation { name: "libgomp-dynamic", programs: LOOPS, ..LIBGOMP },
    Implementation { name: "libgomp-guided", programs: LOOPS, ..LIBGOMP },
    Implementation {
        name: "std-async",
        binary: "vgpu-bench-std-async",
        programs: &["fib", "skynet", "nqueens", "matmul", "integrate", "submit", "wake", "idle"],
        tiny: true,
        from: "Debian's g++",
        ..RUST
    },
    Implementation { name: "plain-rust", role: Role::Baseline, programs: FORKING, serial: true, ..RUST },
    Implementation {
        name: "plain-cpp",
        role: Role::Baseline,
        binary: "vgpu-bench-plain-cpp",
        programs: FORKING,
        serial: true,
        from: "Debian's g++",
        ..RUST
    },
    Implementation { name: "threads", role: Role::Baseline, programs: &["independent"], ..RUST },
    Implementation { name: "futex", role: Role::Baseline, programs: &["wake"], ..RUST },
];
