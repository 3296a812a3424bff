#!/bin/sh
# install.sh ROOT.tar SSLCACHE.deb DEV.deb AGENT.deb: the packages in a clean system without a network: installed, upgraded,
# used by nginx, faced with other libssls, removed and purged.
# shellcheck source=tests/packages/inside.sh
. "$(dirname "$0")/inside.sh"
deb=$2 dev=$3 agent=$4
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
libdir=/usr/lib/$triplet
link=$libdir/sslcache/libssl.so.3
drop_in=/etc/systemd/system/nginx.service.d/sslcache.conf

# Each file of the root that is named, or the links that they are, must be there, or must not.
present() { for file in "$@"; do [ -e "$root$file" ] || fail "there is no $file"; done; }
absent() {
    for file in "$@"; do
        if [ -e "$root$file" ] || [ -L "$root$file" ]; then fail "there is $file"; fi
    done
}
apt() { in_root chroot "$root" apt-get -y -q "$@" >"$work/apt.log" 2>&1; }
# shellcheck disable=SC2016 # dpkg's fields
state() { in_root chroot "$root" dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$1" 2>/dev/null; }

# repack DEB VERSION CHANGE: DEB's like of another version, in the root's /tmp, after CHANGE was run in its tree.
repack() {
    rm -rf "$work/repack" && dpkg-deb -R "$1" "$work/repack"
    sed -i "s/^Version: .*/Version: $2/" "$work/repack/DEBIAN/control"
    (cd "$work/repack" && eval "$3")
    dpkg-deb --root-owner-group -b "$work/repack" "$root/tmp/" >/dev/null
}

# pack_libssl VERSION: the root's own libssl3, with another version and the file $work/libssl.so.3, in the root's /tmp.
pack_libssl() {
    rm -rf "$work/libssl" && mkdir -p "$work/libssl/DEBIAN"
    in_root chroot "$root" dpkg-query -s "$libssl" | sed "/^Status:/d; /^Conffiles:/d; s/^Version: .*/Version: $1/" \
        >"$work/libssl/DEBIAN/control"
    in_root chroot "$root" dpkg -L "$libssl" | sed 's|^/\.*|./|' >"$work/list"
    tar -C "$root" --no-recursion -T "$work/list" -c | tar -C "$work/libssl" -x
    cp "$work/libssl.so.3" "$work/libssl$libdir/libssl.so.3"
    dpkg-deb --root-owner-group -b "$work/libssl" "$root/tmp/libssl.deb" >/dev/null
}

# start VARIABLE...: nginx with these variables of the environment, as the service would start it.
start() {
    in_root chroot "$root" env "$@" nginx -g 'daemon on; master_process on;' >"$work/nginx.log" 2>&1 ||
        fail "nginx does not start with $*"
}
stop() {
    in_root chroot "$root" /usr/sbin/nginx -s stop >>"$work/nginx.log" 2>&1
    for _ in $(seq 100); do [ -e "$root/run/nginx.pid" ] || return 0 && sleep 0.05; done
    fail "nginx does not stop"
}
# One connection, and its answer: that tells that the server is done with the handshake. It keeps a session only after the
# last message, so a client that comes back at once to another worker may be there first.
visit() {
    printf 'GET / HTTP/1.0\r\n\r\n' |
        in_root chroot "$root" openssl s_client -connect 127.0.0.1:443 -tls1_2 -ign_eof "$@" 2>/dev/null
}
# How many of ten connections to any of four workers were resumed, with the session of one before them.
resumed() {
    visit -sess_out /tmp/session >"$work/first" || fail "no connection: $(cat "$work/first")"
    grep -q '^HTTP/' "$work/first" || fail "no answer: $(cat "$work/first")"
    for _ in $(seq 10); do visit -sess_in /tmp/session; done | grep -c '^Reused' || true
}
maps() { cat "/proc/$(cat "$root/run/nginx.pid")/maps"; }
# All files, but for what any installation changes.
files() {
    (cd "$root" && find . \( -path ./proc -o -path ./var/log -o -path ./var/cache -o -path ./var/lib/dpkg \
        -o -path ./var/lib/apt -o -path ./tmp -o -path ./run -o -path ./var/lib/nginx \) -prune -o -print | sort)
}

cp "$here/nginx.conf" "$root/etc/nginx/nginx.conf"
libssl=$(in_root chroot "$root" dpkg -S "$libdir/libssl.so.3" | sed 's/: .*//')
files >"$work/before"

step "without sslcache, each worker knows its own clients only"
start PLAIN=1
count=$(resumed)
[ "$count" -lt 10 ] || fail "all are resumed without sslcache: this test proves nothing"
stop

version=$(dpkg-deb -f "$deb" Version)
step "installation of an older version"
repack "$deb" 0.0.9-1 'echo "# An older word." >>etc/sslcache.toml; echo old >usr/share/sslcache/old'
older=$(basename "$root"/tmp/sslcache_0.0.9-1_*.deb)
apt install "/tmp/$older" || fail "apt install"
[ "$(state sslcache)" = "ii 0.0.9-1" ] || fail "the state is $(state sslcache)"
in_root chroot "$root" ldconfig
in_root chroot "$root" ldconfig -p >"$work/ldconfig"
# What programs load, without a variable: the system's.
found=$(sed -n 's|^.libssl\.so\.3 .*=> \(/usr\)\{0,1\}/lib|/usr/lib|p' "$work/ldconfig")
[ "$found" = "$libdir/libssl.so.3" ] || fail "ldconfig knows another libssl.so.3: $found"
grep -q 'libsslcache\.so\.0 ' "$work/ldconfig" || fail "ldconfig does not know libsslcache.so.0"
present "$link"

step "upgrade, with settings and a drop-in of the administrator's"
echo "verbose = 1" >>"$root/etc/sslcache.toml"
in_root chroot "$root" sslcache enable nginx >"$work/enable.log" || fail "sslcache enable"
grep -q 'daemon-reload && systemctl restart nginx' "$work/enable.log" || fail "enable says nothing of what is next"
for server in nginx apache2 haproxy postfix dovecot; do
    # Most of them are not installed there.
    in_root chroot "$root" sslcache enable $server --force >/dev/null
    file=$root/etc/systemd/system/$server.service.d/sslcache.conf
    [ $server != postfix ] || file=$root/etc/systemd/system/postfix@.service.d/sslcache.conf
    cmp "$file" "$root/usr/share/doc/sslcache/systemd/$server.conf" || fail "enable writes not what is documented"
    [ $server = nginx ] || in_root chroot "$root" sslcache disable $server >/dev/null
    [ $server = nginx ] || absent "${file#"$root"}" "$(dirname "${file#"$root"}")"
done
cp "$deb" "$dev" "$root/tmp/"
# Both changed the file: dpkg asks, and is told to keep the administrator's.
apt install -o Dpkg::Options::=--force-confold "/tmp/$(basename "$deb")" || fail "apt install of the upgrade"
[ "$(state sslcache)" = "ii $version" ] || fail "the state is $(state sslcache)"
grep -q '^verbose = 1$' "$root/etc/sslcache.toml" || fail "the administrator's settings are gone"
absent /usr/share/sslcache/old
present "$drop_in" "$link"

step "nginx with the drop-in's line: every client is resumed"
line=$(sed -n 's/^Environment=\(LD_PRELOAD=.*\)/\1/p' "$root$drop_in")
start "$line"
count=$(resumed)
[ "$count" = 10 ] || fail "$count of 10 are resumed with $line"
maps | grep -q "$libdir/libsslcache\.so\.0" || fail "nginx has not mapped libsslcache.so.0"
grep -q "^sslcache .* active, preloaded" "$work/nginx.log" || fail "sslcache does not say that it is active"
stop

step "nginx with the libssl.so.3 in front: every client is resumed"
start "LD_LIBRARY_PATH=$libdir/sslcache"
count=$(resumed)
[ "$count" = 10 ] || fail "$count of 10 are resumed with the libssl.so.3 in front"
maps | grep -q "$libdir/sslcache/libssl-in-front\.so" || fail "nginx has not mapped the libssl.so.3 in front"
stop

step "another libssl of the same version nodes arrives"
cp "$root$libdir/libssl.so.3" "$work/libssl.so.3"
cp "$work/libssl.so.3" "$work/libssl.orig"
# shellcheck disable=SC2016 # dpkg's field
now=$(in_root chroot "$root" dpkg-query -W -f '${Version}' "$libssl")
pack_libssl "$now+1"
apt install /tmp/libssl.deb || fail "the installation of $libssl"
present "$link"

step "one with a version node that is new: programs find the host itself"
printf 'OPENSSL_3.0.0 { };\nOPENSSL_3.99.0 { } OPENSSL_3.0.0;\n' >"$work/nodes"
${CC:-cc} -shared -nostdlib -Wl,-soname,libssl.so.3,--version-script,"$work/nodes" -o "$work/libssl.so.3" -x c /dev/null
pack_libssl "$now+2"
apt install /tmp/libssl.deb || fail "the installation of $libssl"
absent "$link"
grep -q 'OPENSSL_3\.99\.0' "$work/apt.log" || fail "nothing says which node is lacking"

step "and one that fits again"
cp "$work/libssl.orig" "$work/libssl.so.3"
pack_libssl "$now+3"
apt install /tmp/libssl.deb || fail "the installation of $libssl"
present "$link"

step "the files of libsslcache-dev, whose dependencies are not here, are nobody else's"
in_root chroot "$root" dpkg -i --force-depends "/tmp/$(basename "$dev")" >"$work/apt.log" 2>&1 || fail "libsslcache-dev"
present "$libdir/libsslcache.so" /usr/include/sslcache.h /usr/share/man/man3/sslcache_stats.3.gz
in_root chroot "$root" dpkg --purge libsslcache-dev >"$work/apt.log" 2>&1 || fail "the purge of libsslcache-dev"

step "the agent's package says what is to do, starts nothing, and its keyring ends with it"
cp "$agent" "$root/tmp/"
apt install "/tmp/$(basename "$agent")" || fail "apt install of the agent"
grep -q 'not started yet, as there is no keyring' "$work/apt.log" || fail "nothing says what is to do"
present /etc/sslcache-agent.toml /lib/systemd/system/sslcache-agent.socket
[ "$(stat -c %a "$root/etc/sslcache-agent")" = 700 ] || fail "others may look into the agent's folder"
in_root chroot "$root" sh -c 'umask 077 && sslcache agent key new >/etc/sslcache-agent/keyring' || fail "no key is made"
in_root chroot "$root" sslcache agent --check >"$work/check.log" 2>&1 &&
    fail "there is a store where there is none"
grep -q 'redis://127.0.0.1:6379: .*start the store' "$work/check.log" || fail "--check does not say that there is no store"
apt purge sslcache-agent || fail "apt purge of the agent"
absent /etc/sslcache-agent /etc/sslcache-agent.toml /lib/systemd/system/sslcache-agent.service

step "removal: configuration stays, and nginx starts with the drop-in all the same"
apt remove sslcache || fail "apt remove"
absent "$libdir/libsslcache.so.0" "$libdir/sslcache"
present /etc/sslcache.toml "$drop_in"
start "$line"
[ "$(resumed)" -lt 10 ] || fail "all are resumed, but sslcache was removed"
stop

step "purge: nothing is left"
apt purge sslcache || fail "apt purge"
files >"$work/after"
diff "$work/before" "$work/after" || fail "the purge leaves something, or takes too much"
step "all well"
