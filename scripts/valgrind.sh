#!/bin/sh
# The C examples under valgrind: no error, nothing definitely lost.   valgrind.sh FOLDER-OF-EXAMPLES
set -eu
cd "$(dirname "$0")/.."
examples=$1
data=${CARGO_TARGET_DIR:-target}/check/valgrind
mkdir -p "$data"
check() {
    echo "-- $(basename "$1")"
    # valgrind runs one thread at a time; fair scheduling keeps a waiting thread from starving the one it waits for.
    valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --fair-sched=yes \
        --error-exitcode=9 "$@" >"$data/out" 2>"$data/err" || {
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
echo 'valgrind: no errors, nothing definitely lost'
