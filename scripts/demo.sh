#!/bin/sh
# The main job on a fresh machine: installs what is missing, builds, multiplies real matrices, says what it did.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
data=$target/data
step() { printf '\n==> %s\n' "$1"; }

step 'What this machine lacks'
scripts/setup.sh
echo 'Compilers and tools are there.'

step 'Build the library and the examples'
make --no-print-directory examples

step 'Hello: tasks, futures, and the text of a failure'
"$target/examples-c/hello"

step 'A C++ exception through a task'
"$target/examples-c/exceptions"

step 'The headline: 1000 x 1000 x 1000'
peer=
for name in libopenblas.so.0 libblas.so.3; do
    if python3 -c "import ctypes, sys; ctypes.CDLL(sys.argv[1]).cblas_sgemm" "$name" 2>/dev/null; then
        peer=$name
        break
    fi
done
if [ -n "$peer" ]; then
    echo "compared with $peer, in turns"
    "$target/examples-c/gemm" --compare "$peer"
else
    echo 'There is no CBLAS library to compare with (apt install libopenblas0-pthread brings one).'
    "$target/examples-c/gemm"
fi

step 'Real data: the Gram matrix of 1797 handwritten digits'
python=$(scripts/python.sh)
"$python" scripts/digits.py "$data"
for type in f4 f8; do
    images=$data/digits_$type.npy
    gram=$data/gram_$type.npy
    echo "npy_gemm $images $images --trans-a -o $gram"
    "$target/examples-c/npy_gemm" "$images" "$images" --trans-a -o "$gram"
    "$python" - "$images" "$gram" <<'PYTHON'
import sys
import numpy as np
images, gram = np.load(sys.argv[1]), np.load(sys.argv[2])
expected = images.T @ images
exact = images.astype(np.int64).T @ images.astype(np.int64)
assert gram.shape == (64, 64) and gram.dtype == images.dtype, (gram.shape, gram.dtype)
# Grey values are whole numbers, and every sum is below 2^24: all three must agree to the last bit.
assert np.array_equal(gram, expected), np.abs(gram - expected).max()
assert np.array_equal(gram, exact)
print(f"64 x 64, {gram.dtype}: equal to NumPy's and to exact integer arithmetic, every bit; trace {int(np.trace(gram))}")
PYTHON
done

step 'A file that lies'
head -c 1000 "$data/digits_f8.npy" >"$data/cut.npy"
code=0
"$target/examples-c/npy_gemm" "$data/cut.npy" "$data/digits_f8.npy" -o "$data/never.npy" || code=$?
test "$code" -eq 2 && test ! -e "$data/never.npy"
echo "exit code $code, and no output file"

printf '\nThe demo has run to its end. Results are in %s.\n' "$data"
