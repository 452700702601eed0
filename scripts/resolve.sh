#!/bin/sh
# scripts/resolve.sh latest|oldest FOLDER: make a virtual environment with the newest or the oldest releases that setup.py
# admits, whatever requirements/ says; of what it does not name, the newest.
set -eu
cd "$(dirname "$0")/.."
case $1 in
    latest) resolution=highest ;;
    oldest) resolution=lowest-direct ;;
    *) sed -n '2,3s/^# //p' "$0" >&2; exit 2 ;;
esac
scripts/uv.sh venv --quiet --clear --seed --python "$(scripts/python.sh 3.11 2>/dev/null || command -v python3)" "$2"
scripts/uv.sh pip install --quiet --python "$2/bin/python" --resolution "$resolution" --compile-bytecode --editable '.[standalone,kerberos,test]'
scripts/uv.sh pip list --quiet --python "$2/bin/python"
