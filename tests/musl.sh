#!/bin/sh
# musl.sh LIBRARY HOST WORK: the C programs with musl's C library, on an OpenSSL in HOST that was built for it: plain, and with
# LIBRARY preloaded. What they print must agree, but for what ctests/divergences lists. Those that cannot be built for musl or for this
# release, or that want settings of their own, are left out and counted; and the one about cancelled threads, as musl ends
# them without unwinding.
set -eu
library=$1 host=$2 work=$3
cd "$(dirname "$0")/.."
mkdir -p "$work"
# Only the settings that are given here.
for variable in $(env | sed -n 's/^\(SSLCACHE_[A-Z0-9_]*\)=.*/\1/p'); do unset "$variable"; done

compile() {
    musl-gcc -std=gnu11 -w -O1 -Ictests -I"$host/include" -c -o "$2" "$1" -idirafter /usr/include \
        -idirafter "/usr/include/$(cc -dumpmachine)" 2>"$work/errors"
}
# At most a minute. The variables are the program's alone: `timeout` has another C library.
run() { timeout 60 env LD_LIBRARY_PATH="$host/lib" "$@"; }
# The value that ctests/divergences lists for a name with sslcache: for this release, for its way of linking, for all.
# shellcheck disable=SC2016 # awk's fields
listed() {
    awk -F ' *[|] *' -v name="$1" '$1 == name "@openssl111" { a = $3 } $1 == name "@bsymbolic" { b = $3 } $1 == name { c = $3 }
        END { print a != "" ? a : b != "" ? b : c }' ctests/divergences
}

compile ctests/common.c "$work/common.o" || { cat "$work/errors" >&2 && exit 1; }
agree=0 left=0 failed=
for source in ctests/*.c; do
    name=$(basename "$source" .c)
    case $name in common | callbacks_unwound) continue ;; esac
    if grep -q '^ \* \(settings\|agent\|needs\|hangs\|valgrind only\)' "$source" || ! compile "$source" "$work/$name.o" ||
        ! musl-gcc -o "$work/$name" "$work/$name.o" "$work/common.o" "$host/lib/libssl.so.1.1" "$host/lib/libcrypto.so.1.1" -lpthread \
            2>"$work/errors"; then
        left=$((left + 1))
        continue
    fi
    run "$work/$name" >"$work/plain" 2>&1 || { left=$((left + 1)) && continue; }
    if ! run LD_PRELOAD="$library" "$work/$name" >"$work/ours" 2>&1; then
        failed="$failed $name"
        continue
    fi
    verdict=agree
    grep -v '^divergence ' "$work/plain" >"$work/plain.rest" || true
    grep -v '^divergence ' "$work/ours" >"$work/ours.rest" || true
    cmp -s "$work/plain.rest" "$work/ours.rest" || verdict=differ
    sed -n 's/^divergence \([^:]*\): \(.*\)/\1 \2/p' "$work/ours" >"$work/divergences"
    while read -r which value; do
        [ "$(listed "$which")" = "$value" ] || verdict=$which
    done <"$work/divergences"
    if [ "$verdict" = agree ]; then agree=$((agree + 1)); else failed="$failed $name($verdict)"; fi
done
echo "musl.sh: $agree programs agree, $left left out"
[ -z "$failed" ] || { echo "musl.sh: failed:$failed" && exit 1; }
