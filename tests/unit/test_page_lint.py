"""The rules of `make lint` for the page's JavaScript and CSS: what they refuse, and what they leave alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIOME = Path(sys.executable).with_name("biome")
REFUSED = {
    "innerHTML": "export const show = (node, text) => {\n  node.innerHTML = text;\n};\n",
    "read too": "export const read = (node) => node.outerHTML;\n",
    "by its text": 'export const show = (node, text) => {\n  node["innerHTML"] = text;\n};\n',
    "added": "export const show = (node, text) => {\n  node.innerHTML += text;\n};\n",
    "insertAdjacentHTML": 'export const show = (node, text) => node.insertAdjacentHTML("beforeend", text);\n',
    "a parser": 'export const read = (text) => new DOMParser().parseFromString(text, "text/html");\n',
    "document.write": "export const show = (text) => document.write(text);\n",
    "a style attribute": 'export const wide = (node) => node.setAttribute("style", "width: 1px");\n',
    "code in a text": "export const run = (text) => new Function(text)();\n",
    "console": "export const say = (text) => console.log(text);\n",
    "dialogs of the browser": "export const ask = () => confirm();\n",
    "unused": "const spare = 1;\nexport const used = 2;\n",
    "undeclared": "export const used = () => missing();\n",
    "no module": "export const used = require('fs');\n",
    "bad syntax": "export const used = ;\n",
    "no module there": 'export { x } from "./missing.js";\n',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a folder that has the rules and no code."""
    (tmp_path / "scripts").mkdir()
    for rules in [ROOT / "biome.json", *ROOT.glob("scripts/*.grit")]:
        shutil.copy(rules, tmp_path / rules.relative_to(ROOT))
    return tmp_path


def passes(checkout: Path, path: str, text: str) -> bool:
    """Whether `make lint` says nothing of the page with this file in it."""
    file = checkout / "server" / "page" / "static" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    done = subprocess.run([BIOME, "lint", "--error-on-warnings"], cwd=checkout, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(code: str, checkout: Path) -> None:
    """Everything that could make markup or code of a text, and what nobody meant."""
    assert not passes(checkout, "js/sample.js", code)


def test_what_is_left_alone(checkout: Path) -> None:
    """Text set as text, and styles set as properties."""
    code = "export const show = (node, text) => {\n  node.textContent = text;\n  node.style.width = `${text}px`;\n};"
    assert passes(checkout, "js/sample.js", code)


def test_css_is_checked(checkout: Path) -> None:
    """A property that does not exist does nothing in a browser, and says nothing."""
    assert passes(checkout, "css/sample.css", "a {\n  color: red;\n}\n")
    assert not passes(checkout, "css/sample.css", "a {\n  colr: red;\n}\n")
