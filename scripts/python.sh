#!/bin/sh
# Prints the path of a Python that has NumPy, making target/venv on first use. Nothing is installed outside that folder.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
venv=$target/venv
python=$venv/bin/python
if ! "$python" -c 'import numpy' >/dev/null 2>&1; then
    echo "python: making $venv with NumPy" >&2
    rm -rf "$venv"
    mkdir -p "$target"
    python3 -m venv "$venv" >&2
    "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: numpy >&2
fi
case $python in
/*) echo "$python" ;;
*) echo "$PWD/$python" ;;
esac
