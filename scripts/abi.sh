#!/bin/sh
# The binary interface against the one in abi/: functions and types by libabigail, constants by their values. Things may be added;
# what is there must not change.
#     scripts/abi.sh                     checks
#     scripts/abi.sh update              writes abi/vgpu_pool.abi and abi/constants.txt anew
#     scripts/abi.sh self-test           breaks a copy of the header in every way that counts, and asks that each is found
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The loader defines every function of the header with the header's own types: what a compiler makes of it has the interface, and
# the debugging information that says so, whatever the library itself is built with.
interface() { # interface INCLUDE-FOLDER OUTPUT
    printf '#define VGPU_POOL_LOADER_IMPLEMENTATION\n#define VGPU_POOL_LOADER_FUNCTIONS\n#include <vgpu_pool_loader.h>\n' >"$scratch/stub.c"
    gcc -std=c99 -g -fPIC -shared -Wl,-soname,libvgpu_pool.so.1 -I"$1" -o "$2" "$scratch/stub.c"
}
constants() { # constants INCLUDE-FOLDER
    echo '#include <vgpu_pool.h>' | gcc -std=c99 -dM -E -I"$1" - | sed -n 's/^#define \(VGPU_[A-Z0-9_]*\) \((\{0,1\}-\{0,1\}[0-9]*)\{0,1\}\)$/\1 \2/p' |
        grep -v '^VGPU_POOL_VERSION' | LC_ALL=C sort
}
check() { # check INCLUDE-FOLDER
    constants "$1" >"$scratch/constants.txt"
    LC_ALL=C comm -23 abi/constants.txt "$scratch/constants.txt" >"$scratch/changed.txt"
    if [ -s "$scratch/changed.txt" ]; then
        echo 'abi: these constants were changed or taken away:' >&2
        cat "$scratch/changed.txt" >&2
        return 1
    fi
    interface "$1" "$scratch/new.so"
    abidiff --no-added-syms --no-show-locs --suppr abi/growing.supp abi/vgpu_pool.abi "$scratch/new.so" || {
        echo 'abi: the binary interface is not the one in abi/vgpu_pool.abi' >&2
        return 1
    }
}
edit() { # edit WHAT SED-EXPRESSION: the headers, edited, in $scratch/include
    rm -rf "$scratch/include"
    cp -r include "$scratch/include"
    sed -i "$2" "$scratch/include/vgpu_pool.h" "$scratch/include/vgpu_pool_loader.h"
    if cmp -s include/vgpu_pool.h "$scratch/include/vgpu_pool.h"; then
        echo "abi: could not edit: $1" >&2
        exit 1
    fi
}
allowed() { # allowed WHAT SED-EXPRESSION
    edit "$1" "$2"
    if ! check "$scratch/include" >"$scratch/said" 2>&1; then
        cat "$scratch/said" >&2
        echo "abi: refused, and should not be: $1" >&2
        exit 1
    fi
    echo "allowed: $1"
}
broken() { # broken WHAT SED-EXPRESSION
    edit "$1" "$2"
    if check "$scratch/include" >/dev/null 2>&1; then
        echo "abi: not found: $1" >&2
        exit 1
    fi
    echo "found: $1"
}

case ${1:-check} in
check)
    check include
    echo "the ABI is what it was: $(wc -l <abi/constants.txt) constants, $(grep -c '<elf-symbol ' abi/vgpu_pool.abi) symbols"
    ;;
update)
    constants include >abi/constants.txt
    interface include "$scratch/new.so"
    abidw --no-show-locs --no-corpus-path --no-comp-dir-path --out-file abi/vgpu_pool.abi "$scratch/new.so"
    ;;
self-test)
    check include >/dev/null
    allowed 'a field more at the end of a config' 's/^} vgpu_pool_config;/    uint64_t more;\n&/'
    allowed 'a constant more' 's/#define VGPU_ERROR_CLOSED (-5)/&\n#define VGPU_ERROR_MORE (-99)/'
    broken 'a constant with another value' 's/#define VGPU_ERROR_CLOSED (-5)/#define VGPU_ERROR_CLOSED (-55)/'
    broken 'a constant that is gone' '/#define VGPU_ERROR_IO /d'
    broken 'a parameter of another type' 's/vgpu_future_wait_for(struct vgpu_future \*future, uint64_t timeout_ns)/vgpu_future_wait_for(struct vgpu_future *future, uint32_t timeout_ns)/; s/uint64_t timeout_ns/uint32_t timeout_ns/'
    broken 'a field in the middle of a config' 's/^    uint32_t inbox_full;/    uint32_t more; uint32_t inbox_full;/'
    broken 'a smaller task storage' 's/uint64_t opaque\[64\]/uint64_t opaque[63]/'
    broken 'a callback with another parameter' 's/typedef void (\*vgpu_destroy_fn)(void \*user_data);/typedef void (*vgpu_destroy_fn)(void *user_data, int more);/'
    broken 'a function that is gone' 's/vgpu_available_cpus/vgpu_usable_cpus/g'
    ;;
*)
    echo "abi: $1 is none of check, update, self-test" >&2
    exit 2
    ;;
esac
