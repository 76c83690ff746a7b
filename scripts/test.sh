#!/bin/sh
# Everything, in the order in which a mistake shows soonest. Stops at the first failure.
#     scripts/test.sh           all steps
#     scripts/test.sh asan npy  only the steps whose name holds one of the words
set -u
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
# One build, used once: what would make the next one quicker is left out, for the disk's sake.
export CARGO_INCREMENTAL=0
passed=0
skipped=0
words=$*
began=$(date +%s)

step() { # step NAME COMMAND...
    name=$1
    shift
    if [ -n "$words" ]; then
        wanted=no
        for word in $words; do
            case $name in *"$word"*) wanted=yes ;; esac
        done
        if [ "$wanted" = no ]; then
            skipped=$((skipped + 1))
            return
        fi
    fi
    printf '\n==> %s\n' "$name"
    start=$(date +%s)
    if "$@"; then
        passed=$((passed + 1))
        printf '==> %s: passed, %d s\n' "$name" $(($(date +%s) - start))
    else
        printf '==> %s: FAILED after %d s\n' "$name" $(($(date +%s) - start))
        printf '\n%d passed, 1 failed\n' "$passed"
        exit 1
    fi
}

clippy() {
    for feature in capi loom shuttle cli; do
        cargo clippy --locked --all-targets --features $feature -- -D warnings || return
    done
}
documentation() {
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --features capi
}
# libhwloc is nobody's need but this reader's.
hwloc() {
    if ! pkg-config --exists hwloc; then
        echo 'skipped: no libhwloc here; apt-get install libhwloc-dev brings it'
        return
    fi
    cargo clippy --locked --all-targets --features hwloc -- -D warnings && cargo test --locked --lib --features hwloc topology::hwloc
}
# Two minutes, on a machine that can fetch a kernel for the guests.
guests() {
    if [ "$(uname -m)" != x86_64 ] || ! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then
        echo 'skipped: no kernel for the guests can be had here'
        return
    fi
    scripts/numa_vm.sh
}
# Half a minute, on a machine that has Open MPI or can fetch it.
mpi() {
    if ! command -v mpicc >/dev/null && ! apt-cache show libopenmpi-dev >/dev/null 2>&1; then
        echo 'skipped: no Open MPI can be had here'
        return
    fi
    make --no-print-directory mpi-example
}
npy() {
    python=$(scripts/python.sh) && "$python" scripts/digits.py "$target/data" &&
        "$python" scripts/npy_test.py "$target/examples-c/npy_gemm" "$target/data"
}
# Needs a nightly compiler for AddressSanitizer and coverage; `make fuzz` is the longer run.
fuzzing() {
    if ! rustc +nightly --version >/dev/null 2>&1; then
        echo 'skipped: no nightly toolchain here; rustup toolchain install nightly brings it'
        return
    fi
    scripts/fuzz.sh 60
}
run_examples() {
    cargo build --locked --quiet --features cli --bin vgpu-pool &&
        "$target/examples-c/hello" && "$target/examples-c/graph" && "$target/examples-c/exceptions" && "$target/examples-c/gemm" 300 5 &&
        scripts/lfsr_test.sh "$target/examples-c/lfsr" "$target/debug/vgpu-pool"
}

step 'tools' scripts/setup.sh
step 'format' cargo fmt --check
step 'clippy' clippy
step 'documentation' documentation
step 'rust tests' cargo test --locked --features capi --tests
step 'examples in the documentation' cargo test --locked --doc
step 'the command-line tool' cargo test --locked --features cli --bin vgpu-pool --test cli
step 'the reader on libhwloc' hwloc
step 'loom' scripts/verify.sh loom --test loom
step 'shuttle' scripts/verify.sh shuttle --test shuttle
step 'verification table' scripts/verify.sh check
step 'library' make --no-print-directory lib
step 'symbols' scripts/symbols.sh "$target/lib/libvgpu_pool.so.1"
step 'ABI' scripts/abi.sh self-test
step 'compile matrix' scripts/compile_matrix.sh include
step 'C tests' make --no-print-directory test-c
step 'BLAS names' make --no-print-directory test-shim
step 'adapters' make --no-print-directory test-adapters
step 'C tests under sanitizers (asan)' make --no-print-directory asan
step 'examples' make --no-print-directory examples
step 'examples run' run_examples
step 'npy_gemm against NumPy' npy
step 'a product over MPI' mpi
step 'Python package' scripts/python_test.sh
step 'valgrind' make --no-print-directory valgrind
step 'fuzzing for a minute' fuzzing
step 'manual' make --no-print-directory docs
step 'install' scripts/install_test.sh
step 'guests with several NUMA nodes' guests

if [ "$skipped" -gt 0 ]; then
    printf '\n%d passed, 0 failed, %d not asked for, %d s\n' "$passed" "$skipped" $(($(date +%s) - began))
else
    printf '\n%d passed, 0 failed, %d s\n' "$passed" $(($(date +%s) - began))
fi
