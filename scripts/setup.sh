#!/bin/sh
# Installs what `make demo` and `make test` need and this machine has not, with apt. Does nothing when all is there.
# Rust is not installed here: https://rustup.rs
set -eu
cd "$(dirname "$0")/.."

missing=
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need gcc gcc
need g++ g++
need make make
need clang clang
need clang++ clang
need valgrind valgrind
need pkg-config pkg-config
need cmake cmake
need dpkg-architecture dpkg-dev
need abidiff abigail-tools
need doxygen doxygen
need python3 python3
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
# The hosts of the adapters.
test -d /usr/include/eigen3 || missing="$missing libeigen3-dev"
test -d /usr/include/asio || missing="$missing libasio-dev"
test -d /usr/include/oneapi/dnnl || missing="$missing libdnnl-dev"
# gcc may be there without the C library's headers.
printf '#include <stdio.h>\n' | gcc -E -o /dev/null - 2>/dev/null || missing="$missing libc6-dev"

if ! command -v cargo >/dev/null 2>&1; then
    echo 'setup: there is no cargo. Install Rust from https://rustup.rs and come back.' >&2
    exit 1
fi
if [ -z "$missing" ]; then
    exit 0
fi
# shellcheck disable=SC2046,SC2086  # the list is meant to be split
exec scripts/apt.sh setup $(printf '%s\n' $missing | sort -u)
