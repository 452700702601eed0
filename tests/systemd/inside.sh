#!/bin/sh
# Runs in the machine: install, start, trigger, kill, reload, upgrade, uninstall. Each step can fail.
set -eu
cd "$1"
api=http://127.0.0.1:8080/api/experimental
fail() { echo "FAILED: $*" >&2; journalctl --no-pager -n 40 -o cat -u 'windsock*' >&2; exit 1; }
say() { echo "== $*"; }
soon() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; fail "not within 20 s: $*"; }
ask() { curl -s --max-time 20 -u ann:a-good-password "$@"; }
pid() { systemctl show --property MainPID --value windsock.service; }
other_pid() { now=$(pid); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
install_it() { sh deploy/install.sh --wheel "$(ls wheels/windsock-*.whl)" --wheelhouse wheels; }
clean() { ! grep -E 'Socket errors|Non-2xx' "$1" && grep -q 'requests in' "$1"; }

say "install, twice: what the operator changed stays"
install_it
echo '# mine' >> /etc/windsock/airflow.cfg
key=$(cat /etc/windsock/credentials/secret_key)
install_it
grep -q '^# mine' /etc/windsock/airflow.cfg || fail "airflow.cfg was overwritten"
[ "$key" = "$(cat /etc/windsock/credentials/secret_key)" ] || fail "a new secret key"
[ "$(stat -c %a /etc/windsock/credentials)" = 700 ] || fail "credentials are open"

say "units: verify, security"
systemd-analyze verify /usr/local/lib/systemd/system/windsock* || fail "systemd-analyze verify"
for unit in windsock windsock-scheduler windsock-initdb; do
    systemd-analyze security --no-pager --threshold=15 "$unit.service" > security || fail "$(tail -1 security)"
    tail -1 security
done

say "Postgres, tables, a user, start"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
install -d -o postgres /tmp/pg
install -d -o postgres -m 2775 /run/postgresql
(cd /tmp && setpriv --reuid postgres --regid postgres --clear-groups "$bin/initdb" -D /tmp/pg --auth-local=peer --auth-host=trust >/dev/null)
pg() { systemd-run --quiet --unit=testpg --property=User=postgres --property=KillMode=mixed "$bin/postgres" -D /tmp/pg -k /run/postgresql; }
sql() { (cd /tmp && setpriv --reuid postgres --regid postgres --clear-groups psql -qAt -h /run/postgresql "$@"); }
pg
soon sql -c 'SELECT 1' postgres
sql -c 'CREATE ROLE windsock LOGIN' -c 'CREATE DATABASE windsock OWNER windsock' postgres
systemctl start windsock-initdb || fail initdb
systemctl enable --now windsock.socket windsock.service || fail start
echo a-good-password | windsock-admin create_user -u ann -e ann@example.org || fail create_user
[ "$(ask -o /dev/null -w '%{http_code}' "$api/test")" = 200 ] || fail "no answer"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$api/test")" = 401 ] || fail "open to all"
ask -X POST -d '{"name": "cars", "slots": 3, "description": ""}' "$api/pools" | grep -q cars || fail "no pool"

say "the scheduler's unit stays up in its sandbox"
cp /etc/windsock/credentials/dsn dsn
echo 'postgresql://windsock@127.0.0.1/windsock' > /etc/windsock/credentials/dsn
systemctl start windsock-scheduler.service || fail scheduler
sleep 4
systemctl is-active --quiet windsock-scheduler.service || fail "the scheduler ended"
[ "$(systemctl show --property NRestarts --value windsock-scheduler.service)" = 0 ] || fail "the scheduler restarts"
systemctl stop windsock-scheduler.service
[ "$(systemctl show --property Result --value windsock-scheduler.service)" = success ] || fail "the scheduler's end"
cp dsn /etc/windsock/credentials/dsn

say "killed: the parent, a hung parent (watchdog), a worker"
old=$(pid); kill -9 "$old"; soon other_pid "$old"
ask "$api/test" | grep -q OK || fail "after kill"
mkdir -p /run/systemd/system/windsock.service.d
printf '[Service]\nWatchdogSec=2\n' > /run/systemd/system/windsock.service.d/quick.conf
systemctl daemon-reload; systemctl restart windsock.service
old=$(pid); kill -STOP "$old"; soon other_pid "$old"
ask "$api/test" | grep -q OK || fail "after the watchdog"
old=$(pid); kill -9 "$(pgrep -P "$old" | head -1)"
ask "$api/test" | grep -q OK || fail "without one worker"

say "a lost database restarts nothing, and is found again"
old=$(pid); systemctl kill --signal=KILL --kill-who=all testpg; soon sh -c '! systemctl is-active testpg'
sleep 5
[ "$(pid)" = "$old" ] || fail "restarted without a database"
systemctl reset-failed testpg || true
pg
soon sh -c "curl -sf -u ann:a-good-password $api/pools"
[ "$(pid)" = "$old" ] || fail "restarted"

say "reload: new options; a bad file keeps the old ones"
cp /etc/windsock/airflow.cfg good
echo 'nonsense' >> /etc/windsock/airflow.cfg
systemctl reload windsock.service || true
ask "$api/test" | grep -q OK || fail "after a bad reload"
journalctl --no-pager -o cat -u windsock | grep -q 'reload refused' || fail "nothing said of a bad file"
sed 's/^workers = 2/workers = 3/' good > /etc/windsock/airflow.cfg
systemctl reload windsock.service || fail reload
soon sh -c "[ \$(pgrep -c -P $(pid)) = 3 ]"

say "restart, reload and upgrade under load: no request fails"
wrk -t1 -c16 -d20s --timeout 20s http://127.0.0.1:8080/health > wrk.out &
load=$!
sleep 1; systemctl restart windsock.service
sleep 1; systemctl reload windsock.service
install_it; systemctl restart windsock.service
wait "$load"
cat wrk.out
clean wrk.out || fail "requests failed"
[ "$(find /opt/windsock/releases -mindepth 1 -maxdepth 1 | wc -l)" -le 2 ] || fail "old releases stay"

say "uninstall"
sh deploy/uninstall.sh
[ ! -e /opt/windsock ] && [ -e /etc/windsock/airflow.cfg ] || fail "uninstall"
! systemctl cat windsock.service 2>/dev/null || fail "the unit is still there"
sh deploy/uninstall.sh --purge
[ ! -e /etc/windsock ] && ! getent passwd windsock || fail "purge"
say "all well"
