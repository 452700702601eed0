#!/bin/sh
# boot.sh FOLDER: become the init of a private machine, an overlay of this one's root; called by run.sh in new namespaces.
set -eu
mkdir -p "$1/disk" "$1/root"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1/disk"
mkdir "$1/disk/upper" "$1/disk/work"
mount -t overlay -o "lowerdir=/,upperdir=$1/disk/upper,workdir=$1/disk/work" overlay "$1/root"
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
# Services that the machine happens to have are none of ours.
for unit in nginx pgbouncer krb5-kdc krb5-admin-server postgresql postgresql@15-main; do
    ln -sf /dev/null "/etc/systemd/system/$unit.service"
done
exec env -i container=windsock-test PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
    /lib/systemd/systemd --system --log-target=console --show-status=no --unit=multi-user.target
