#!/bin/sh
# dist.sh FOLDER: makes the tarball twice, which must give the same bytes, and from it, without a network and without
# what cargo has at hand, the Debian packages and the rpms, which stay in FOLDER. lintian and rpmlint must find no fault with them.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd -P)
rm -rf "$1"
mkdir -p "$1"
folder=$(cd "$1" && pwd -P)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
name=sslcache-$version

step() { echo "dist.sh: $*"; }
fail() { echo "dist.sh: FAILED: $*" >&2 && exit 1; }
without_network() {
    if unshare --net true 2>/dev/null; then unshare --net "$@"; else unshare --map-root-user --net "$@"; fi
}

step "the tarball, twice"
"$root/packaging/make-dist" "$folder/$name.tar.xz"
# Another umask and another time zone.
(umask 077 && TZ=Pacific/Apia "$root/packaging/make-dist" "$folder/again/$name.tar.xz")
cmp "$folder/$name.tar.xz" "$folder/again/$name.tar.xz" || fail "two tarballs of one commit differ"
rm -r "$folder/again"

step "the Debian packages, from the tarball and without a network"
tar -C "$folder" -xf "$folder/$name.tar.xz"
without_network env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS CARGO_NET_OFFLINE=true \
    CARGO_HOME="$folder/cargo" CARGO_TARGET_DIR="$folder/target" make -C "$folder/$name" deb >"$folder/deb.log" \
    2>&1 || {
    tail -n 20 "$folder/deb.log" >&2
    fail "make deb, see $folder/deb.log"
}
# What the packages were made of serves other installations: a build for this one begins with it.
make -C "$folder/$name" -q CARGO_TARGET_DIR="$folder/target" "$folder/target/stage/bin/sslcache" ||
    fail "make after make deb builds the tool anew"
[ ! -d "$folder/cargo/registry" ] || fail "cargo has fetched something: $(ls "$folder/cargo/registry")"
mv "$folder"/target/dist/*.deb "$folder/"

step "the rpm packages, likewise"
# In the same place, unpacked anew, where what was built for the Debian packages is not built again; and for this machine's libssl,
# whose folder is another than an rpm distribution's. Its packages are no rpms, so their names mean nothing to rpmbuild.
libdir=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
without_network env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS CARGO_NET_OFFLINE=true \
    CARGO_HOME="$folder/cargo" CARGO_TARGET_DIR="$folder/target" rpmbuild -bb --nodeps --define "_topdir $folder/rpm" \
    --define "_sourcedir $folder" --define "_builddir $folder" --define "_libdir $libdir" \
    --define "dist %{nil}" "$root/packaging/sslcache.spec" >"$folder/rpm.log" 2>&1 || {
    tail -n 20 "$folder/rpm.log" >&2
    fail "rpmbuild, see $folder/rpm.log"
}
mv "$folder"/rpm/RPMS/*/*.rpm "$folder/"
rm -rf "$folder/target" "${folder:?}/$name" "$folder/cargo" "$folder/rpm"

step "lintian"
lintian --allow-root --info --fail-on error,warning "$folder"/*.deb || fail "lintian"

step "the documents' links, in both packages"
dpkg-deb -x "$folder"/sslcache_*.deb "$folder/files"
links() { grep -o '](\([^)#]*\)' "$1" | sed 's|](||' | grep -v '://' | sort -u; }
doc=$folder/files/usr/share/doc/sslcache
links "$doc/README.md" >"$folder/links"
[ -s "$folder/links" ] || fail "README.md has no links: this test proves nothing"
for page in "$doc"/*.md "$doc"/docs/*.md; do
    links "$page" | while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || fail "$(basename "$page") of the Debian package: there is no $link"
    done || exit 1
done
packed=$(sed -n 's/^%\(doc\|license\) //p' "$root/packaging/sslcache.spec" | xargs)
for link in $(links "$root/README.md"); do
    case " $packed man " in
    *" ${link%%/*} "*) ;;
    *) fail "packaging/sslcache.spec does not pack $link, to which README.md links" ;;
    esac
done
rm -r "$folder/files" "$folder/links"

step "the spec of rpm"
rpmspec --parse "$root/packaging/sslcache.spec" >"$folder/spec" || fail "rpmspec"
grep -q -x "Version: *$version" "$folder/spec" || fail "packaging/sslcache.spec is not of version $version"
rpmlint "$root/packaging/sslcache.spec" >"$folder/rpmlint.log" || { cat "$folder/rpmlint.log" && fail "rpmlint"; }
rm "$folder/spec"
# Nobody signs them or puts them into groups here; the agent's folder is for secrets, libssl-link.so for linkers alone, and a manual
# page under several names is several files.
rpmlint "$folder"/*.rpm >"$folder/rpmlint.log" || true
grep ' E: ' "$folder/rpmlint.log" | grep -v -E ' (no-signature|no-packager-tag|no-group-tag|files-duplicated-waste|non-standard-dir-perm /etc/sslcache-agent|shared-library-without-dependency-information .*/libssl-link.so)( |$)' &&
    fail "rpmlint finds fault with the packages"
sh -n "$root/packaging/APKBUILD" || fail "packaging/APKBUILD"
grep -q -x "pkgver=$version" "$root/packaging/APKBUILD" || fail "packaging/APKBUILD is not of version $version"
step "all well"
