#!/bin/sh
# Cross-builds the Rust tests for 64-bit Arm and runs them under QEMU. Installs what is missing with rustup and apt.
#     scripts/aarch64.sh [CARGO-TEST-ARG...]     default: the library's own tests and those of the pool
# What this shows: layout, page sizes, system calls, the code for Arm. What it does not: weak memory, since QEMU on x86-64 orders
# memory as x86-64 does; the models under verification/ are for that.
set -eu
cd "$(dirname "$0")/.."
arm=aarch64-unknown-linux-gnu

missing=
command -v aarch64-linux-gnu-gcc >/dev/null || missing="$missing gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
command -v qemu-aarch64 >/dev/null || missing="$missing qemu-user"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # the list is meant to be split
    scripts/apt.sh aarch64 $missing
fi
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$arm" ]; then
    command -v rustup >/dev/null || { echo "aarch64: this Rust has no library for $arm; rustup target add $arm brings it" >&2; exit 1; }
    rustup target add "$arm"
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu'
[ $# -gt 0 ] || set -- --lib --test pool --test scope --test parallel --test graph --test numa
exec cargo test --locked --target "$arm" "$@"
