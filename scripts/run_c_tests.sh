#!/bin/sh
# Runs test programs one after the other, stops at the first that fails. A program that hangs is ended after two minutes.
set -eu
count=0
for program in "$@"; do
    echo "-- $(basename "$program")"
    if ! timeout 120 "$program"; then
        echo "$program failed" >&2
        exit 1
    fi
    count=$((count + 1))
done
echo "$count C test programs passed"
