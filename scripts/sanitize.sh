#!/bin/sh
# The Rust tests under a checker.    sanitize.sh tsan|miri|asan-rust
#
# ThreadSanitizer finds two accesses that race. It knows atomics and locks, but no fences: what only a fence orders, it
# reports. Nothing here is ordered so. The library hands data over by a release and an acquire of one word, and its fences
# order atomics among themselves alone; so there is no list of suppressions, and every report is to be taken seriously.
# It follows that ThreadSanitizer does not miss a fence that is missing: that is loom's part.
#
# Miri interprets the program, and finds undefined behaviour of memory and of pointers too. It is some thousand times
# slower, and knows few system calls: no attributes of threads, no signals, no flags of open(). So the tests that make
# threads through the library or read /sys are not for Miri.
#
# AddressSanitizer finds uses of memory that is not there any more, or never was, and leaks.
#
# All three need a nightly toolchain with parts that rustup adds. Exit status 3: something is missing, and the last line
# says what to do about it. NIGHTLY names another toolchain than `nightly`.
set -eu
cd "$(dirname "$0")/.."
what=${1:-}
nightly=${NIGHTLY:-nightly}
target=${CARGO_TARGET_DIR:-target}

missing() {
    echo "$what cannot run here: $1" >&2
    exit 3
}
need() { # need COMPONENT FILE-IN-SYSROOT
    [ -e "$sysroot/$2" ] || missing "$nightly has no $1. rustup component add $1 --toolchain $nightly"
}
cargo_test() {
    CARGO_TARGET_DIR=$target/$what cargo "+$nightly" "$@"
}

case $what in
    tsan | miri | asan-rust) ;;
    *)
        echo "usage: sanitize.sh tsan|miri|asan-rust" >&2
        exit 2
        ;;
esac
command -v rustup >/dev/null || missing "there is no rustup, which finds the nightly toolchain. https://rustup.rs"
sysroot=$(rustup run "$nightly" rustc --print sysroot 2>/dev/null) ||
    missing "there is no toolchain $nightly. rustup toolchain install $nightly --profile minimal"
host=$(rustup run "$nightly" rustc -vV | sed -n 's/^host: //p')
# Sanitizers slow down what is slow already.
export CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_PROFILE_TEST_OPT_LEVEL=2

case $what in
    tsan)
        # The standard library must be instrumented as well, or its own synchronisation is not seen.
        need rust-src lib/rustlib/src/rust/library/Cargo.lock
        export RUSTFLAGS=-Zsanitizer=thread VGPU_SOAK=1000000
        # ThreadSanitizer has room for 65536 frames of a thread, and breaks down where a test goes deeper.
        cargo_test test --locked -Zbuild-std --target "$host" --lib --test protocol --test pool --test stress_deque -- \
            --skip a_recursion_too_deep_for_the_stack
        ;;
    asan-rust)
        [ -e "$sysroot/lib/rustlib/$host/lib/librustc-${nightly%%-*}_rt.asan.a" ] ||
            missing "$nightly has no AddressSanitizer for $host"
        export RUSTFLAGS=-Zsanitizer=address VGPU_SOAK=1000000 ASAN_OPTIONS=detect_leaks=1
        # To find uses of a frame that has returned, AddressSanitizer moves frames to the heap. The pool then cannot tell how
        # much of the stack is left, so the test about that comes after, without.
        cargo_test test --locked --target "$host" --lib --test protocol --test pool --test stress_deque -- \
            --skip a_recursion_too_deep_for_the_stack
        export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0
        cargo_test test --locked --target "$host" --test pool a_recursion_too_deep_for_the_stack
        ;;
    miri)
        need rust-src lib/rustlib/src/rust/library/Cargo.lock
        need miri bin/cargo-miri
        # A thread's slot holds the address of its worker as a number, so provenance cannot be strict.
        export MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-permissive-provenance'
        cargo_test miri test --locked --test protocol
        cargo_test miri test --locked --lib -- error:: gemm::blocking gemm::tests::arguments \
            gemm::tests::exact::nan_and_infinity gemm::tests::exact::where_alpha_or_k os::affinity::tests::the_mask
        # Other schedules, and other choices among the values that a weak load may see.
        export MIRIFLAGS="$MIRIFLAGS -Zmiri-many-seeds=0..8" VGPU_SOAK=400
        cargo_test miri test --locked --test stress_deque
        ;;
esac
echo "$what: nothing found"
