# shellcheck shell=sh
# Sourced by a script whose first argument is the tarball of a system. Runs the script again in namespaces of its own, so that
# no process, mount or port outlives it or meets others, with that system in the folder $root, and a certificate in /etc/tls.
set -eu
export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
script=$(basename "$0")
# shellcheck disable=SC2034 # used by the scripts that source this one
here=$(cd "$(dirname "$0")" && pwd -P)

if [ "${INSIDE:-}" = "" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM HUP
    INSIDE=$work unshare --mount --pid --net --fork --kill-child "$0" "$@"
    exit
fi
work=$INSIDE
root=$work/root

step() { echo "$script: $*"; }
fail() {
    echo "$script: FAILED: $*" >&2
    for log in "$work"/*.log; do [ ! -s "$log" ] || tail -n 20 "$log" >&2; done
    exit 1
}
in_root() { env -i PATH="$PATH" HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

mkdir "$root"
tar -C "$root" -xf "$1"
mount -t proc proc /proc
mount -t proc proc "$root/proc"
[ -c "$root/dev/null" ] || mount --rbind /dev "$root/dev"
ip link set lo up 2>/dev/null || in_root chroot "$root" ip link set lo up
mkdir "$root/etc/tls"
in_root chroot "$root" openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 \
    -keyout /etc/tls/key.pem -out /etc/tls/certificate.pem 2>/dev/null
