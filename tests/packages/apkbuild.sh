#!/bin/sh
# apkbuild.sh FOLDER: Alpine's APKBUILD, without Alpine: it is what a POSIX shell can read, of the version of Cargo.toml, and its
# functions build the package's files in FOLDER, with musl-gcc and rustup's Rust in place of Alpine's.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd -P)
rm -rf "$1"
mkdir -p "$1"
folder=$(cd "$1" && pwd -P)
fail() { echo "apkbuild.sh: FAILED: $*" >&2 && exit 1; }

cd "$root"
# What abuild sets.
CC=musl-gcc CTARGET=x86_64-unknown-linux-musl pkgdir=$folder/files
export CC
# shellcheck source=packaging/APKBUILD
. packaging/APKBUILD
# shellcheck disable=SC2154 # the APKBUILD's
[ "$pkgver" = "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" ] || fail "packaging/APKBUILD is of version $pkgver"
for name in pkgname pkgver pkgrel pkgdesc url arch license source; do
    eval "[ -n \"\${$name:-}\" ]" || fail "packaging/APKBUILD has no $name"
done
# rustup's Rust brings its own, as a glibc's libgcc_s is none for musl.
_unwind=$(rustc --print sysroot)/lib/rustlib/$CTARGET/lib/self-contained/libunwind.a
(build && package) >"$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2 && fail "build or package"; }

# The names of the pages are those of man/.
(cd "$folder/files" && find . ! -type d ! -path './usr/share/man/*' | sort) >"$folder/found"
{
    cat <<END
./etc/sslcache.toml
./usr/include/sslcache.h
./usr/lib/libsslcache.so
./usr/lib/libsslcache.so.0
./usr/lib/pkgconfig/sslcache.pc
./usr/share/licenses/sslcache/LICENSE-APACHE
./usr/share/licenses/sslcache/LICENSE-MIT
END
    find ./*.md docs ! -type d | sed 's|^\./||; s|^|./usr/share/doc/sslcache/|'
} | sort >"$folder/listed"
diff "$folder/listed" "$folder/found" || fail "other files than these"
[ "$(find "$folder/files/usr/share/man" ! -type d | wc -l)" = "$(find man ! -type d | wc -l)" ] || fail "not all manual pages"
[ "$(readlink "$folder/files/usr/lib/libsslcache.so")" = libsslcache.so.0 ] || fail "the link for linkers"
readelf -d "$folder/files/usr/lib/libsslcache.so.0" >"$folder/dynamic"
grep -q 'SONAME.*\[libsslcache.so.0\]' "$folder/dynamic" || fail "SONAME"
doc=$folder/files/usr/share/doc/sslcache
grep -o '](\([^)#]*\)' "$doc/README.md" | sed 's|](||' | grep -v '://' | sort -u >"$folder/links"
[ -s "$folder/links" ] || fail "README.md has no links: this test proves nothing"
while read -r link; do
    [ -e "$doc/$link" ] || fail "README.md of the package: there is no $link"
done <"$folder/links"
needed=$(sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' "$folder/dynamic" | xargs)
[ "$needed" = libc.so ] || fail "needs $needed"
echo "apkbuild.sh: packaging/APKBUILD is well"
