//! Compiles the kernels with the flags that every implementation uses, and finds the peers' versions in the lock file.

use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    compile_kernels();
    compile_for_products();
    name_compiler();
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo.lock lies beside Cargo.toml");
    println!("cargo::rerun-if-changed=Cargo.lock");
    for (package, variable) in [
        ("chili", "CHILI_VERSION"),
        ("gemm", "GEMM_VERSION"),
        ("rayon", "RAYON_VERSION"),
        ("tokio", "TOKIO_VERSION"),
        ("vgpu-pool", "VGPU_POOL_VERSION"),
    ] {
        println!("cargo::rustc-env={variable}={}", locked_version(&lock, package));
    }
}

/// clang where there is one, as for the C++ peers: the work is to be the same machine code for all.
fn compile_kernels() {
    println!("cargo::rerun-if-changed=kernels");
    let flags = fs::read_to_string("kernels/flags").expect("the kernels' flags");
    let mut build = cc::Build::new();
    build.no_default_flags(true).warnings(false).flag("-std=c11").flag("-fPIC");
    println!("cargo::rustc-env=BENCH_KERNEL_FLAGS={}", flags.trim());
    for flag in flags.split_whitespace() {
        build.flag(flag);
    }
    if Path::new("/usr/bin/clang").exists() && std::env::var_os("CC").is_none() {
        build.compiler("clang");
    }
    let mut sources: Vec<_> = fs::read_dir("kernels")
        .expect("the kernels")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    build.files(sources).compile("vgpu_bench_kernels");
    println!("cargo::rustc-link-lib=m");
}

/// What the products need of C: the CPUs' limit as the example measures it, and our pool made through the C header.
fn compile_for_products() {
    let sources = ["../examples-c/peak.c", "products/pool.c"];
    for source in sources.iter().chain(&["../examples-c/peak.h", "../include"]) {
        println!("cargo::rerun-if-changed={source}");
    }
    cc::Build::new().files(sources).include("../include").std("c11").compile("vgpu_bench_products");
}

/// For the report, which names the compiler and the flags of every figure.
fn name_compiler() {
    let compiler = std::env::var_os("RUSTC").expect("cargo names the compiler");
    let version = Command::new(compiler).arg("--version").output().expect("the compiler runs").stdout;
    println!("cargo::rustc-env=BENCH_RUSTC={}", String::from_utf8_lossy(&version).trim());
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\u{1f}', " ");
    println!("cargo::rustc-env=BENCH_RUSTFLAGS={flags}");
}

fn locked_version(lock: &str, package: &str) -> String {
    let name = format!("name = \"{package}\"");
    lock.lines()
        .skip_while(|line| *line != name)
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .unwrap_or("unknown")
        .to_owned()
}
