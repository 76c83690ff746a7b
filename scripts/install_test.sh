#!/bin/sh
# Installs into an empty folder and builds a program against it as a stranger would: pkg-config, shared and static.
set -eu
cd "$(dirname "$0")/.."
work=$PWD/target/check/install
case ${CARGO_TARGET_DIR:-} in
'') ;;
/*) work=$CARGO_TARGET_DIR/check/install ;;
*) work=$PWD/$CARGO_TARGET_DIR/check/install ;;
esac
rm -rf "$work"
mkdir -p "$work"
fail() {
    echo "install_test: $1" >&2
    exit 1
}

# With a DESTDIR, as packagers do; LIBDIR deeper than usual, so that the .pc file must count its way up.
make --no-print-directory install DESTDIR="$work/stage" PREFIX=/opt/vgpu LIBDIR=lib/some-triplet >/dev/null
test -f "$work/stage/opt/vgpu/include/vgpu_pool.h" || fail 'the header is not in include/'
test -f "$work/stage/opt/vgpu/lib/some-triplet/pkgconfig/vgpu_pool.pc" || fail 'there is no .pc file'
make --no-print-directory uninstall DESTDIR="$work/stage" PREFIX=/opt/vgpu LIBDIR=lib/some-triplet >/dev/null
left=$(find "$work/stage" ! -type d)
test -z "$left" || fail "uninstall left $left"

# Plain, then moved: nothing in it may remember where it was.
make --no-print-directory install PREFIX="$work/first" >/dev/null
mv "$work/first" "$work/moved here"
prefix="$work/moved here"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
test "$(pkg-config --modversion vgpu_pool)" = "$version" || fail "pkg-config does not say version $version"

build() { # build OUTPUT COMMAND...; pkg-config escapes the blank of the path, so its output is evaluated
    output=$1
    shift
    eval "$* -o '$output'" || fail "could not build: $*"
}
for compiler in gcc clang; do
    shared="$work/shared-$compiler"
    static="$work/static-$compiler"
    half="$work/half-static-$compiler"
    build "$shared" "$compiler -std=c99 -Wall -Werror tests/c/consumer.c" "$(pkg-config --cflags --libs vgpu_pool)"
    build "$static" "$compiler -std=c99 -Wall -Werror -static tests/c/consumer.c" "$(pkg-config --static --cflags --libs vgpu_pool)"
    build "$half" "$compiler -std=c99 -Wall -Werror tests/c/consumer.c" "$(pkg-config --cflags vgpu_pool)" \
        "'$prefix/lib/libvgpu_pool.a' -lpthread -lm -ldl"
    LD_LIBRARY_PATH=$prefix/lib "$shared"
    "$static"
    "$half"
    readelf --dynamic "$shared" | grep -q 'libvgpu_pool.so.1' || fail 'the shared consumer does not ask for libvgpu_pool.so.1'
    if readelf --dynamic "$half" | grep -q 'libvgpu_pool'; then
        fail 'the static consumer asks for the shared library'
    fi
done

# CMake finds it from the prefix alone.
cmake -S tests/consumer -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log" >&2; fail 'cmake does not find the package'; }
cmake --build "$work/cmake" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log" >&2; fail 'cmake does not build the consumer'; }
"$work/cmake/shared" && "$work/cmake/static" && "$work/cmake/cpp" || fail 'a program that cmake built does not run'
VGPU_POOL_LIBRARY="$prefix/lib/libvgpu_pool.so.1" "$work/cmake/loader" || fail 'the program with the loader does not run'
if VGPU_POOL_LIBRARY=/nowhere.so "$work/cmake/loader" 2>/dev/null; then fail 'the program with the loader ran without a library'; fi
for program in static loader; do
    if readelf --dynamic "$work/cmake/$program" | grep -q 'libvgpu_pool'; then
        fail "cmake's $program consumer asks for the shared library"
    fi
done
if cmake -S tests/consumer -B "$work/too-new" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED=1.0 >"$work/cmake.log" 2>&1; then
    fail 'cmake took a version that is not there'
fi

# The Debian packages hold the same, where Debian looks for it.
scripts/deb.sh "$work/deb" >"$work/deb.log" || { cat "$work/deb.log" >&2; fail 'there are no Debian packages'; }
for package in "$work"/deb/*.deb; do dpkg-deb --extract "$package" "$work/debian"; done
lib=$(dirname "$(find "$work/debian/usr/lib" -name libvgpu_pool.so.1)")
test -f "$lib/pkgconfig/vgpu_pool.pc" && test -f "$lib/cmake/vgpu_pool/vgpu_pool-config.cmake" || fail 'the -dev package lacks a file'
gcc -std=c99 -I"$work/debian/usr/include" tests/c/consumer.c -L"$lib" -lvgpu_pool -o "$work/from-deb" || fail 'the packages do not compile'
LD_LIBRARY_PATH=$lib "$work/from-deb"
gcc -std=c99 -I"$work/debian/usr/include" tests/c/consumer.c "$lib/libvgpu_pool.a" -lpthread -lm -ldl -o "$work/from-deb" && "$work/from-deb"

echo 'built and ran: with CMake shared, static, C++ and the loader; from the Debian packages;'
echo 'built and ran: shared, all static, library static; with gcc and clang; from a moved folder'
