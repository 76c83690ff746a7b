#!/bin/bash
# Runs the adapters in the libraries that they are for, where no distribution has these as the adapters need them: Box2D 3, Jolt, PhysX's
# task manager, and oneDNN for a thread pool. Their sources come from the registry of crates, where bindings carry them.
#     scripts/adapter_hosts.sh TARGET CXX-OPTIONS... [-- NAME...]    NAME: box2d jolt physx onednn; all of them without one
# Building Jolt takes five minutes on one CPU, oneDNN half an hour; what was built stays.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
shift
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
done
[ $# -eq 0 ] || shift
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(box2d physx jolt onednn)
work=$target/adapter-hosts
mkdir -p "$work/crates/src"
: "${CXX:=c++}" "${CC:=cc}"

say() { printf 'adapter-hosts: %s\n' "$*"; }

# The sources, of the versions that the adapters are said to be tested with.
cat >"$work/crates/Cargo.toml" <<'END'
[package]
name = "adapter-hosts"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
boxdd-sys = "=0.6.0"
joltc-sys = "=0.3.1"
onednn-src = "=0.1.22"
physx-sys = "=0.11.5"
END
touch "$work/crates/src/lib.rs"
sources() { # sources CRATE: where its sources are
    cargo metadata --format-version 1 --manifest-path "$work/crates/Cargo.toml" 2>"$work/crates/log" |
        grep -o "\"manifest_path\":\"[^\"]*/$1-[0-9][^\"/]*/Cargo.toml\"" | head -n 1 | sed 's/.*:"\(.*\)\/Cargo.toml"/\1/'
}
needed() { # needed CRATE FOLDER: the folder in the crate's sources
    local found
    found=$(sources "$1")
    [ -d "$found/$2" ] || {
        cat "$work/crates/log" >&2
        say "there is no $2 in the sources of $1" >&2
        exit 1
    }
    printf '%s/%s' "$found" "$2"
}

# The sources never change, so objects are made only where they are missing.
compile() { # compile FOLDER COMPILER-AND-OPTIONS... -- SOURCE...: makes FOLDER/library.a
    local folder=$1 command=() source object
    shift
    while [ "$1" != -- ]; do
        command+=("$1")
        shift
    done
    shift
    [ ! -s "$folder/library.a" ] || return 0
    mkdir -p "$folder"
    object_of() { printf '%s/%s.o' "$folder" "$(printf '%s' "${1%.*}" | tr / _ | tail -c 200)"; }
    for source in "$@"; do
        object=$(object_of "$source")
        [ ! -s "$object" ] || continue
        while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
        { "${command[@]}" -c "$source" -o "$object.new" && mv "$object.new" "$object"; } &
    done
    while [ "$(jobs -rp | wc -l)" -gt 0 ]; do wait -n; done
    for source in "$@"; do
        [ -s "$(object_of "$source")" ] || { say "$source was not compiled" >&2; exit 1; }
    done
    ar rcs "$folder/library.a" "$folder"/*.o
}

tested() { # tested NAME OPTIONS... : compiles the test of that name with the library, and runs it
    local name=$1
    shift
    "$CXX" -std=c++17 -O1 "${options[@]}" -o "$work/${name}_test" "tests/adapters/hosts/${name}_test.cpp" "$@" \
        -L"$target/lib" -Wl,-rpath,"$target/lib" -lvgpu_pool -lpthread -ldl -lm
    say "$name"
    "$work/${name}_test"
}

box2d() {
    local at
    at=$(needed boxdd-sys third-party/box2d)
    compile "$work/box2d" "$CC" -std=gnu17 -O2 -w -ffp-contract=off -DNDEBUG -I"$at/include" -I"$at/src" -- "$at"/src/*.c
    tested box2d -isystem "$at/include" "$work/box2d/library.a"
}
jolt() {
    local at all
    at=$(needed joltc-sys JoltC/JoltPhysics)
    mapfile -t all < <(find "$at/Jolt" -name '*.cpp' | LC_ALL=C sort)
    compile "$work/jolt" "$CXX" -std=c++17 -O1 -w -ffp-contract=off -DNDEBUG -I"$at" -- "${all[@]}"
    tested jolt -DNDEBUG -isystem "$at" "$work/jolt/library.a"
}
physx() {
    local at
    at=$(needed physx-sys physx/physx)
    compile "$work/physx" "$CXX" -std=c++17 -O1 -w -DNDEBUG -DPX_PHYSX_STATIC_LIB -I"$at/include" -I"$at/source/foundation" -- \
        "$at"/source/task/src/*.cpp "$at"/source/foundation/*.cpp "$at"/source/foundation/unix/*.cpp
    tested physx -DNDEBUG -DPX_PHYSX_STATIC_LIB -isystem "$at/include" "$work/physx/library.a"
}
onednn() {
    local at
    at=$(needed onednn-src oneDNN)
    if [ ! -s "$work/onednn/src/libdnnl.a" ]; then
        # What makes its kernels need not be fast itself.
        cmake -S "$at" -B "$work/onednn" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O0 -DONEDNN_LIBRARY_TYPE=STATIC \
            -DONEDNN_CPU_RUNTIME=THREADPOOL -DONEDNN_BUILD_DOC=OFF -DONEDNN_BUILD_EXAMPLES=OFF -DONEDNN_BUILD_TESTS=OFF \
            -DONEDNN_BUILD_GRAPH=OFF -DONEDNN_ENABLE_WORKLOAD=INFERENCE '-DONEDNN_ENABLE_PRIMITIVE=MATMUL;REORDER' \
            -DONEDNN_ENABLE_PRIMITIVE_CPU_ISA=AVX2 >"$work/onednn.log" 2>&1 &&
            make -C "$work/onednn" -j "$(nproc)" >>"$work/onednn.log" 2>&1 ||
            { tail -n 20 "$work/onednn.log" >&2; say 'oneDNN could not be built' >&2; exit 1; }
    fi
    tested onednn -isystem "$at/include" -isystem "$work/onednn/include" "$work/onednn/src/libdnnl.a"
}

for name in "${names[@]}"; do
    case $name in
        box2d | jolt | physx | onednn) "$name" ;;
        *) say "there is no test for $name" >&2; exit 2 ;;
    esac
done
