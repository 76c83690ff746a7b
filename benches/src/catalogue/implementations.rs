//! Every implementation, and which programs it runs.

use super::products::{self, names};
use super::{Implementation, Role};

const FORKING: &[&str] =
    &["fib", "skynet", "nqueens", "matmul", "uts-t1", "uts-t3", "integrate", "cilksort", "cholesky", "uts-t3l"];
/// Programs whose nodes have more than two children.
const BRANCHING: &[&str] = &["skynet", "nqueens", "matmul", "uts-t1", "uts-t3", "cholesky", "uts-t3l"];
const JOINING: &[&str] = &["join-awake", "join-asleep"];
const SUBMITTING: &[&str] = &["submit", "wake"];
const IDLING: &[&str] = &["idle"];
const LOOPS: &[&str] = &["for-empty", "for-cheap", "for-skewed"];
const GRAPHS: &[&str] = &[
    "chain",
    "tree",
    "wavefront",
    "chain-built",
    "tree-built",
    "wavefront-built",
    "chain-1us",
    "tree-1us",
    "wavefront-1us",
];

const PRODUCTS: &[&str] = &names(&products::PRODUCTS);
const DISTURBED: &[&str] = &names(&products::DISTURBED);
const BY_WAY_OF_BF16: &[&str] = &[
    "sgemm_256x256x256",
    "sgemm_512x512x512",
    "sgemm_1000x1000x1000",
    "sgemm_1024x1024x1024",
    "sgemm_2048x2048x2048",
    "sgemm_4096x4096x4096",
];

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

/// What multiplies matrices. All are run by one program, most out of a library that it opens.
const BLAS: Implementation = Implementation { binary: "vgpu-bench-gemm", from: "this repository", ..RUST };

/// Every implementation, in the order of the report.
pub const IMPLEMENTATIONS: &[Implementation] = &[
    Implementation {
        name: "vgpu",
        role: Role::Ours,
        programs: &[FORKING, JOINING, SUBMITTING, IDLING, LOOPS, GRAPHS, PRODUCTS, DISTURBED],
        from: "this repository",
        ..RUST
    },
    Implementation { name: "vgpu-batch", role: Role::Variant, programs: &[&["submit"]], ..RUST },
    Implementation { name: "vgpu-outside", role: Role::Variant, programs: &[LOOPS], ..RUST },
    Implementation {
        name: "vgpu-c",
        role: Role::Variant,
        binary: "vgpu-bench-vgpu-c",
        programs: &[FORKING, JOINING, SUBMITTING, IDLING, LOOPS, GRAPHS],
        from: "this repository, with a C++ compiler",
        ..RUST
    },
    Implementation {
        name: "vgpu-c-storage",
        role: Role::Variant,
        binary: "vgpu-bench-vgpu-c",
        programs: &[&["submit"]],
        from: "this repository, with a C++ compiler",
        ..RUST
    },
    Implementation {
        name: "vgpu-cpp",
        role: Role::Variant,
        binary: "vgpu-bench-vgpu-cpp",
        programs: &[FORKING, JOINING],
        from: "this repository, with g++",
        ..RUST
    },
    Implementation { name: "rayon", programs: &[FORKING, JOINING, SUBMITTING, IDLING, LOOPS], ..RUST },
    Implementation { name: "rayon-iter", way_of: Some("rayon"), programs: &[BRANCHING], ..RUST },
    Implementation { name: "chili", programs: &[FORKING, JOINING, IDLING], ..RUST },
    Implementation { name: "chili-each", role: Role::Variant, programs: &[&["fib"]], ..RUST },
    Implementation { name: "tokio", programs: &[&["submit", "wake", "idle"]], ..RUST },
    Implementation { name: "tbb", programs: &[FORKING, JOINING, SUBMITTING, IDLING, LOOPS, GRAPHS], ..TBB },
    Implementation { name: "tbb-light", way_of: Some("tbb"), programs: &[GRAPHS], ..TBB },
    Implementation { name: "libomp", programs: &[FORKING, JOINING, SUBMITTING, IDLING, GRAPHS], ..LIBOMP },
    Implementation { name: "libomp-static", programs: &[LOOPS], ..LIBOMP },
    Implementation { name: "libomp-dynamic", programs: &[LOOPS], ..LIBOMP },
    Implementation { name: "libomp-guided", programs: &[LOOPS], ..LIBOMP },
    Implementation { name: "libgomp", programs: &[FORKING, JOINING, SUBMITTING, IDLING, GRAPHS], ..LIBGOMP },
    Implementation { name: "libgomp-static", programs: &[LOOPS], ..LIBGOMP },
    Implementation { name: "libgomp-dynamic", programs: &[LOOPS], ..LIBGOMP },
    Implementation { name: "libgomp-guided", programs: &[LOOPS], ..LIBGOMP },
    Implementation {
        name: "std-async",
        binary: "vgpu-bench-std-async",
        programs: &[&["fib", "skynet", "nqueens", "matmul", "integrate", "submit", "wake", "idle"]],
        tiny: true,
        from: "Debian's g++",
        ..RUST
    },
    Implementation { name: "plain-rust", role: Role::Baseline, programs: &[FORKING], serial: true, ..RUST },
    Implementation {
        name: "plain-cpp",
        role: Role::Baseline,
        binary: "vgpu-bench-plain-cpp",
        programs: &[FORKING],
        serial: true,
        from: "Debian's g++",
        ..RUST
    },
    Implementation { name: "vgpu-bf16x3", role: Role::Variant, programs: &[BY_WAY_OF_BF16], ..BLAS },
    Implementation { name: "mkl", from: "PyPI's mkl", programs: &[PRODUCTS, DISTURBED], ..BLAS },
    Implementation {
        name: "openblas",
        from: "Debian's libopenblas0-pthread",
        programs: &[PRODUCTS, DISTURBED],
        ..BLAS
    },
    Implementation { name: "blis", from: "Debian's libblis4-openmp", programs: &[PRODUCTS], ..BLAS },
    Implementation { name: "gemm", from: "crates.io", programs: &[PRODUCTS], ..BLAS },
    Implementation { name: "threads", role: Role::Baseline, programs: &[&["independent"]], ..RUST },
    Implementation { name: "futex", role: Role::Baseline, programs: &[&["wake"]], ..RUST },
    Implementation { name: "futex-pinned", role: Role::Baseline, programs: &[&["wake"]], ..RUST },
];
