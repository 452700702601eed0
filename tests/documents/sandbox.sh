#!/bin/bash
# sandbox.sh FOLDER CHECKOUT: run FOLDER/shared/typed.sh in an overlay of this machine's root and of the checkout, without a
# network; called by sandbox.py in new namespaces. Nothing that is written stays, but what is in /srv.
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1/disk"
mkdir "$1"/disk/{upper,work,upper-checkout,work-checkout}
mount -t overlay -o "lowerdir=/,upperdir=$1/disk/upper,workdir=$1/disk/work" overlay "$1/root"
mount --bind "$1/shared" "$1/root/srv"
cd "$1/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# Now, for the checkout may be below /tmp.
mkdir -p ".$2"
mount -t overlay -o "lowerdir=$2,upperdir=$1/disk/upper-checkout,workdir=$1/disk/work-checkout" overlay ".$2"
ip link set lo up
pivot_root . mnt
cd /
umount -l mnt
echo reader.windsock.test > /etc/hostname
hostname reader.windsock.test
echo '127.0.0.1 localhost reader.windsock.test db.example' > /etc/hosts
rm -rf "$2/.windsock"
mkdir -p /home/reader
cd "$2"
exec env -i HOME=/home/reader PATH="$2/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels PIP_DISABLE_PIP_VERSION_CHECK=1 \
    bash /srv/typed.sh
