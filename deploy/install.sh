#!/bin/sh
# Install or upgrade Windsock on Debian 12, Ubuntu 24.04 or newer. Safe to repeat.
#
#   deploy/install.sh [--kerberos] [--wheel FILE] [--wheelhouse FOLDER] [--python PROGRAM]
#
# Without --wheel it installs the checkout that it is part of. Packages come from the index that pip is configured for, with
# the versions and hashes in requirements/, or only from --wheelhouse, with the versions: wheels that were built for it have
# other hashes. A new release is installed beside the old one; running services use it after their next restart.
# --kerberos adds what kerberos_auth needs; later upgrades keep it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
requirements=$(dirname "$here")/requirements
wheel='' wheelhouse='' python='' lock=windsock
while [ $# -gt 0 ]; do
    case $1 in
        --kerberos) lock=kerberos; shift ;;
        --wheel) wheel=${2:?--wheel needs a file}; shift 2 ;;
        --wheelhouse) wheelhouse=${2:?--wheelhouse needs a folder}; shift 2 ;;
        --python) python=${2:?--python needs a program}; shift 2 ;;
        *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
die() { echo "install.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "run it as root"
command -v systemctl >/dev/null || die "systemd is missing"
[ "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -ge 250 ] || die "systemd 250 or newer is needed"
usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
if [ -z "$python" ]; then
    for python in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 none; do
        usable "$python" && break
    done
fi
usable "$python" || die "Python 3.11 or newer with venv is needed: apt-get install python3 python3-venv"

for user in windsock windsock-tasks; do
    getent passwd "$user" >/dev/null || useradd --system --user-group --no-create-home \
        --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
done

umask 022
install -d -m 755 /opt/windsock/releases /etc/windsock /etc/windsock/dags /usr/local/lib/systemd/system \
    /usr/local/share/doc/windsock
release=$(mktemp -d "/opt/windsock/releases/$(date -u +%Y%m%d-%H%M%S)-XXXX")
trap 'rm -rf "$release"' EXIT
# sh does not run it when a signal ends the shell.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$release"
"$python" -m venv "$release"
if [ -x /opt/windsock/current/bin/python ] && /opt/windsock/current/bin/python -c 'import gssapi' 2>/dev/null; then
    lock=kerberos
fi
pip_install() {
    "$release/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps "$@"
}
# Installs exactly what a lock file says.
pip_install_locked() {
    name=$1
    shift
    if [ -n "$wheelhouse" ]; then
        sed '/^ *--hash/d; s/ *\\$//' "$requirements/$name.txt" > "$release/requirements.txt"
        pip_install "$@" --no-index --find-links "$wheelhouse" -r "$release/requirements.txt"
        rm "$release/requirements.txt"
    else
        pip_install "$@" --require-hashes -r "$requirements/$name.txt"
    fi
}
# The tools that build wheels are not part of the release. Pip itself would take the newest ones.
pip_install_locked build --target "$release/build-tools"
export PYTHONPATH="$release/build-tools"
pip_install_locked "$lock" --no-build-isolation
# It is not built in the checkout, where a build of another release may have left modules, which would become part of it.
printf '[build]\nbuild_base = %s/build\n' "$release" > "$release/build.cfg"
export DIST_EXTRA_CONFIG="$release/build.cfg"
pip_install --no-build-isolation "${wheel:-$(dirname "$here")}"
unset PYTHONPATH
"$release/bin/windsock" --version
pip_install_locked man --target "$release/man-tools"
install -d -m 755 "$release/share/man/man1"
PYTHONPATH="$release/man-tools" "$release/man-tools/bin/click-man" --target "$release/share/man/man1" windsock >/dev/null
rm -rf "$release/build" "$release/build.cfg" "$release/build-tools" "$release/man-tools"
trap - EXIT
# rename(2) is atomic: a service that starts meanwhile finds either the old or the new one.
before=$(readlink /opt/windsock/current || true)
ln -sfn "$release" /opt/windsock/next
mv -T /opt/windsock/next /opt/windsock/current

# The operator's changes stay.
[ -e /etc/windsock/airflow.cfg ] || install -m 644 "$here/airflow.cfg" /etc/windsock/airflow.cfg
install -d -m 700 /etc/windsock/credentials
if [ ! -e /etc/windsock/credentials/secret_key ]; then
    (umask 077; "$python" -c 'import secrets; print(secrets.token_hex(32))' > /etc/windsock/credentials/secret_key)
fi
if [ ! -e /etc/windsock/credentials/dsn ]; then
    # Through the local socket, as the role with the service's own name.
    (umask 077; echo 'postgresql:///windsock?host=/run/postgresql&user=windsock' > /etc/windsock/credentials/dsn)
fi
if [ ! -e /etc/windsock/credentials/tasks_dsn ]; then
    # The scheduler is another user, so that tasks cannot read the other credentials.
    (umask 077; sed 's/&user=windsock$/&-tasks/' /etc/windsock/credentials/dsn > /etc/windsock/credentials/tasks_dsn)
fi
install -m 644 "$here"/systemd/* /usr/local/lib/systemd/system/
install -m 755 "$here/windsock-admin" /usr/local/sbin/windsock-admin
# The command for every user, with man pages and completion; a `windsock` of somebody else's stays.
case $(readlink /usr/local/bin/windsock || ls -d /usr/local/bin/windsock 2>/dev/null) in
    '' | /opt/windsock/*) ln -sfn /opt/windsock/current/bin/windsock /usr/local/bin/windsock ;;
    *) echo "install.sh: /usr/local/bin/windsock does not belong to this installation, so it stays as it is" >&2 ;;
esac
install -d -m 755 /usr/local/share/man/man1 /usr/local/share/bash-completion/completions \
    /usr/local/share/zsh/site-functions /usr/local/share/fish/vendor_completions.d
rm -f /usr/local/share/man/man1/windsock.1 /usr/local/share/man/man1/windsock-*.1
install -m 644 "$release"/share/man/man1/* /usr/local/share/man/man1/
write_completion() { _WINDSOCK_COMPLETE=$1_source "$release/bin/windsock" > "/usr/local/share/$2"; }
write_completion bash bash-completion/completions/windsock
write_completion zsh zsh/site-functions/_windsock
write_completion fish fish/vendor_completions.d/windsock.fish
[ ! -e "$here/../docs/deployment.md" ] || install -m 644 "$here"/../docs/*.md /usr/local/share/doc/windsock/
systemctl daemon-reload

# The new release and the one before it are kept, so that `current` can be pointed back; and so are those that still run.
running=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ')
for old in /opt/windsock/releases/*; do
    case "$release $before $running" in *"$old"*) ;; *) rm -rf "$old" ;; esac
done
echo "Installed in $release. Settings: /etc/windsock/airflow.cfg and /etc/windsock/credentials."
echo "Start: systemctl enable --now windsock.socket windsock.service; after an upgrade: systemctl restart windsock.service"
