"""Every block of README.md and docs/ is typed as it stands, but for those that say why nobody types them."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.documents.blocks import OUTPUT, PAGES, ROOT, Block, blocks
from tests.documents.sandbox import PASSWORD, run, typed, what_is_missing

# A private systemd types these: tests/systemd. No heading: the whole page.
BY_SYSTEMD = {("docs/deployment.md", None), ("docs/authentication.md", "Kerberos")}
SERVICE = """
AIRFLOW__WINDSOCK__{options} windsock standalone > /tmp/service.log 2>&1 < /dev/null &
service=$!
wait_for_service 8080
"""
OPEN = SERVICE.format(options="AUTH_BACKEND=default")
RUNS = """
windsock trigger_dag -r nightly_1 example_bash_operator
"""
USER = f"""
windsock create_user -u ann -e ann@example.org -p {PASSWORD}
"""
LOADED = """
for _ in $(seq 100); do ! windsock list_dags | grep -w {dag_id} || break; command sleep 0.2; done
windsock list_dags | grep -w {dag_id}
"""
AIRFLOW = """
python -m tests.documents.airflow > /tmp/airflow.log 2>&1 &
until [ -s /tmp/airflow.env ]; do command sleep 0.2; done
. /tmp/airflow.env
"""
# What a reader of a page has done before, or does beside, by words of the block before which it happens.
ASIDES: Mapping[str, Mapping[str, str]] = {
    "docs/callers.md": {
        "export WINDSOCK_URL": SERVICE.format(options="AUTH_BACKEND=password_auth") + USER,
        "": "python -m tests.documents.ci Jenkinsfile .github/workflows/report.yml",
    },
    "docs/cli.md": {"windsock trigger_dag -r nightly_1": OPEN},
    "docs/python-client.md": {"import ApiError": OPEN},
    "docs/operations.md": {
        "windsock db backup": OPEN + RUNS,
        "windsock db restore": "stop_service",
        "windsock db clean": OPEN,
    },
    "docs/scheduler.md": {"# dags/say_hello.yaml": OPEN, "-r greeting": LOADED.format(dag_id="say_hello")},
    "docs/dag-files.md": {"": OPEN + LOADED.format(dag_id="my_dag")},
    "docs/beside-your-airflow.md": {"psql": AIRFLOW},
}
# Installs from an index, for which the place has wheels.
NEEDS_WHEELS = {"docs/beside-your-airflow.md"}


def is_by_systemd(block: Block) -> bool:
    return (block.page, None) in BY_SYSTEMD or (block.page, block.heading) in BY_SYSTEMD


def to_run(page: str) -> list[Block]:
    """The blocks that a reader types."""
    return [
        block
        for block in blocks(page)
        if block.illustration is None and block.language != OUTPUT and not is_by_systemd(block)
    ]


TYPED = [page for page in PAGES if to_run(page)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", TYPED)
def test_a_page(page: str, request: pytest.FixtureRequest) -> None:
    """Its commands and programs, from the first to the last, end well."""
    if reason := what_is_missing():
        pytest.skip(reason)
    wheels = request.getfixturevalue("wheels") if page in NEEDS_WHEELS else None
    sys.stdout.write(run(typed(to_run(page), ASIDES.get(page, {})), wheels))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip takes packages from where there is no network."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--quiet", "--wheel-dir", str(folder)]
    locks = [f"--requirement={ROOT / 'requirements' / name}.txt" for name in ("windsock", "build")]
    subprocess.run([*command, "--no-build-isolation", "--require-hashes", *locks], check=True, timeout=500)
    return folder


def test_how_many_blocks_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is typed, by this or by a private systemd, is output, or says why it is an illustration; it prints them."""
    found = [block for page in PAGES for block in blocks(page)]
    kinds = Counter(
        "illustrations" if block.illustration else "output" if block.language == OUTPUT
        else "typed by tests/systemd" if is_by_systemd(block) else "typed"
        for block in found
    )  # fmt: skip
    lines = [f"\nblocks of README.md and docs/: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"]
    lines += [f"  illustration: {block.place}: {block.illustration}" for block in found if block.illustration]
    with capsys.disabled():
        sys.stdout.write("\n".join([*lines, ""]))
    assert kinds["typed"] > kinds["illustrations"]
    assert [block.place for block in found if not block.language] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_fences(page: str) -> None:
    """What is only indented would be no block to the tests."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    inside, wrong = False, []
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("```"):
            inside = not inside
        elif not inside and line.startswith("    ") and not lines[number - 2].strip():
            wrong.append(f"{page}:{number}")
    assert wrong == []
    assert not inside


def test_answers_that_are_shown_are_json() -> None:
    """Where a page shows what the API answers, it is such an answer."""
    shown = [block.text for page in PAGES for block in blocks(page) if block.text.startswith("{")]
    assert shown
    for text in shown:
        json.loads(text)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To files that exist, and headings that these have."""
    folder = (ROOT / page).parent
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = folder / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, target


def test_make_targets_exist() -> None:
    """Wherever a page says `make something`."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    known = set(" ".join(re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)).split())
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) - known == set(), page
