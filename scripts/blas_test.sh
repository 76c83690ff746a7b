#!/bin/sh
# libvgpu_blas.so: what it exports, its C test, and NumPy on it: the system's, which calls its BLAS by the standard names, and that of
# the wheels, which has names of its own. Each is left out where it is not installed.   blas_test.sh LIBRARY C-TEST
set -eu
cd "$(dirname "$0")/.."
library=$(readlink -f "$1")

# The names of the product and nothing else: any other would take something away from the program's BLAS.
strange=$(nm --dynamic --defined-only "$library" | awk '{ print $3 }' | grep -vE '^(scipy_)?(cblas_[sd]gemm(64_|_64)?|[sd]gemm_(64_)?)$' || true)
if [ -n "$strange" ]; then
    echo "blas_test: $library also exports $strange" >&2
    exit 1
fi

echo "-- $(basename "$2")"
timeout 120 "$2"
# One thread is the caller's own.
VGPU_BLAS_NUM_THREADS=1 timeout 120 "$2" >/dev/null

tested=0
for python in /usr/bin/python3 "$(scripts/python.sh)"; do
    if "$python" -c 'import numpy' 2>/dev/null; then
        LD_PRELOAD=$library timeout 600 "$python" tests/blas/numpy_test.py ${VGPU_OWN_TESTS:+--own}
        tested=$((tested + 1))
    fi
done
echo "libvgpu_blas.so: passed, with $tested NumPy"
