#!/bin/sh
# services.sh ROOT.tar SSLCACHE.deb: Debian's services, enabled in a clean system and started by their own units: whether
# sslcache stat sees them, and whether their clients are resumed.
# shellcheck source=tests/packages/inside.sh
. "$(dirname "$0")/inside.sh"

service() { "$here/service.sh" "$root" "$@" >>"$work/service.log" 2>&1; }
# One connection, which ends when the server has answered $request, so that it is done with the handshake.
visit() {
    printf '%b' "$request" | in_root timeout 20 chroot "$root" openssl s_client -connect "127.0.0.1:$port" -tls1_2 -ign_eof \
        ${starttls:+-starttls "$starttls"} "$@" 2>"$work/client.err"
}
# How many of eight clients that come back are resumed; COMMAND is run in between.
returning() {
    for client in 1 2 3 4 5 6 7 8; do
        visit -sess_out "/tmp/session$client" >"$work/first" || fail "no connection to $name: $(cat "$work/first")"
    done
    "$@"
    for client in 1 2 3 4 5 6 7 8; do visit -sess_in "/tmp/session$client"; done | grep -c '^Reused' || true
}
listening() {
    for _ in $(seq 200); do
        if visit >"$work/first" && grep -q '^SSL handshake has read' "$work/first"; then return; fi
        sleep 0.05
    done
    fail "$name does not listen: $(cat "$work/first")"
}
start() {
    service "$unit" start || fail "$name does not start"
    listening
}
stop() {
    service "$unit" stop || fail "$name does not stop"
    for _ in $(seq 400); do
        visit >/dev/null || return 0
        sleep 0.05
    done
    fail "$name goes on"
}
nothing() { :; }
# A reload, which is over when the processes of before are gone that serve nobody.
reload() {
    service "$unit" reload || fail "$name does not reload"
    sleep 1
    listening
}
# try NAME PORT BETWEEN PLAIN COUNT PROGRAM: of eight clients, PLAIN are resumed by Debian's own service, with BETWEEN before
# they come back, and COUNT by one that was enabled, which sslcache stat shows as PROGRAM. PLAIN and COUNT are patterns of grep.
try() {
    name=$1 unit=$1 port=$2 between=$3
    step "$name"
    start
    count=$(returning "$between")
    echo "$count" | grep -q -x "$4" ||
        fail "$name without sslcache: $count of 8 are resumed, and not $4: this test proves nothing"
    stop
    in_root chroot "$root" sslcache enable "$name" >"$work/enable.log" 2>&1 || fail "sslcache enable $name"
    start
    count=$(returning "$between")
    echo "$count" | grep -q -x "$5" || fail "$name with sslcache: $count of 8 are resumed, and not $5"
    in_root chroot "$root" sslcache stat >"$work/stat.log" 2>&1 || fail "sslcache stat shows nothing of $name"
    grep -q " $6 " "$work/stat.log" || fail "sslcache stat does not show $6"
    stop
    in_root chroot "$root" sslcache disable "$name" >"$work/enable.log" 2>&1 || fail "sslcache disable $name"
}

cp "$2" "$root/tmp/sslcache.deb"
in_root chroot "$root" dpkg -i /tmp/sslcache.deb >"$work/dpkg.log" 2>&1 || fail "dpkg -i"
cp -R "$here/services/." "$root/"

cat "$root/etc/tls/certificate.pem" "$root/etc/tls/key.pem" >"$root/etc/tls/both.pem"

# Tickets, and a reload, which makes new keys without sslcache. HAProxy learns by a client where a name leads.
request='GET / HTTP/1.0\r\n\r\n'
try nginx 443 reload 0 8 nginx
in_root chroot "$root" a2enmod -q ssl >"$work/a2enmod.log" 2>&1 || fail "a2enmod"
try apache2 443 reload 0 8 apache2
try haproxy 443 reload 0 '[78]' haproxy
# Sessions without tickets, which its login processes do not have in common.
request='a LOGOUT\r\n'
try dovecot 993 nothing '[0-7]' 8 imap-login

# Nothing is gained, and nothing lost where it is asked for all the same.
name=postfix unit=postfix@- port=25 starttls=smtp request='QUIT\r\n'
step "$name"
if in_root chroot "$root" sslcache enable postfix >"$work/enable.log" 2>&1; then fail "postfix is not refused"; fi
grep -q 'it gains nothing' "$work/enable.log" || fail "no reason is given for postfix"
in_root chroot "$root" sslcache enable postfix --force >"$work/enable.log" 2>&1 || fail "sslcache enable postfix --force"
imported=$(in_root chroot "$root" postconf -h import_environment)
in_root chroot "$root" postconf -e "import_environment = $imported LD_PRELOAD" inet_interfaces=127.0.0.1 inet_protocols=ipv4 \
    smtpd_tls_security_level=may smtpd_tls_cert_file=/etc/tls/certificate.pem smtpd_tls_key_file=/etc/tls/key.pem
start
count=$(returning nothing)
[ "$count" = 8 ] || fail "$name with sslcache: $count of 8 are resumed"
in_root chroot "$root" sslcache stat >"$work/stat.log" 2>&1 || fail "sslcache stat shows nothing of $name"
grep -q " smtpd " "$work/stat.log" || fail "sslcache stat does not show smtpd"
stop
step "all well"
