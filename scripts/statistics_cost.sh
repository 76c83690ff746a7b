#!/bin/sh
# Counts instructions, by callgrind, with the statistics and without: fib(31), skynet with 10^6 leaves, 10^5 tasks in batches, one
# worker each. Without them, every count stays 0 (--cfg vgpu_without_statistics). The least of three runs counts, less what an empty
# run takes: how long a thread looks around before it sleeps differs from run to run, most of all with tasks.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}/statistics-cost
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

built() { # built NAME RUSTFLAGS: builds the program
    CARGO_TARGET_DIR=$target/$1 RUSTFLAGS=$2 cargo build --quiet --locked --release --example statistics_cost
}

counted() { # counted NAME PROGRAM: prints the instructions of the shortest of three runs
    for _ in 1 2 3; do run "$1" "$2"; done | sort -n | head -n 1
}

run() { # run NAME PROGRAM: prints the instructions of a run
    valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file="$out/callgrind" "$target/$1/release/examples/statistics_cost" "$2" \
        >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
    sed -n 's/^==[0-9]*== Collected : //p' "$out/log"
}

built on ''
built off '--cfg vgpu_without_statistics'
on_nothing=$(counted on nothing)
off_nothing=$(counted off nothing)
echo '| program | instructions with statistics | without | more |'
echo '|---|---|---|---|'
failed=0
for program in fib skynet tasks; do
    on=$(($(counted on "$program") - on_nothing))
    off=$(($(counted off "$program") - off_nothing))
    awk -v program="$program" -v on="$on" -v off="$off" \
        'BEGIN { printf "| %s | %d | %d | %.2f %% |\n", program, on, off, (on / off - 1) * 100 }'
    # Tasks are told of, not judged: the promise is about forks.
    [ "$program" = tasks ] || [ "$((on * 100))" -le "$((off * 101))" ] || failed=1
done
[ "$failed" = 0 ] || { echo 'statistics_cost: more than 1 %' >&2; exit 1; }
