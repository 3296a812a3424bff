#!/bin/sh
# service.sh ROOT UNIT start|reload|stop: what systemd does with a service of the system in the folder ROOT, by its unit and its
# drop-ins: RuntimeDirectory=, Environment=, ExecStartPre=, ExecStart=, ExecReload= and ExecStop=. For services of the types
# forking and notify, and units that take nothing back.
set -eu
root=$1 unit=$2 what=$3
instance=${unit#*@} template=$unit
[ "$instance" = "$unit" ] || template=${unit%@*}@
state=$root/run/service-$unit
mkdir -p "$state"

# The lines of the section Service, of the unit and then of the drop-ins.
for folder in etc lib; do
    for name in "$unit" "$template"; do
        file=$root/$folder/systemd/system/$name.service
        [ -n "${found:-}" ] || [ ! -e "$file" ] || found=$file
    done
done
[ -n "${found:-}" ] || { echo "service.sh: no unit $unit in $root" >&2 && exit 1; }
for file in "$found" "$root/etc/systemd/system/$unit.service.d"/*.conf "$root/etc/systemd/system/$template.service.d"/*.conf; do
    [ ! -e "$file" ] || sed -e '/^[#;]/d' -e '/^\[/h' -e 'G; /\n\[Service\]$/!d; s/\n.*//' "$file"
done | sed "s/%i/$instance/g" >"$state/lines"
value() { sed -n "s/^$1=//p" "$state/lines"; }

# Each variable, one a line.
value Environment | while read -r line; do
    eval "set -- $line"
    for variable; do echo "$variable"; done
done >"$state/variables"

# run LINE: what a line of Exec... starts, in place of this shell.
run() {
    line=$(echo "$1" | sed 's/^[-@:+!]*//')
    while read -r variable; do eval "${variable%%=*}=\${variable#*=}"; done <"$state/variables"
    # shellcheck disable=SC2034 # the line may name it
    MAINPID=$(main)
    eval "set -- $line"
    while read -r variable; do set -- "$variable" "$@"; done <"$state/variables"
    exec env -i PATH="$PATH" chroot "$root" /usr/bin/env "$@"
}

# The process that is the service.
main() {
    file=$root$(value PIDFile)
    if [ -f "$file" ]; then cat "$file"; else cat "$state/pid" 2>/dev/null || true; fi
}

each() { value "$1" | while read -r line; do (run "$line") || [ "${line#-}" != "$line" ] || exit 1; done; }

case $what in
start)
    for folder in $(value RuntimeDirectory); do
        install -d -m "$(value RuntimeDirectoryMode | tail -n 1 | grep . || echo 0755)" "$root/run/$folder"
    done
    each ExecStartPre
    if [ "$(value Type)" = notify ]; then
        (run "$(value ExecStart)") &
        echo $! >"$state/pid"
    else
        each ExecStart
    fi
    ;;
reload) each ExecReload ;;
stop)
    if [ -n "$(value ExecStop)" ]; then each ExecStop; else kill "$(main)"; fi
    ;;
esac
