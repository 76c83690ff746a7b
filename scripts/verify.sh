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

# The models that take as long as all the others together.
long='fork_stack:: graph::'

run() { # run CHECKER [CARGO-ARG...] -- [TEST-ARG...]
    checker_feature=$1
    shift
    cargo test --locked --features "$checker_feature" "$@" --nocapture || touch "$logs/failed"
}
tests() { # tests CHECKER [CARGO-ARG...]
    checker=$1
    shift
    # A run that fails leaves no log, so that no table is made of half of one.
    rm -f "$logs/$checker.log" "$logs"/running*
    case $checker in
        # loom's models take turns within a process, because each makes and drops stacks by the thousand: two processes share them
        # out instead. In each, one thread: so each line stands below the name of its test.
        loom)
            cargo test --locked --features loom "$@" --no-run
            run loom "$@" -- --test-threads 1 $long >"$logs/running-long" 2>&1 &
            long_tests=$!
            # shellcheck disable=SC2086,SC2046  # the lists are meant to be split
            run loom "$@" -- --test-threads 1 $(printf -- '--skip %s ' $long) | tee "$logs/running"
            wait "$long_tests" || true
            cat "$logs/running-long"
            cat "$logs/running-long" >>"$logs/running"
            ;;
        *) run shuttle "$@" -- --test-threads "$(nproc)" | tee "$logs/running" ;;
    esac
    ! [ -e "$logs/failed" ] || return 1
    mv "$logs/running" "$logs/$checker.log"
}
table() { # table MODE
    cargo run --locked --quiet --example verification_table -- "$1" "$logs/loom.log" "$logs/shuttle.log"
}

rm -f "$logs/failed"
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
