#!/bin/sh
# Builds the wheel, installs it into an environment of its own, and tests it there as a user would have it: the tests, the
# programs in python/README.md, the types, and the source distribution.
#     scripts/python_test.sh                 with python3
#     PYTHON=python3.13 scripts/python_test.sh
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
base=${PYTHON:-python3}
version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=$target/python/venv-$version
case $venv in
/*) ;;
*) venv=$PWD/$venv ;;
esac
python=$venv/bin/python
pip="$python -m pip --quiet --disable-pip-version-check"

make --no-print-directory wheel PYTHON="$base"
if ! "$python" -c 'import numpy, mypy.api' >/dev/null 2>&1; then
    echo "python_test: making $venv with NumPy, Numba and mypy" >&2
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    "$base" -m venv "$venv"
    $pip install --only-binary :all: numpy mypy
    # Numba comes later to new Pythons; its test is left out where there is none.
    $pip install --only-binary :all: numba || echo 'python_test: going on without Numba' >&2
fi
$pip install --force-reinstall --no-deps "$target"/wheels/vgpu_runtime-*.whl

# From a folder without the sources, so that what is tested is what was installed.
tests=$PWD/python/tests
readme=$PWD/python/README.md
cd "$venv"
unset VGPU_POOL_LIBRARY PYTHONPATH || true
"$python" -X dev -m unittest discover -s "$tests"
"$python" "$tests/readme.py" "$readme"
cd - >/dev/null
(cd python && "$python" -m mypy --cache-dir "$venv/mypy")
echo 'passed: tests, programs of the README, types'
