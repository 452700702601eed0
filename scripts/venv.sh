#!/bin/sh
# scripts/venv.sh EXTRAS [FOLDER]: make .venv, or that folder, and install this checkout with these extras; does nothing
# where that is done. The versions are those of the lock file that is called like the last of the extras; PYTHON names
# the interpreter.
set -eu
cd "$(dirname "$0")/.."
extras=$1
venv=${2:-.venv}
lock=requirements/${extras##*,}.txt
stamp=$venv/installed-$extras
# What an installation depends on. The place too: a virtual environment that was copied or moved runs the old code.
want=$(pwd; cat setup.py pyproject.toml windsock/version.py scripts/venv.sh requirements/build.txt "$lock")

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if usable "$python"; then
            command -v "$python"
            return
        fi
    done
    echo "Windsock needs Python 3.11 or newer with venv; on Debian and Ubuntu: sudo apt-get install python3 python3-venv" >&2
    exit 1
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && "$venv"/bin/python -c '' 2>/dev/null; then
    exit 0
fi
if [ "$(cat "$venv"/place 2>/dev/null)" != "$(pwd)" ] || ! "$venv"/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python)
    echo "Making a virtual environment in $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
    pwd > "$venv"/place
fi
echo "Installing Windsock [$extras] into $venv (once; downloads what is missing) ..."
install() {
    "$venv"/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "$@"
}
# Without an environment of pip's own for each build, into which it would take whatever is the newest.
install --require-hashes -r requirements/build.txt
install --require-hashes --no-build-isolation -r "$lock"
install --no-build-isolation --editable .
printf '%s\n' "$want" > "$stamp"
