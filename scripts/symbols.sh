#!/bin/sh
# What the shared object exports, needs and says of itself.   symbols.sh LIBRARY
set -eu
cd "$(dirname "$0")/.."
library=$1
fail() {
    echo "symbols: $library: $1" >&2
    exit 1
}
dynamic=$(readelf --wide --dynamic "$library")
has() { printf '%s\n' "$dynamic" | grep -q "$1" || fail "$2"; }
has 'SONAME.*\[libvgpu_pool.so.1\]' 'the SONAME is not libvgpu_pool.so.1'
has 'NODELETE' 'it may be unloaded: no NODELETE flag'
has 'NOW' 'it is not bound at load time'
if printf '%s\n' "$dynamic" | grep -q TEXTREL; then
    fail 'it has text relocations'
fi

# The C library and its loader. Anything else would have to be there on the user's machine.
needed=$(printf '%s\n' "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for name in $needed; do
    case $name in
    libc.so.6 | libm.so.6 | ld-linux*) ;;
    *) fail "it needs $name" ;;
    esac
done

# Exactly the functions of the header, each with its version.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
nm --dynamic --defined-only --with-symbol-versions "$library" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort >"$scratch/found"
sed 's/$/@@VGPU_1/' abi/exports.txt | LC_ALL=C sort >"$scratch/wanted"
diff -u "$scratch/wanted" "$scratch/found" || fail 'the exported symbols are not those of abi/exports.txt'
echo "$(wc -l <"$scratch/found") symbols, all versioned VGPU_1; needs: $(echo $needed)"
