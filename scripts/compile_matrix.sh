#!/bin/sh
# Every C and C++ source of ours, and the header alone, under both compilers and every standard we promise: no warning.
# compile_matrix.sh INCLUDE-FOLDER
set -eu
cd "$(dirname "$0")/.."
include=${1:-include}
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Werror -O2'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Included twice, in a file of its own, before anything else: it must bring all it needs.
printf '#include <vgpu_pool.h>\n#include <vgpu_pool.h>\nint vgpu_header_alone(void);\nint vgpu_header_alone(void) { return VGPU_OK; }\n' \
    >"$scratch/alone.c"
cp "$scratch/alone.c" "$scratch/alone.cpp"

count=0
compile() { # compile COMPILER STANDARD FILE
    # shellcheck disable=SC2086  # warnings and standard are meant to be split
    if ! "$1" -std=$2 $warnings -I"$include" -Iexamples-c -c -o "$scratch/out.o" "$3"; then
        echo "compile_matrix: $1 -std=$2 $3 failed" >&2
        exit 1
    fi
    count=$((count + 1))
}
printf '#include <vgpu_pool.hpp>\n#include <vgpu_pool.hpp>\n' >"$scratch/alone17.cpp"
for standard in c99 c11 c17 c2x; do
    for compiler in gcc clang; do
        for file in "$scratch/alone.c" examples-c/*.c tests/c/*.c; do
            compile "$compiler" "$standard" "$file"
        done
    done
done
for standard in c++11 c++14 c++17 c++20; do
    for compiler in g++ clang++; do
        for file in "$scratch/alone.cpp" examples-c/*.cpp; do
            compile "$compiler" "$standard" "$file"
        done
    done
done
# The C++ header, with and without exceptions and RTTI.
for standard in c++17 c++20 c++2b; do
    for compiler in g++ clang++; do
        for file in "$scratch/alone17.cpp" tests/cpp/*.cpp; do
            compile "$compiler" "$standard" "$file"
        done
        for without in -fno-exceptions -fno-rtti '-fno-exceptions -fno-rtti'; do
            compile "$compiler" "$standard $without" "$scratch/alone17.cpp"
        done
    done
done
echo "$count compilations without a warning"
