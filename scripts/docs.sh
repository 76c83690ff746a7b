#!/bin/sh
# The manual as HTML and man pages, with Doxygen.    docs.sh OUTPUT-FOLDER
set -eu
cd "$(dirname "$0")/.."
output=${1:?docs.sh OUTPUT-FOLDER}
command -v doxygen >/dev/null || { echo 'docs: there is no doxygen; apt-get install doxygen' >&2; exit 3; }
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rm -rf "$output"
mkdir -p "$output"
{
    cat docs/Doxyfile
    printf 'PROJECT_NUMBER = %s\nOUTPUT_DIRECTORY = "%s"\nWARN_LOGFILE = "%s/warnings.txt"\n' "$version" "$output" "$output"
} | doxygen -
if [ -s "$output/warnings.txt" ]; then
    cat "$output/warnings.txt" >&2
    echo 'docs: doxygen has something to say' >&2
    exit 1
fi
# Of the man pages only those whose names are the library's own: nobody wants one for `add`.
find "$output/man/man3" -type f ! -name 'vgpu*' ! -name 'VGPU*' -delete
# Every exported function has a page of its own to be found by.
while read -r function; do
    test -f "$output/man/man3/$function.3" || { echo "docs: there is no man page for $function" >&2; exit 1; }
    grep -q "$function" "$output"/html/*_8h.html || { echo "docs: $function is not in the HTML" >&2; exit 1; }
done <abi/exports.txt
echo "$(wc -l <abi/exports.txt) functions in $output/html/index.html and $output/man"
