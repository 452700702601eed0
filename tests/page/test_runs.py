"""What the views of DAGs and runs compute: graphs, checked JSON, colours, parts of logs, grids with many cells."""

import json
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.page.ground import Ground
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]


async def of_module(page: Page, module: str, script: str, argument: object) -> Any:  # noqa: ANN401 - JSON
    """Run a function of a module and of an argument in the page."""
    url = "new URL(path, document.querySelector('script[type=module]').src)"
    return await page.evaluate(
        f"async ([path, argument]) => ({script})(await import({url}), argument)", [f"views/{module}.js", argument]
    )


def tasks_of(count: int, circle: bool = False) -> list[dict[str, Any]]:  # noqa: FBT001, FBT002 - a parameter
    """Tasks that run after up to three of those before them, some of them far away; two of them after each other."""
    tasks: list[dict[str, Any]] = [
        {
            "id": f"t{n}",
            "upstream": [f"t{n - step}" for step in (1, 7, 61) if n % (step + 1) == 0],
            "width": 99,
            "height": 40,
        }
        for n in range(count)
    ]
    if circle:
        tasks[0]["upstream"], tasks[1]["upstream"] = ["t1", "t0", "unknown"], ["t0"]
    return tasks


@pytest.mark.parametrize(("count", "circle"), [(0, False), (1, False), (40, True), (1000, False)])
async def test_a_graph_has_its_tasks_beside_each_other(
    windows: Windows,
    ground: Ground,
    count: int,
    circle: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Each task is right of those before it, none covers another, and edges begin and end at boxes."""
    page = await windows.open(ground.url)
    tasks = tasks_of(count, circle)
    script = (
        "({ layout }, tasks) => { const begin = performance.now(); return [layout(tasks), performance.now() - begin] }"
    )
    drawn, milliseconds = await of_module(page, "dag/layout", script, tasks)
    boxes = {box["id"]: box for box in drawn["nodes"]}
    assert set(boxes) == {task["id"] for task in tasks}
    assert milliseconds < 5000
    for edge in drawn["edges"]:
        begin, end = boxes[edge["from"]], boxes[edge["to"]]
        assert begin["x"] + begin["width"] < end["x"]
        first, last = edge["points"][0], edge["points"][-1]
        assert (first["x"], first["y"]) == (begin["x"] + 99, begin["y"] + 20)
        assert (last["x"], last["y"]) == (end["x"], end["y"] + 20)
    ordered = sorted(drawn["nodes"], key=lambda box: (box["x"], box["y"]))
    for one, other in pairwise(ordered):
        assert one["x"] != other["x"] or one["y"] + 40 < other["y"] + 0.001
    assert all(box["y"] >= 0 and box["y"] + 40 <= drawn["height"] + 0.001 for box in boxes.values())


CONFS = {
    "": None,
    "{}": None,
    '{"a": [1, -2.5e3, {"b": "\\u00e4\\n"}, null, true]}': None,
    '{"a": 1,}': (1, 8),
    '{"a": 1 "b": 2}': (1, 9),
    '{\n  "a": 1\n  "b": 2\n}': (3, 3),
    "{a: 1}": (1, 2),
    "{'a': 1}": (1, 2),
    '{"a": True}': (1, 7),
    '{"a": NaN}': (1, 7),
    '{"a": 01}': (1, 8),
    '{"a": "x\ny"}': (1, 7),
    '{"a": "\\x"}': (1, 8),
    '{"a": [1, 2}': (1, 12),
    '{"a": 1': (1, 8),
    '{"a": 1}}': (1, 9),
    "[1]": (1, 1),
}


async def test_conf_is_checked_as_the_server_does(windows: Windows, ground: Ground) -> None:
    """What is JSON for Python is JSON here; of the rest, line and column are said."""
    page = await windows.open(ground.url)
    script = "({ checkObject }, texts) => texts.map((text) => checkObject(text).problem)"
    problems = await of_module(page, "dag/json_text", script, list(CONFS))
    for (text, place), problem in zip(CONFS.items(), problems, strict=True):
        assert (problem and (problem["line"], problem["column"])) == place, text
        if place is None:
            assert isinstance(json.loads(text or "{}"), dict)


async def test_one_member_of_a_conf_changes(windows: Windows, ground: Ground) -> None:
    """The rest stays as it was typed, digits too."""
    page = await windows.open(ground.url)
    script = "({ withMember }, [text, key, value]) => withMember(text, key, value)"

    async def changed(text: str, key: str, value: str | None) -> str:
        return str(await of_module(page, "dag/json_text", script, [text, key, value]))

    assert await changed('{"n": 12345678901234567890, "b":2}', "b", '"x"') == '{"n": 12345678901234567890, "b":"x"}'
    assert await changed('{"a": 1, "b": 2}', "a", None) == '{"b": 2}'
    assert await changed('{"a": 1, "b": 2}', "b", None) == '{"a": 1}'
    assert await changed('{"a": 1}', "a", None) == "{}"
    assert json.loads(await changed("", "k", "[]")) == {"k": []}


async def test_colours_of_a_terminal(windows: Windows, ground: Ground) -> None:
    """They become classes, over the ends of lines; nothing else of the sequences is seen."""
    page = await windows.open(ground.url)
    script = """({ AnsiState, pieces }, lines) => {
        const state = new AnsiState();
        return lines.map((line) => pieces(line, state));
    }"""
    lines = [
        "a\x1b[1;31mb",
        "c\x1b[0md\x1b]0;title\x07e\x1b[2Kf",
        "10%\r20%\r",
        "\x1b[38;5;208mx\x1b[39m\x1b[",
        "\x1b]8;;javascript:1\x07",
        "pay \u202eevil",
    ]
    drawn = await of_module(page, "run/ansi", script, lines)
    assert [[(piece["text"], piece["classes"]) for piece in line] for line in drawn] == [
        [("a", ""), ("b", "ansi-bold ansi-red")],
        [("c", "ansi-bold ansi-red"), ("def", "")],
        [("20%", "")],
        [("x", "ansi-red")],
        [],
        [("pay <U+202E>evil", "")],
    ]
    raw = "({ AnsiState, pieces }, line) => pieces(line, new AnsiState(), true).map(({ text }) => text)"
    assert await of_module(page, "run/ansi", raw, lines[2]) == ["10%␍20%"]


_WALK = """async ({ LogWindow }, size) => {
    let log = Array.from({ length: size }, (_, n) => `line ${n} ä\\n`).join("");
    const encoder = new TextEncoder();
    const read = async ({ range, tail }) => {
        const bytes = encoder.encode(log);
        if (tail !== undefined) {
            const start = Math.max(0, bytes.length - tail);
            return { bytes: bytes.subarray(start), headers: new Headers({ "X-Log-Offset": start }) };
        }
        const headers = new Headers({ "Content-Range": `bytes */${bytes.length}` });
        if (range[0] >= bytes.length) throw { status: 416, headers };
        return { bytes: bytes.subarray(range[0], range[1] + 1), headers };
    };
    const view = new LogWindow(read);
    const seen = [];
    const look = () => seen.push([view.blocks[0]?.lines[0], view.blocks.at(-1)?.lines.at(-1), view.rest, view.isAtEnd]);
    await view.toEnd(); look();
    log += "new\\npar"; await view.later(); look();
    log += "t\\n"; await view.later(); look();
    await view.toStart(); look();
    let most = 0;
    while (!view.isAtEnd) { await view.later(); most = Math.max(most, view.end - view.start); }
    look();
    while (view.start > 0) await view.earlier();
    look();
    log = "another\\n"; await view.later(); look();
    log = ""; await view.toEnd(); log = "begun\\n"; await view.later(); look();
    return { seen, most };
}"""


async def test_a_window_on_a_log(windows: Windows, ground: Ground) -> None:
    """It moves to both ends, follows what is written, and never holds more than 2 MB and a part."""
    page = await windows.open(ground.url)
    answer = await of_module(page, "run/log_window", _WALK, 250_000)
    end, grown, ended, start, through, back, other, begun = answer["seen"]
    assert end[1:] == ["line 249999 ä", "", True]
    assert grown[1:] == ["new", "par", True]
    assert ended[1:] == ["part", "", True]
    assert (start[0], start[3]) == ("line 0 ä", False)
    assert through[1:] == ["part", "", True]
    assert (back[0], back[3]) == ("line 0 ä", False)
    assert other[:3] == ["another", "another", ""]
    assert begun[:3] == ["begun", "begun", ""]
    assert 2**20 < answer["most"] <= 2**21 + 2**18


async def test_a_grid_of_many_runs_and_tasks(windows: Windows, crowd: str) -> None:
    """All rows come; the arrows go from cell to cell, and older runs are a press away."""
    page = await windows.open(crowd, "/dags/wide")
    await expect(page.locator(".grid tbody tr")).to_have_count(200, timeout=10_000)
    await page.locator(".grid thead a").last.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft", "End", "ArrowUp"):
        await page.keyboard.press(key)
    cell = page.locator(".grid tbody tr").first.locator("td a").last
    await expect(cell).to_be_focused()
    await page.get_by_label("Filter tasks").fill("task_007")
    await expect(page.locator(".grid tbody tr:visible")).to_have_count(1)

    await page.goto("/dags/long")
    heads = page.locator(".grid thead a")
    newest = await heads.last.get_attribute("aria-label")
    await expect(heads).to_have_count(25)
    await page.get_by_role("button", name="Older runs").click()
    await expect(heads.last).not_to_have_attribute("aria-label", str(newest))
    older = await heads.last.get_attribute("aria-label")
    await page.reload()
    await expect(heads.last).to_have_attribute("aria-label", str(older))
    await page.get_by_role("button", name="Newest runs").click()
    await expect(heads.last).to_have_attribute("aria-label", str(newest))
    await page.go_back()
    await expect(heads.last).to_have_attribute("aria-label", str(older))


async def test_tabs_are_steps_back(windows: Windows, ground: Ground) -> None:
    """Back leads to the tab before, and then to where one came from."""
    page = await windows.open(ground.url, "/dags/import_orders")
    tab = page.get_by_role("tab", selected=True)
    for name in ("Graph", "Details"):
        await page.get_by_role("tab", name=name).click()
    await page.go_back()
    await expect(tab).to_have_text("Graph")
    await page.go_back()
    await expect(tab).to_have_text("Runs")


async def test_months_and_years_above_the_days(windows: Windows, ground: Ground) -> None:
    """The year is said first and where it changes; above few columns it is short."""
    page = await windows.open(ground.url)
    dates = [*(f"2025-11-{day}T12:00:00Z" for day in (28, 29, 30)), "2025-12-01T12:00:00Z", "2026-01-01T12:00:00Z"]
    runs = [
        {
            "id": n,
            "run_id": str(n),
            "state": "success",
            "execution_date": date,
            "start_date": date,
            "end_date": date,
            "tasks": {},
        }
        for n, date in enumerate(dates)
    ]
    script = """({ gridTable }, runs) => {
        const table = gridTable("any");
        table.update({ tasks: [], runs });
        const rows = [...table.element.querySelectorAll(".grid-days")];
        return rows.map(({ cells }) => [...cells].map((cell) => cell.textContent));
    }"""
    rows = await of_module(page, "dag/grid_table", script, runs)
    assert rows == [["Month", "Nov 2025", "Dec", "Jan '26"], ["Day", "28", "29", "30", "1", "1"]]


async def test_what_is_said_of_tries_types_and_times(windows: Windows, ground: Ground) -> None:
    """A task that waits again has not begun, whatever times it has; a run that nobody triggered is of its schedule."""
    page = await windows.open(ground.url)
    began = {"start_date": "2026-11-30T12:00:00Z", "try_number": 4, "max_tries": 5}
    states = [None, "queued", "running", "up_for_retry"]
    script = "({ hasBegun, triesText }, all) => all.map((one) => [hasBegun(one), triesText(one)])"
    said = await of_module(page, "run/tries", script, [{**began, "state": state} for state in states])
    assert said == [[begun, "4, at most 6"] for begun in (False, False, True, True)]
    runs = [{"external_trigger": external, "run_id": run_id} for external, run_id in ((True, "a"), (False, "nightly"))]
    runs += [{"external_trigger": False, "run_id": "backfill_1"}, {"run_type": "asset_triggered", "run_id": "b"}]
    types = await of_module(page, "run/details", "({ typeOf }, runs) => runs.map(typeOf)", runs)
    assert types == ["manual", "scheduled", "backfill", "asset_triggered"]
    script = "({ ticksOf }, scale) => ticksOf(scale, 2).map(({ seconds }) => seconds)"
    assert await of_module(page, "run/scale", script, {"start": 0, "end": 95_000}) == [0, 60]
