#!/bin/sh
# Fuzzes the C API under AddressSanitizer, with a nightly toolchain.
#     fuzz.sh SECONDS     runs, and says which parts of src/capi/ were reached
#     fuzz.sh plant       plants a bug in a copy of the sources, and asks that it is found
set -eu
cd "$(dirname "$0")/.."
root=$PWD
seconds=${1:-600}
target=${CARGO_TARGET_DIR:-$root/target}/fuzz
corpus=$target/corpus
mkdir -p "$corpus"

build() { # build SOURCES TARGET-FOLDER
    host=$(rustc +nightly -vV | sed -n 's/^host: //p')
    RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
        CARGO_TARGET_DIR="$2" cargo +nightly build --quiet --release --target "$host" --manifest-path "$1/fuzz/Cargo.toml"
    program=$2/$host/release/c-api
}
run() { # run SECONDS FURTHER-OPTIONS...: findings go to $target
    limit=$1
    shift
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "$program" -max_total_time="$limit" -max_len=512 -len_control=0 -timeout=30 -rss_limit_mb=4096 \
        -artifact_prefix="$target/" -print_final_stats=1 "$@" "$corpus"
}

if [ "$seconds" = plant ]; then
    copy=$target/planted
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -r src include fuzz Cargo.toml Cargo.lock "$copy"
    # The config of a newer header is copied whole, into a struct that is shorter.
    sed -i 's/copy_nonoverlapping(source.cast::<u8>(), (&raw mut copy).cast::<u8>(), size.min(known));/copy_nonoverlapping(source.cast::<u8>(), (\&raw mut copy).cast::<u8>(), size);/' \
        "$copy/src/capi/sized.rs"
    if cmp -s src/capi/sized.rs "$copy/src/capi/sized.rs"; then
        echo 'fuzz: the bug could not be planted' >&2
        exit 1
    fi
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 build "$copy" "$target"
    corpus=$target/planted-corpus
    rm -rf "$corpus"
    mkdir -p "$corpus"
    if run 300 >"$target/planted.log" 2>&1; then
        echo 'fuzz: the planted bug was not found' >&2
        exit 1
    fi
    grep -m 1 'ERROR: AddressSanitizer' "$target/planted.log"
    grep -m 1 'in .*sized' "$target/planted.log" || true
    echo 'the planted bug was found'
    exit 0
fi

build "$root" "$target"
run "$seconds" >"$target/fuzz.log" 2>&1 || { tail -n 60 "$target/fuzz.log"; exit 1; }
grep -E 'DONE|stat::number_of_executed_units|stat::average_exec' "$target/fuzz.log"
# Once more over what was collected, to say what it reached.
run 1 -runs=0 -print_coverage=1 >"$target/coverage.log" 2>&1
awk '/src\/capi\// {
    file = $0; sub(/.*src\/capi\//, "", file); line = file; sub(/:.*/, "", file); sub(/^[^:]*:/, "", line); sub(/[^0-9].*/, "", line)
}
/^(UN)?COVERED_FUNC/ && /src\/capi\// {
    functions[file]++; if ($1 == "COVERED_FUNC:") covered[file]++
    if (match($0, /edges: [0-9]+\/[0-9]+/)) { split(substr($0, RSTART + 7, RLENGTH - 7), e, "/"); reached[file] += e[1]; edges[file] += e[2] }
}
/^ *UNCOVERED_PC/ && /src\/capi\// && line > 0 && !((file, line) in missed) { missed[file, line] = 1; lines[file]++ }
function row(name, a, b, c, d, e) { printf "%-27s %4d of %4d functions, %5d of %5d edges; %3d lines have an edge left\n", name, a, b, c, d, e }
END {
    for (file in functions) {
        row("src/capi/" file, covered[file], functions[file], reached[file], edges[file], lines[file])
        a += covered[file]; b += functions[file]; c += reached[file]; d += edges[file]; e_left += lines[file]
    }
    row("together", a, b, c, d, e_left)
}' "$target/coverage.log" | LC_ALL=C sort
echo 'exported, and not called by the machine:'
nm "$program" | sed -n 's/^[0-9a-f]* T \(vgpu_.*\)/\1/p' | LC_ALL=C sort | LC_ALL=C comm -13 - abi/exports.txt | tr '\n' ' '
echo
