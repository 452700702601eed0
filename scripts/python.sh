#!/bin/sh
# scripts/python.sh VERSION: the path of an interpreter such as 3.12, on PATH or one of pyenv's, that can make
# virtual environments.
set -eu
version=$1
for python in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    if [ -n "$python" ] && "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "$python"
        exit 0
    fi
done
echo "Python $version with venv is needed: on PATH as python$version, or as one of pyenv's versions" >&2
exit 1
