"""A place to type what a page says: a copy of this machine and of this checkout that is thrown away."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.documents.blocks import ROOT, Block, with_password

PASSWORD = "the-password-of-ann"
# What reads a block of which language.
_SHELLS = {"python": "python -", "zsh": "zsh -f -e", "fish": "fish --no-config"}
_PROGRAMS = ("unshare", "pivot_root", "ip", "curl", "zsh", "fish")
_UNSHARE = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "--kill-child")
_SERVICE = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:make run|\S*windsock (?:standalone|webserver|scheduler))\b")
# A command whose request fails has failed; a service that is started is waited for.
_BEFORE = """
set -euo pipefail
printf 'fail-with-body\\nsilent\\nshow-error\\n' > ~/.curlrc
# Whoever types takes longer, and this machine may be busy.
sleep() {
    command sleep $(($1 * 5))
}
service=
stop_service() {
    [ -n "$service" ] || return 0
    kill -INT "-$service" && wait "$service" || true
    service=
}
wait_for_service() {
    for _ in $(seq 600); do
        curl -o /dev/null "http://127.0.0.1:$1/health" 2>/dev/null && return
        kill -0 "$service" 2>/dev/null || break
        command sleep 0.2
    done
    cat /tmp/service.log
    exit 1
}
set -m
"""
_START = """
stop_service
{{ {command}; }} > /tmp/service.log 2>&1 < /dev/null &
service=$!
wait_for_service {port}
"""


def what_is_missing() -> str | None:
    """Say why there is no such place here, None if there is."""
    if os.getuid() != 0:
        return "only root can make a place of its own for what the documents say to type"
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    return f"not installed: {', '.join(missing)}" if missing else None


def typed(blocks: Sequence[Block], asides: Mapping[str, str]) -> str:
    """Make one script of the blocks.

    `asides` is what a reader does besides, by words of the block before which it happens; "" is the end of the page.
    """
    parts = [_BEFORE]
    for block in blocks:
        parts += [aside for words, aside in asides.items() if words and words in block.text]
        parts.append(f"echo '=== {block.place}'\n{_typed(block)}")
    return "\n".join([*parts, asides.get("", ""), "stop_service", ""])


def _typed(block: Block) -> str:
    text = with_password(block.text, PASSWORD)
    if block.file:
        return f"mkdir -p \"$(dirname '{block.file}')\"\ncat > '{block.file}' <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"
    if block.language == "ini":
        check = "from windsock.config import load_config; assert not load_config(database='none').warnings"
        here = f"cat > /tmp/block.cfg <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"
        return f'{here}AIRFLOW_CONFIG=/tmp/block.cfg python -c "{check}"\n'
    if block.language in _SHELLS:
        return f"{_SHELLS[block.language]} <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"
    assert block.language == "sh", f"{block.place}: nobody knows how {block.language!r} is run"
    lines = text.rstrip("\n").split("\n")
    if not _SERVICE.match(lines[-1]):
        return text
    port = found[1] if (found := re.search(r"--port[ =](\d+)", lines[-1])) else "${AIRFLOW__WINDSOCK__PORT:-8080}"
    return "\n".join([*lines[:-1], _START.format(command=lines[-1], port=port)])


def run(script: str, wheels: Path | None = None, timeout: float = 600) -> str:
    """Run a script there; what it printed. Fails when a command of it fails."""
    # On a file system that can be below an overlay's mounts, and whose path leaves room for sockets.
    with tempfile.TemporaryDirectory(prefix="windsock-documents-", dir="/var/tmp") as name:
        folder = Path(name)
        for part in ("disk", "root", "shared"):
            (folder / part).mkdir()
        folder.chmod(0o755)
        if wheels:
            shutil.copytree(wheels, folder / "shared" / "wheels")
        (folder / "shared" / "typed.sh").write_text(script, "utf-8")
        done = subprocess.run(
            [*_UNSHARE, "bash", str(Path(__file__).with_name("sandbox.sh")), str(folder), str(ROOT)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout}"
        return done.stdout
