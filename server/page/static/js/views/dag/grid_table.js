/**
 * The table of a grid: a row for each task, a column for each run. Every cell is a link and has its state as shape, word
 * and colour; the head of a column is a bar as long as the run took.
 *
 *   const table = gridTable(dagId)      table.element;  table.update({ tasks, runs }) touches only what has changed
 */

import { h, replace, setText } from "../../dom.js";
import { dayTexts, durationText } from "../../time.js";
import { cellsOf, dateOf } from "./grid_cells.js";
import { arrowKeys } from "./grid_keys.js";

/** How many rows are drawn at once: a browser takes long for thousands of cells, and one sees only the first rows. */
const ROWS = { first: 40, next: 200 };

/**
 * @param {string} dagId
 * @returns {{element: HTMLElement, update: (grid: import("./grid_cells.js").Grid) => void, filter: (text: string) => void}}
 */
export function gridTable(dagId) {
  const hint = h("p", { class: "grid-hint", "aria-hidden": "true" });
  const table = h("table", { class: "grid", role: "grid", "aria-label": "States of the tasks by run" });
  const scroller = h("div", { class: "grid-scroller" }, table);
  const keys = arrowKeys(table);
  const longest = h("span", { class: "grid-longest" });
  let [outline, needle, cells, drawn] = [null, "", null, new Map()];

  function update(grid) {
    cells = cellsOf(dagId, grid);
    const next = JSON.stringify([grid.tasks, grid.runs.map(({ id }) => id)]);
    if (next === outline) patch(drawn, cells);
    else rebuild(grid);
    outline = next;
    setText(longest, cells.longest > 0 ? `up to ${durationText(cells.longest)}` : "");
    keys.settle();
  }

  function rebuild(grid) {
    const key = table.contains(document.activeElement) ? focusedKey() : null;
    const isAtEnd = outline === null || scroller.scrollLeft + scroller.clientWidth >= scroller.scrollWidth - 2;
    const body = h("tbody");
    drawn = new Map();
    replace(table, columnsOf(grid), headOf(grid, cells, longest, drawn), body);
    table.style.setProperty("--runs", String(grid.runs.length));
    // Whoever is in a row that would come later must find it there.
    drawRows(body, key === null ? ROWS.first : cells.rows.length);
    if (isAtEnd) requestAnimationFrame(() => scroller.scrollTo(scroller.scrollWidth, scroller.scrollTop));
    if (key !== null) drawn.get(key)?.element.querySelector("[tabindex]")?.focus({ preventScroll: true });
  }

  function drawRows(body, count) {
    const begin = body.rows.length;
    for (const row of cells.rows.slice(begin, begin + count)) body.append(rowOf(row, drawn));
    filter(needle);
    if (body.rows.length < cells.rows.length) setTimeout(() => body.isConnected && drawRows(body, ROWS.next), 20);
  }

  function filter(text) {
    needle = text.trim().toLowerCase();
    for (const row of table.tBodies[0]?.rows ?? []) row.hidden = !row.dataset.task.toLowerCase().includes(needle);
  }

  for (const event of ["focusin", "pointerover"]) {
    table.addEventListener(event, ({ target }) => {
      setText(hint, target.closest("[aria-label]:not(table)")?.getAttribute("aria-label") ?? "");
    });
  }
  return { element: h("div", { class: "runs-grid" }, scroller, hint), update, filter };
}

const focusedKey = () => document.activeElement.closest("[data-key]")?.dataset.key ?? null;

/** Fills the cells that have changed; the one that has the focus keeps it. */
function patch(drawn, { heads, rows }) {
  for (const { key, signature, content } of [heads, ...rows.map(({ cells }) => cells)].flat()) {
    const cell = drawn.get(key);
    if (cell === undefined || cell.signature === signature) continue;
    cell.signature = signature;
    const old = cell.element.firstElementChild;
    const [hadFocus, tabIndex] = [old === document.activeElement, old?.tabIndex ?? -1];
    replace(cell.element, content());
    const now = cell.element.firstElementChild;
    if (now) now.tabIndex = tabIndex;
    if (hadFocus) now?.focus({ preventScroll: true });
  }
}

/** With widths that are known, the browser need not look at all cells for each that changes. */
const columnsOf = ({ runs }) =>
  h("colgroup", null, h("col", { class: "grid-names" }), runs.length > 0 && h("col", { span: runs.length }));

function headOf({ runs }, { heads }, longest, drawn) {
  const days = runs.map(dayOf);
  return h(
    "thead",
    null,
    groupsRow("Month", monthsOf(days)),
    groupsRow(
      "Day",
      groupsOf(days, ({ day }) => day).map((group) => ({ ...group, text: group.first.number })),
    ),
    h(
      "tr",
      { class: "grid-heads" },
      h("th", { scope: "row", class: "grid-corner" }, "Duration ", longest),
      heads.map((cell) => element("th", { scope: "col" }, cell, drawn)),
    ),
  );
}

const rowOf = ({ taskId, cells }, drawn) =>
  h(
    "tr",
    { "data-task": taskId },
    h("th", { scope: "row", class: "grid-name", title: taskId }, h("span", null, taskId)),
    cells.map((cell) => element("td", null, cell, drawn)),
  );

function element(tag, attributes, { key, signature, content }, drawn) {
  const made = h(tag, { ...attributes, "data-key": key }, content());
  drawn.set(key, { signature, element: made });
  return made;
}

const NO_DATE = { day: "no date", number: "–", month: "–", year: "" };
/** Above so many columns there is room for a month with its year. */
const WIDE = 3;

const dayOf = (run) => (dateOf(run) ? dayTexts(dateOf(run)) : NO_DATE);

/** The year is said in the first column, and where it changes. */
function monthsOf(days) {
  let before = "";
  return groupsOf(days, ({ month, year }) => `${month} ${year}`.trim()).map((group) => {
    const { month, year } = group.first;
    const said = year === before ? "" : year;
    before = year;
    return { ...group, text: `${month} ${group.count < WIDE ? said.replace(/^\d\d(?=\d\d$)/, "'") : said}`.trim() };
  });
}

/** Runs of one day, or month, that are beside each other share a heading. */
function groupsOf(days, nameOf) {
  const groups = [];
  for (const day of days) {
    const name = nameOf(day);
    if (groups.at(-1)?.name === name) groups.at(-1).count += 1;
    else groups.push({ name, first: day, count: 1 });
  }
  return groups;
}

function groupsRow(title, groups) {
  const cells = groups.map(({ name, text, count }) =>
    h("th", { scope: "colgroup", colspan: count, class: "grid-day", title: name }, h("span", null, text)),
  );
  return h("tr", { class: "grid-days" }, h("th", { scope: "row", class: "grid-corner" }, title), cells);
}
