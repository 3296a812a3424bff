#!/bin/sh
# system.sh ROOT.tar SOURCE.tar.xz FOLDER [FILTER...]: the servers of another release of Debian, in a clean system without a
# network. The packages are built there from the tarball, by this machine's Rust, and installed; then the tests of servers,
# built there as well, count which clients are resumed. FOLDER keeps what was compiled for the next time, the packages, the log,
# and the counts in workers.tsv.
set -eu
# Asked for here, because the script goes on with the system's PATH.
TOOLCHAIN=${TOOLCHAIN:-$(rustc --print sysroot)}
export TOOLCHAIN
# shellcheck source=tests/packages/inside.sh
. "$(dirname "$0")/inside.sh"
# What was compiled for an older release serves a newer one, whose C library has all that the older one's has. The libraries are
# linked in each.
release=$(basename "$3")
for older in bullseye bookworm trixie; do
    [ "$older" != "$release" ] || break
    [ -d "$3" ] || [ ! -d "$(dirname "$3")/$older/tool" ] || seed=$(dirname "$3")/$older
done
[ -z "${seed:-}" ] || { cp -a "$seed" "$3" && rm -rf "$3/stage"; }
mkdir -p "$3"
source=$(cd "$(dirname "$2")" && pwd -P)/$(basename "$2") kept=$(cd "$3" && pwd -P)
shift 3
log=$kept/log
: >"$log"

mkdir -p "$root$TOOLCHAIN" "$root/kept" "$root/usr/src/sslcache"
mount --bind -o ro "$TOOLCHAIN" "$root$TOOLCHAIN"
# The sources are where the last ones were. What has changed is new, and what has not keeps its time, whatever the commit's is.
mkdir -p "$work/source" "$kept/source"
tar -C "$work/source" --strip-components 1 -xf "$source"
rsync --recursive --links --perms --checksum --delete "$work/source/" "$kept/source/"
rm -rf "$work/source"
mount --bind "$kept" "$root/kept"
mount --bind "$kept/source" "$root/usr/src/sslcache"
ln -sfn /srv/apart "$kept/apart"

# The profiles of cargo are those of the caller, who may want a quick build.
profiles=$(env | grep '^CARGO_PROFILE_' || true)
# shellcheck disable=SC2016,SC2086 # for the inner shell; words are meant
there() {
    in_root PATH="$TOOLCHAIN/bin:$PATH" CARGO_HOME=/kept/cargo CARGO_TARGET_DIR=/kept CARGO_NET_OFFLINE=true $profiles \
        SSLCACHE_STAGE=/installed chroot "$root" sh -c 'cd /usr/src/sslcache && exec "$@"' sh "$@" >>"$log" 2>&1
}
failed() {
    tail -n 40 "$log" >&2
    fail "$@"
}

step "the packages"
rm -rf "$kept/dist"
there make deb || failed "make deb"
there sh -c 'apt-get -y -q install /kept/dist/sslcache_*.deb /kept/dist/libsslcache-dev_*.deb' || failed "apt-get install"
triplet=$(in_root chroot "$root" dpkg-architecture -qDEB_HOST_MULTIARCH)
# Where the tests look for the libraries and the tool, as `make` stages them.
mkdir "$root/installed"
ln -s "/usr/lib/$triplet" "$root/installed/lib"
ln -s /usr/bin "$root/installed/bin"
in_root chroot "$root" sslcache doctor -- nginx >>"$log" 2>&1 || failed "sslcache doctor -- nginx"

step "the servers"
rm -f "$kept/workers.tsv"
[ $# -gt 0 ] || set -- workers:
there cargo test --locked --no-fail-fast --test servers -- "$@" || {
    grep -A 30 '^failures:' "$log" >&2
    fail "see $log"
}
step "all well"
