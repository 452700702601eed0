#!/bin/sh
# Remove Windsock; configuration, credentials, logs and users stay unless --purge is given. The database always stays.
set -eu
[ "$(id -u)" = 0 ] || { echo "uninstall.sh: run it as root" >&2; exit 1; }
for unit in windsock.service windsock.socket windsock-scheduler.service; do
    systemctl disable --now "$unit" 2>/dev/null || true
done
rm -f /usr/local/lib/systemd/system/windsock.service /usr/local/lib/systemd/system/windsock.socket \
    /usr/local/lib/systemd/system/windsock-scheduler.service /usr/local/lib/systemd/system/windsock-initdb.service \
    /usr/local/sbin/windsock-admin
rm -rf /opt/windsock /usr/local/share/doc/windsock
systemctl daemon-reload
if [ "${1:-}" = --purge ]; then
    rm -rf /etc/windsock /var/lib/windsock /var/lib/windsock-tasks /var/log/windsock /var/log/windsock-tasks
    for user in windsock windsock-tasks; do
        userdel "$user" 2>/dev/null || true
    done
fi
