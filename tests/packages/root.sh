#!/bin/sh
# root.sh [RELEASE PACKAGE...]: prints the path of a tarball with a minimal system of a Debian release, and in it the packages
# of the list that this release has. A package whose name ends with "-" cannot be installed beside the others, and is unpacked
# in /srv/apart. Without arguments, the system is one of this machine's release, with the services that services.sh tries. It
# is made once, by debootstrap, and kept in the cache folder of the user. Fails with a reason where it cannot be made.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd -P)
if [ $# = 0 ]; then
    # shellcheck disable=SC1091 # the system's
    . /etc/os-release
    set -- "$VERSION_CODENAME" openssl nginx apache2 haproxy dovecot-imapd postfix
fi
release=$1
shift
folder=${XDG_CACHE_HOME:-$HOME/.cache}/sslcache/roots
# Another list is another system.
tarball=$folder/$release-$(dpkg --print-architecture)-$(echo "$*" | cksum | sed 's/ .*//').tar
[ ! -e "$tarball" ] || { echo "$tarball" && exit 0; }

mkdir -p "$folder"
work=$(mktemp -d "$folder/.new.XXXXXX")
root=$work/root
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
echo "root.sh: making $tarball" >&2
give_up() {
    tail -n 5 "$work/log" >&2
    echo "root.sh: $*" >&2
    exit 1
}
DEBIAN_FRONTEND=noninteractive debootstrap --variant=minbase "$release" "$root" >"$work/log" 2>&1 ||
    give_up "debootstrap cannot make a system here"

# No service starts because its package arrives.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Nobody has to find this system as it was before a loss of power.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
cp /etc/resolv.conf "$root/etc/resolv.conf"
{
    echo "deb http://deb.debian.org/debian $release main"
    [ "$release" = sid ] || echo "deb http://deb.debian.org/debian-security $release-security main"
} >"$root/etc/apt/sources.list"
cp "$here/../../tools/unpack" "$root/tmp/unpack"

# shellcheck disable=SC2016 # for the inner shell: /proc is mounted for one command, and for nobody else
in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive unshare --mount \
        sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@" >>"$work/log" 2>&1
}
# A mirror may be weeks behind, whose signed list of sid is then out of date; for a system that is thrown away that is no matter.
apt() {
    in_root apt-get -y -q -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false --no-install-recommends "$@"
}
{ apt update && apt upgrade; } || give_up "apt-get cannot update this system"
known=
for package; do
    if [ "${package%-}" != "$package" ]; then
        in_root /tmp/unpack /srv/apart "${package%-}"
    elif in_root apt-cache show "$package"; then
        known="$known $package"
    else
        echo "root.sh: $release has no $package" >&2
    fi
done
# An archive may list a security update whose file it has not got; it has the version that the release came with.
# shellcheck disable=SC2086 # words are meant
apt install $known || for package in $known; do
    apt install "$package" || apt install -t "$release" "$package" || echo "root.sh: $package cannot be had" >&2
done
apt clean
rm "$root/tmp/unpack"
tar -C "$root" -cf "$work/root.tar" .
mv "$work/root.tar" "$tarball"
echo "$tarball"
