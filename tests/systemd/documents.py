"""What `docs/deployment.md` says to type: its blocks of `sh`, by the headings that they are below."""

import re
import time

from tests.systemd.machine import ROOT, Machine

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_PASSWORD = re.compile(r"^Password: (\S+)$", re.MULTILINE)
_DAG = re.compile(r"/dags/(\w+)/")
# Somebody who types takes longer.
_PAUSE = 4.0


def sections() -> dict[str, list[str]]:
    """The blocks of each section that has some."""
    _, *rest = _HEADING.split((ROOT / "docs" / "deployment.md").read_text("utf-8"))
    found = {name: _BLOCK.findall(text) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    return {name: blocks for name, blocks in found.items() if blocks}


def follow(machine: Machine, section: str) -> str:
    """Type the blocks of a section one after the other; all that was printed.

    Where curl would ask for the password of the user that was created, it is told. For Kerberos the machine takes the
    wheels as they are: those that were built for it have none of the hashes that are known. DAG files are read by the
    scheduler, in its own time: who asks for a DAG waits until it is there.
    """
    printed = ""
    for block in sections()[section]:
        typed = block.replace("curl -u ann ", f"curl -u ann:{machine.password} ")
        typed = typed.replace("install.sh --kerberos", "install.sh --kerberos --wheelhouse /srv/wheels")
        for dag_id in _DAG.findall(typed):
            machine.until(f"windsock-admin list_dags | grep -w {dag_id}", timeout=120)
        printed += machine.run(typed, timeout=600)
        if found := _PASSWORD.search(printed):
            machine.password = found[1]
        time.sleep(_PAUSE)
    return printed
