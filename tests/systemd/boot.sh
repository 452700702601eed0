#!/bin/sh
# boot.sh FOLDER: become the init of a private machine, an overlay of this one's root; called by machine.py in new
# namespaces. What is in FOLDER/shared is in the machine's /srv.
set -eu
mkdir -p "$1/disk" "$1/root"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1/disk"
mkdir "$1/disk/upper" "$1/disk/work"
mount -t overlay -o "lowerdir=/,upperdir=$1/disk/upper,workdir=$1/disk/work" overlay "$1/root"
mount --bind "$1/shared" "$1/root/srv"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
ip link set lo up
mkdir -p .old
pivot_root . .old
cd /
umount -l .old
# Credentials reach a service by mounts that propagate.
mount --make-rshared /
echo server.windsock.test > /etc/hostname
hostname server.windsock.test
echo '127.0.0.1 server.windsock.test server localhost' > /etc/hosts
# What the machine happens to have installed starts when a test wants it.
for unit in nginx pgbouncer krb5-kdc krb5-admin-server postgresql prometheus prometheus-node-exporter; do
    ln -sf /dev/null "/etc/systemd/system/$unit.service"
done
rm -f /etc/systemd/system/windsock* /etc/systemd/system/*/windsock*
exec env -i container=windsock-test PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
    /lib/systemd/systemd --system --log-target=console --show-status=no --unit=multi-user.target
