#!/bin/sh
# scripts/uv.sh ARGUMENTS: run the uv of requirements/uv.txt, from an environment of its own; no configuration of the user's
# or the machine's decides what it does.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tool=$root/.lock lock=$root/requirements/uv.txt
if [ "$(cat "$tool/installed" 2>/dev/null)" != "$(cat "$lock")" ] || ! "$tool/bin/uv" --version >/dev/null 2>&1; then
    python3 -m venv --clear "$tool"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock"
    cp "$lock" "$tool/installed"
fi
exec "$tool/bin/uv" --no-config "$@"
