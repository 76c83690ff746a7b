#!/bin/sh
# Two Debian packages from what `make lib` built: libvgpu-pool1 with the shared library, libvgpu-pool-dev with all that compiling
# needs. deb.sh OUTPUT-FOLDER
set -eu
cd "$(dirname "$0")/.."
output=${1:?deb.sh OUTPUT-FOLDER}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
lib=usr/lib/$multiarch
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$output" "$stage/run/$lib" "$stage/run/DEBIAN" "$stage/dev/DEBIAN"

make --no-print-directory install DESTDIR="$stage/dev" PREFIX=/usr LIBDIR="lib/$multiarch" >/dev/null
mv "$stage/dev/$lib"/libvgpu_pool.so.* "$stage/dev/$lib/libvgpu_blas.so" "$stage/run/$lib"
find "$stage/run/$lib" -type f -exec strip --strip-unneeded {} +
# Of the library's own objects only the debugging information goes: the linker needs the rest.
strip --strip-debug "$stage/dev/$lib/libvgpu_pool.a"
# The newest glibc whose symbols it uses.
glibc=$(objdump -T "$stage/run/$lib"/libvgpu_pool.so.1 | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -n 1)

control() { # control FOLDER NAME SECTION DEPENDS DESCRIPTION
    mkdir -p "$stage/$1/usr/share/doc/$2"
    cat LICENSE-MIT LICENSE-APACHE >"$stage/$1/usr/share/doc/$2/copyright"
    gzip -9nc CHANGELOG.md >"$stage/$1/usr/share/doc/$2/changelog.gz"
    {
        printf 'Package: %s\nSource: vgpu-pool\nVersion: %s\nArchitecture: %s\nMulti-Arch: same\n' "$2" "$version" "$architecture"
        printf 'Maintainer: vgpu-pool <vgpu-pool@example.invalid>\nSection: %s\nPriority: optional\nDepends: %s\n' "$3" "$4"
        printf 'Installed-Size: %s\n' "$(du -sk "$stage/$1" | cut -f 1)"
        printf 'Description: work-stealing thread pool with futures and matrix products%s\n' "$5"
    } >"$stage/$1/DEBIAN/control"
    chmod -R u=rwX,go=rX "$stage/$1"
    dpkg-deb --root-owner-group --build "$stage/$1" "$output/${2}_${version}_$architecture.deb" >/dev/null
    echo "$output/${2}_${version}_$architecture.deb"
}
printf 'libvgpu_pool 1 libvgpu-pool1 (>= %s)\n' "$version" >"$stage/run/DEBIAN/shlibs"
printf 'activate-noawait ldconfig\n' >"$stage/run/DEBIAN/triggers"
control run libvgpu-pool1 libs "libc6 (>= $glibc)" '
 The shared library. Its functions are versioned VGPU_1.'
control dev libvgpu-pool-dev libdevel "libvgpu-pool1 (= $version), libc6-dev" ' (development files)
 Headers for C and C++, the static library, and the files for pkg-config
 and CMake.'
