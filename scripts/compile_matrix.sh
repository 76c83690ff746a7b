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
printf '#define VGPU_POOL_LOADER_IMPLEMENTATION\n#define VGPU_POOL_LOADER_FUNCTIONS\n#include <vgpu_pool_loader.h>\n#include <vgpu_pool_loader.h>\n' \
    >"$scratch/loader.c"
cp "$scratch/loader.c" "$scratch/loader.cpp"

compile() { # compile COMPILER STANDARD FILE: to be done below, as many at a time as there are processors
    echo "$1 -std=$2 $warnings -I$include -Iexamples-c -c -o /dev/null $3" >>"$scratch/commands"
}
# Those that want MPI's header are compiled where it is (scripts/mpi_test.sh).
sources=$(ls examples-c/*.c tests/c/*.c | grep -v /mpi_)
for standard in c99 c11 c17 c2x; do
    for compiler in gcc clang; do
        for file in "$scratch/alone.c" "$scratch/loader.c" $sources; do
            compile "$compiler" "$standard" "$file"
        done
    done
done
for standard in c++11 c++14 c++17 c++20; do
    for compiler in g++ clang++; do
        for file in "$scratch/alone.cpp" "$scratch/loader.cpp" examples-c/*.cpp; do
            compile "$compiler" "$standard" "$file"
        done
    done
done
# The C++ headers, each alone; then every C++ test, with and without exceptions and RTTI. The tests are compiled with optimisation
# where they are run.
for header in include/vgpu_pool.hpp include/vgpu_pool/*.hpp; do
    name=${header#include/}
    printf '#include <%s>\n#include <%s>\n' "$name" "$name" >"$scratch/alone-$(basename "$header").cpp"
done
for compiler in g++ clang++; do
    for file in "$scratch"/alone-*.cpp; do
        compile "$compiler" 'c++17 -fsyntax-only' "$file"
    done
    for standard in c++17 c++20 c++2b; do
        for without in '' -fno-exceptions -fno-rtti '-fno-exceptions -fno-rtti'; do
            compile "$compiler" "$standard -fsyntax-only $without" "$scratch/alone-vgpu_pool.hpp.cpp"
        done
        compile "$compiler" "$standard -fsyntax-only -fno-exceptions -fno-rtti" tests/cpp/no_exceptions_test.cpp
    done
    for standard in c++17 c++2b; do
        for file in tests/cpp/*_test.cpp; do
            case $standard$file in
            *no_exceptions_test.cpp | c++17*coroutine_test.cpp) ;;
            *) compile "$compiler" "$standard -fsyntax-only" "$file" ;;
            esac
        done
    done
done
xargs -P "$(nproc)" -I COMMAND sh -c 'COMMAND || { echo "compile_matrix: failed: COMMAND" >&2; exit 255; }' <"$scratch/commands"
count=$(wc -l <"$scratch/commands")
# Two translation units in one program: no symbol twice.
for compiler in g++ clang++; do
    printf '#include <vgpu_pool.hpp>\nint other() { return vgpu::pool().run([] { return 1; }); }\n' >"$scratch/one.cpp"
    printf '#include <vgpu_pool.hpp>\nint other();\nint main() { return other() - vgpu::pool().run([] { return 1; }); }\n' >"$scratch/two.cpp"
    if ! { $compiler -std=c++17 -I"$include" -c -o "$scratch/one.o" "$scratch/one.cpp" &&
        $compiler -std=c++17 -I"$include" -c -o "$scratch/two.o" "$scratch/two.cpp" &&
        $compiler -r -nostdlib -o "$scratch/both.o" "$scratch/one.o" "$scratch/two.o"; }; then
        echo "compile_matrix: two files of $compiler do not link" >&2
        exit 1
    fi
    count=$((count + 3))
done
echo "$count compilations without a warning"
