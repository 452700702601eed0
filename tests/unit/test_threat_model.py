"""The threat model claims nothing that is not tested."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLAIM = re.compile(r"^\| [^|]+ \| (`test_.+`) \|$", re.MULTILINE)


def test_claims_name_existing_tests() -> None:
    """Each row of the tables of claims names tests, and each of these exists."""
    text = (ROOT / "THREAT_MODEL.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line != "| Claim | Test |"]
    named = set(re.findall(r"`(test_\w+)`", "".join(CLAIM.findall(text))))
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(CLAIM.findall(text)) == len(rows) > 20
    assert named - set(re.findall(r"def (test_\w+)", sources)) == set()


def test_files_that_documents_name_exist() -> None:
    """Security, threat model and operations guide name files and options that are there."""
    from windsock.config.options import OPTIONS

    keys = {key for option in OPTIONS.values() for _, key in option.keys}
    for name in ("SECURITY.md", "THREAT_MODEL.md", "docs/operations.md"):
        text = (ROOT / name).read_text("utf-8")
        assert [
            path for path in re.findall(r"`((?:deploy|docs|tests)/[\w./-]+)`", text) if not (ROOT / path).exists()
        ] == []
        assert set(re.findall(r"`\[windsock\] (\w+)`", text)) <= keys, name
