#!/bin/sh
# Measures the pool beside its peers and writes target/report/. Arguments go to the program that does it:
#     scripts/bench.sh                     everything; takes long, and wants a quiet machine
#     scripts/bench.sh --quick             shows in a minute that everything works
#     scripts/bench.sh --program fib,uts   only some programs
#     scripts/bench.sh --help              what else there is
# Peers that this machine lacks are installed with apt where that is possible; the report names those that are missing still.
set -eu
cd "$(dirname "$0")/.."
case ${CARGO_TARGET_DIR:-} in
'') target=$PWD/target ;;
/*) target=$CARGO_TARGET_DIR ;;
*) target=$PWD/$CARGO_TARGET_DIR ;;
esac
out=$target/bench
mkdir -p "$out"

command -v cargo >/dev/null 2>&1 || {
    echo 'bench: there is no cargo. Install Rust from https://rustup.rs and come back.' >&2
    exit 1
}

lacks() { # lacks COMPILER FLAGS HEADER
    command -v "$1" >/dev/null 2>&1 || return 0
    # shellcheck disable=SC2086  # the flags are meant to be split
    ! printf '#include <%s>\nint main() {}\n' "$3" | "$1" $2 -x c++ -fsyntax-only - 2>/dev/null
}

lacks_library() { # lacks_library NAME
    ! PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q "$1"
}

missing=
command -v make >/dev/null 2>&1 || missing="$missing make"
command -v g++ >/dev/null 2>&1 || missing="$missing g++"
command -v clang++ >/dev/null 2>&1 || missing="$missing clang"
lacks clang++ '' tbb/task_group.h && missing="$missing libtbb-dev"
lacks clang++ -fopenmp=libomp omp.h && missing="$missing libomp-dev"
lacks_library libopenblas.so.0 && missing="$missing libopenblas0-pthread"
lacks_library libblis.so.4 && missing="$missing libblis4-openmp"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # the list is meant to be split
    scripts/apt.sh bench $missing || echo 'bench: what needs them is left out' >&2
fi

# Intel's library comes from PyPI, into a folder of its own.
mkl=$out/mkl/lib
if [ "$(uname -m)" = x86_64 ] && [ ! -e "$mkl/libmkl_rt.so.3" ]; then
    echo 'bench: installing mkl'
    if ! { python3 -m venv "$out/mkl" && "$out/mkl/bin/pip" install --quiet --disable-pip-version-check 'mkl==2026.2.*'; } >"$out/mkl.log" 2>&1; then
        echo "bench: that did not work ($out/mkl.log says why); it is left out" >&2
    fi
fi
# Where libraries are that are opened at run time, and no peer that is linked looks.
VGPU_BENCH_LIBRARIES=$target/lib:$mkl
export VGPU_BENCH_LIBRARIES

built() { # built WHAT LOG COMMAND...: runs the command, and shows what it said only if it fails
    what=$1
    log=$2
    shift 2
    echo "bench: building $what"
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
}

built 'the C library' "$out/library.log" make --no-print-directory lib || echo 'bench: going on without the C library' >&2
built 'the C++ peers' "$out/peers.log" make --no-print-directory -k -f benches/cpp/Makefile \
    OUT="$out" LIB="$target/lib" INCLUDE=include || echo 'bench: going on without what could not be built' >&2
built 'the program that measures' "$out/measuring.log" env CARGO_TARGET_DIR="$out/cargo" RUSTFLAGS="-C target-cpu=native" \
    cargo build --locked --release --manifest-path benches/Cargo.toml --bin vgpu-bench
# Calls of the kernels go to them, as they do from C++, and not through a table.
built 'the Rust peers' "$out/rust.log" env CARGO_TARGET_DIR="$out/cargo" RUSTFLAGS="-C target-cpu=native" \
    cargo rustc --locked --release --manifest-path benches/Cargo.toml --bin vgpu-bench-rs -- -C relocation-model=static
# Only this one opens other libraries for matrix products; without it they are left out.
built 'the program that multiplies matrices' "$out/products.log" env CARGO_TARGET_DIR="$out/cargo" RUSTFLAGS="-C target-cpu=native" \
    cargo build --locked --release --manifest-path benches/Cargo.toml --bin vgpu-bench-gemm ||
    echo 'bench: going on without matrix products' >&2

commit=$(git describe --always --dirty 2>/dev/null || echo 'a tree without history')
exec "$out/cargo/release/vgpu-bench" --peers "$out" --out "$target/report" --commit "$commit" "$@"
