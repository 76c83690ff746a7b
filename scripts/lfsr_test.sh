#!/bin/sh
# The shift register of examples-c/lfsr.c: primitive and other polynomials, over several fields, in every mode, and bad ones.
# Its trace is read by the command-line tool, and sums to what the pool's statistics say.
#     scripts/lfsr_test.sh PROGRAM TOOL
set -eu
program=$1
tool=$2
failures=0

says() { # says TEXT ARGUMENT...: the walk succeeds in every mode, agrees with the serial one and with theory, and says TEXT
    text=$1
    shift
    if ! "$program" --compare "$@" 2>&1 | grep -q -- "$text"; then
        echo "lfsr $*: does not say: $text" >&2
        failures=$((failures + 1))
    fi
}
refuses() { # refuses TEXT ARGUMENT...
    text=$1
    shift
    status=0
    said=$("$program" "$@" 2>&1) || status=$?
    case "$status $said" in
    2*"$text"*) ;;
    *)
        echo "lfsr $*: ends with $status and says: $said" >&2
        failures=$((failures + 1))
        ;;
    esac
}

says 'the polynomial is primitive' 2 16 1,0,0,0,0,0,0,0,0,0,0,1,0,1,1,0,1
says '65535                    1' 2 16 1,0,0,0,0,0,0,0,0,0,0,1,0,1,1,0,1
says 'the polynomial is primitive' 3 2 1,1,2
says 'the polynomial is primitive' 5 2 1,1,2
says 'the polynomial is primitive' 7 1 1,4
says 'the polynomial is not primitive' 2 4 1,1,1,1,1
says '5                    3' 2 4 1,1,1,1,1
says 'not primitive' 3 4 1,0,0,0,2
says 'not primitive' --batch 1 --workers 3 2 10 1,0,0,0,0,0,0,0,0,0,1
refuses 'prime' 4 2 1,1,1
refuses 'prime' x 2 1,1,1
refuses 'degree' 2 0 1
refuses 'degree' 2 41 1
refuses '2^34' 2 35 1
refuses 'one coefficient more' 2 3 1,1
refuses 'one coefficient more' 2 2 1,1,1,1
refuses 'not below q' 2 2 1,2,1
refuses 'not 1' 3 2 2,1,1
refuses 'constant' 2 2 1,1,0
refuses 'commas' 2 2 1,,1
refuses 'no mode' --mode best 2 2 1,1,1
refuses 'usage' 2 2

traces() { # traces ARGUMENT...: the spans and moments of the trace sum to the statistics of the same time
    told=$("$program" --trace "$trace" "$@" | sed -n 's/^traced: //p')
    # The statistics keep times as even numbers of nanoseconds.
    "$tool" trace --json "$trace" | "$python" -c '
import json, re, sys
summary, told = json.load(sys.stdin), [int(number) for number in re.findall(r"\d+", sys.argv[1])]
total = summary["total"]
summed = [total[key] for key in ("tasks", "searching_ns", "steals", "wakeups")]
assert summary["dropped_events"] == 0 and len(told) == 4, (summary, told)
assert abs(told[1] - summed[1]) <= 2 * total["searches"] and told[0] == summed[0] and told[2:] == summed[2:], (told, summed)
' "$told" || {
        echo "lfsr --trace $*: the trace does not sum to the statistics" >&2
        failures=$((failures + 1))
    }
}
python=$(scripts/python.sh)
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT
traces 2 16 1,0,0,0,0,0,0,0,0,0,0,1,0,1,1,0,1
traces --mode round-robin --workers 3 --batch 256 2 16 1,0,0,0,0,0,0,0,0,0,0,1,0,1,1,0,1
traces --mode shared --batch 1 3 4 1,0,0,0,2

[ "$failures" -eq 0 ] || exit 1
echo 'lfsr: agrees with theory and with the serial walk in every mode, refuses bad polynomials, and its traces sum to the statistics'
