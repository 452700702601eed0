#!/bin/sh
# make test-systemd: boot a private systemd and do in it what an operator does. Needs root, systemd, Postgres, wrk.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "test-systemd: only root can boot a private systemd" >&2; exit 1; }
folder=$(mktemp -d /var/tmp/windsock-systemd.XXXXXX)
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/windsock-test-$$
mkdir "$cgroup"
init=''
finish() {
    [ -z "$init" ] || { kill -9 "$init" 2>/dev/null || true; wait "$init" 2>/dev/null || true; }
    rm -rf "$folder"
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
}
trap finish EXIT
trap 'exit 1' INT TERM
mkdir "$folder/wheels"
cp -r "$root/deploy" "$root/docs" "$folder/"
"$root/.venv/bin/python" -m pip wheel --quiet --quiet --wheel-dir "$folder/wheels" "$root"
cp "$root/tests/systemd/inside.sh" "$folder/"
sh -c 'echo $$ > "$1/cgroup.procs"; exec unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child \
    sh "$2" "$3"' - "$cgroup" "$root/tests/systemd/boot.sh" "$folder/machine" > "$folder/boot.log" 2>&1 < /dev/null &
init=$!
enter() {
    # The machine's first process is the only child of unshare.
    nsenter --target "$(cat "/proc/$init/task/$init/children" | tr -d ' ')" --mount --uts --ipc --net --pid --cgroup \
        --root --wd -- "$@"
}
for _ in $(seq 60); do
    state=$(enter systemctl is-system-running 2>/dev/null || true)
    case $state in running|degraded) break ;; esac
    sleep 0.5
done
case $state in running|degraded) ;; *) cat "$folder/boot.log"; echo "systemd did not come up: $state"; exit 1 ;; esac
# Nothing in there may hang for ever.
timeout 240 nsenter --target "$(tr -d ' ' < "/proc/$init/task/$init/children")" --mount --uts --ipc --net --pid \
    --cgroup --root --wd -- sh "$folder/inside.sh" "$folder"
