#!/bin/sh
# Install what scripts/apt-packages.txt lists and is missing; as root, or through sudo. Starts no service.
set -eu
list=$(dirname "$0")/apt-packages.txt

missing=
# Names without blanks:
# shellcheck disable=SC2013
for package in $(grep -v '^#' "$list"); do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        exec sudo "$0"
    fi
    echo "The tests need packages that only root can install. Run: sudo apt-get install -y$missing" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "The tests need, by their Debian names:$missing" >&2
    exit 1
fi

# Debian starts what it installs; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    # sh does not run it when a signal ends the shell.
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# A list of words:
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing
