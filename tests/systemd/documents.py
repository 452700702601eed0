"""What the documents say to type on a server: the blocks of `sh` of a page, by the headings that they are below."""

import re
import time

from tests.documents.blocks import blocks, with_password
from tests.systemd.machine import Machine

DEPLOYMENT = "docs/deployment.md"
_PASSWORD = re.compile(r"^Password: (\S+)$", re.MULTILINE)
_DAG = re.compile(r"/dags/(\w+)/")
# Somebody who types takes longer.
_PAUSE = 4.0


def sections(page: str = DEPLOYMENT) -> dict[str, list[str]]:
    """The blocks of each section that has some that are not illustrations."""
    found: dict[str, list[str]] = {}
    for block in blocks(page):
        if block.language == "sh" and block.illustration is None:
            found.setdefault(block.heading, []).append(block.text)
    return found


def follow(machine: Machine, section: str, page: str = DEPLOYMENT) -> str:
    """Type the blocks of a section one after the other; all that was printed."""
    return "".join(type_block(machine, block) for block in sections(page)[section])


def type_block(machine: Machine, block: str) -> str:
    """Type a block; what was printed.

    Where curl would ask for the password of the user that was created, it is told, and so is kinit. For Kerberos the
    machine takes the wheels as they are: those that were built for it have none of the hashes that are known. DAG files
    are read by the scheduler, in its own time: who asks for a DAG waits until it is there.
    """
    typed = with_password(block, machine.password)
    typed = re.sub(r"^kinit (\w+)$", r"echo of-\1 | kinit \1", typed, flags=re.MULTILINE)
    typed = typed.replace("install.sh --kerberos", "install.sh --kerberos --wheelhouse /srv/wheels")
    for dag_id in _DAG.findall(typed):
        machine.until(f"windsock-admin list_dags | grep -w {dag_id}", timeout=120)
    printed = machine.run(typed, timeout=600)
    if found := _PASSWORD.search(printed):
        machine.password = found[1]
    time.sleep(_PAUSE)
    return printed
