#!/bin/sh
# Remove Windsock.
#
#   deploy/uninstall.sh [--purge]
#
# The configuration, changes of the units, credentials, logs and users stay, unless --purge is given. The database always stays.
set -eu
case $#${1:-} in
    0 | 1--purge) ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "uninstall.sh: run it as root" >&2; exit 1; }
for unit in windsock.service windsock.socket windsock-scheduler.service; do
    systemctl disable --now "$unit" 2>/dev/null || true
done
rm -f /usr/local/lib/systemd/system/windsock.service /usr/local/lib/systemd/system/windsock.socket \
    /usr/local/lib/systemd/system/windsock-scheduler.service /usr/local/lib/systemd/system/windsock-initdb.service \
    /usr/local/sbin/windsock-admin /usr/local/share/man/man1/windsock.1 /usr/local/share/man/man1/windsock-*.1 \
    /usr/local/share/bash-completion/completions/windsock /usr/local/share/zsh/site-functions/_windsock \
    /usr/local/share/fish/vendor_completions.d/windsock.fish
[ "$(readlink /usr/local/bin/windsock || true)" != /opt/windsock/current/bin/windsock ] || rm /usr/local/bin/windsock
rm -rf /opt/windsock /usr/local/share/doc/windsock
if [ "${1:-}" = --purge ]; then
    for unit in windsock.service windsock.socket windsock-scheduler.service windsock-initdb.service; do
        rm -rf "/etc/systemd/system/$unit.d"
    done
    rm -rf /etc/windsock /var/lib/windsock /var/lib/windsock-tasks /var/log/windsock /var/log/windsock-tasks
    for user in windsock windsock-tasks; do
        userdel "$user" 2>/dev/null || true
    done
fi
systemctl daemon-reload
