#!/bin/sh
# root.sh: prints the path of a tarball with a minimal system of this machine's release, and in it the servers that are tried
# there. It is made once, by debootstrap, and kept in the cache folder of the user. Fails with a reason where it cannot be made.
set -eu
# shellcheck disable=SC1091 # the system's
. /etc/os-release
folder=${XDG_CACHE_HOME:-$HOME/.cache}/sslcache/roots
servers=nginx,apache2,haproxy,dovecot-imapd,postfix
# Its name has what is in it: another list is another system.
tarball=$folder/$VERSION_CODENAME-$(dpkg --print-architecture)-$(echo $servers | tr , -).tar
[ ! -e "$tarball" ] || { echo "$tarball" && exit 0; }

mkdir -p "$folder"
work=$(mktemp -d "$folder/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
echo "root.sh: making $tarball" >&2
DEBIAN_FRONTEND=noninteractive debootstrap --variant=minbase "--include=openssl,$servers" "$VERSION_CODENAME" \
    "$work/root" >"$work/log" 2>&1 || {
    tail -n 3 "$work/log" >&2
    echo "root.sh: debootstrap cannot make a system here" >&2
    exit 1
}
rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/*
# No service starts because its package arrives.
printf '#!/bin/sh\nexit 101\n' >"$work/root/usr/sbin/policy-rc.d"
chmod 755 "$work/root/usr/sbin/policy-rc.d"
tar -C "$work/root" -cf "$work/root.tar" .
mv "$work/root.tar" "$tarball"
echo "$tarball"
