#!/bin/sh
# scripts/lock.sh: write the newest releases that are admitted into requirements/*.txt and the package-lock.json files,
# with exact versions and hashes, for every Python from 3.11 on and every Linux. None names an index.
set -eu
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND='make lock'

# lock NAME ARGUMENTS: requirements/NAME.txt
lock() {
    name=$1
    shift
    echo "requirements/$name.txt" >&2
    scripts/uv.sh pip compile --quiet --upgrade --generate-hashes --no-annotate \
        --no-emit-index-url --output-file "requirements/$name.txt" "$@"
}
ours() {
    lock "$@" --universal --python-version 3.11
}

for name in uv build peers clients; do
    ours "$name" "requirements/$name.in"
done
for name in dag-factory git-bundle fab; do
    ours "$name" "requirements/$name.in" --no-deps
done
# One version of everything, whatever is installed of it.
ours test pyproject.toml --extra standalone --extra kerberos --extra test
ours windsock pyproject.toml --constraint requirements/test.txt
ours man requirements/man.in --constraint requirements/test.txt
for extra in standalone kerberos loadtest; do
    ours "$extra" pyproject.toml --extra "$extra" --constraint requirements/test.txt
done
# The real Airflows that `make test-airflow` installs unless it is told otherwise, each as of its own time.
# Not in the pipe, which would hide its failure.
releases=$(python3 tests/airflow/releases.py)
printf '%s\n' "$releases" | while read -r version python before packages; do
    # A list of words:
    # shellcheck disable=SC2086
    printf '%s\n' $packages | lock "airflow-$version" - --python-version "$python" --exclude-newer "$before" \
        --python-platform x86_64-unknown-linux-gnu
done
for folder in bench/peers/node tests/clients/npm; do
    echo "$folder/package-lock.json" >&2
    npm update --prefix "$folder" --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --silent
done
