#!/bin/sh
# Installs Debian packages, and says nothing unless that fails.
#     scripts/apt.sh WHO PACKAGE...     WHO asks: the name that messages begin with
set -eu
who=$1
shift
if ! command -v apt-get >/dev/null 2>&1; then
    echo "$who: there is no apt-get here. Please install these yourself: $*" >&2
    exit 1
fi
echo "$who: installing $*"
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "$who: apt could not install $*" >&2
    exit 1
fi
