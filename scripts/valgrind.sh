#!/bin/sh
# The C examples, and the C and C++ tests, under valgrind: no error, nothing definitely lost.
#     valgrind.sh FOLDER-OF-EXAMPLES TEST...        the tests but the long ones
#     valgrind.sh --all FOLDER-OF-EXAMPLES TEST...  all of them
set -eu
cd "$(dirname "$0")/.."
# Each takes from half a minute to two, the others a few seconds.
long='allocator_test gemm_arguments_test gemm_files_test gemm_more_test lifetime_test'
if [ "$1" = --all ]; then
    long=
    shift
fi
examples=$1
shift
data=${CARGO_TARGET_DIR:-target}/check/valgrind
mkdir -p "$data"
# What each program adds to the options.
extra=
check() {
    echo "-- $(basename "$1")"
    # valgrind runs one thread at a time; fair scheduling keeps a waiting thread from starving the one it waits for.
    valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --fair-sched=yes \
        --error-exitcode=9 $extra "$@" >"$data/out" 2>"$data/err" || {
        cat "$data/out" "$data/err" >&2
        echo "valgrind: $* failed" >&2
        exit 1
    }
    # valgrind knows no AVX-512: the library must then choose another kernel, which --error-exitcode alone would not show.
    cat "$data/err"
}
python=$(scripts/python.sh)
"$python" -c 'import numpy as np, sys
a = np.random.default_rng(1).standard_normal((70, 90))
np.save(sys.argv[1] + "/a.npy", a)
np.save(sys.argv[1] + "/b.npy", np.asfortranarray(a.T))' "$data"
check "$examples/hello"
check "$examples/graph" 60 10 2
check "$examples/gemm" 100 2 --workers 2
check "$examples/exceptions"
check "$examples/npy_gemm" "$data/a.npy" "$data/b.npy" -o "$data/c.npy" --workers 2
check "$examples/npy_gemm" "$data/a.npy" "$data/b.npy" -o "$data/c.npy" --trans-a --trans-b
left_out=
for test in "$@"; do
    name=$(basename "$test")
    extra=
    case " $long " in *" $name "*)
        left_out="$left_out $name"
        continue
        ;;
    esac
    # Its children are forked while other threads make pools: what those threads held is nobody's in a child, and so it should be.
    if [ "$name" = lifetime_test ]; then extra=--leak-check=no; fi
    check "$test"
done
if [ -n "$left_out" ]; then
    echo "left out, since they are long; 'make valgrind-all' runs them:$left_out"
fi
echo 'valgrind: no errors, nothing definitely lost'
