#!/bin/sh
# The models, and the table of what they found out.
#     scripts/verify.sh                      runs all models, prints the table, writes verification/README.md
#     scripts/verify.sh loom [CARGO-ARG...]  runs the tests under loom, and keeps what they print for the table
#     scripts/verify.sh shuttle [...]        the same under shuttle
#     scripts/verify.sh check                holds verification/README.md against what the last run printed
# VERIFY_DEEP=1 runs the long version, which is printed but not written: the file is that of the ordinary one.
set -eu
cd "$(dirname "$0")/.."
deep=${VERIFY_DEEP:-0}
logs=${CARGO_TARGET_DIR:-target}/verify
if [ "$deep" = 1 ]; then logs=$logs-deep; fi
mkdir -p "$logs"

tests() { # tests CHECKER [CARGO-ARG...]
    checker=$1
    shift
    # loom's models take turns anyway; one after the other, each line stands below the name of its test.
    case $checker in
        loom) threads=1 ;;
        *) threads=$(nproc) ;;
    esac
    # A run that fails leaves no log, so that no table is made of half of one.
    rm -f "$logs/$checker.log"
    {
        if cargo test --locked --features "$checker" "$@" -- --nocapture --test-threads "$threads"; then
            touch "$logs/passed"
        fi
    } | tee "$logs/running"
    [ -e "$logs/passed" ] || return 1
    rm "$logs/passed"
    mv "$logs/running" "$logs/$checker.log"
}
table() { # table MODE
    cargo run --locked --quiet --example verification_table -- "$1" "$logs/loom.log" "$logs/shuttle.log"
}

rm -f "$logs/passed"
case ${1:-all} in
    loom | shuttle) tests "$@" ;;
    check) table check ;;
    all)
        tests loom --test loom
        tests shuttle --test shuttle
        if [ "$deep" = 1 ]; then table show; else table write; fi
        ;;
    *)
        sed -n '2,7s/^# //p' "$0" >&2
        exit 2
        ;;
esac
