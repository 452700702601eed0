/** Keys in a grid: one Tab reaches it, the arrows go from cell to cell, as ARIA's pattern for grids has it. */

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
const FOCUSABLE = "[tabindex]";

/**
 * @param {HTMLTableElement} table whose cells have at most one focusable element, with tabindex -1
 * @returns {{settle: () => void}} to be called when cells have changed: one of them must be in the order of tabs
 */
export function arrowKeys(table) {
  table.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey) return;
    const target = wanted(table, event);
    if (!target) return;
    event.preventDefault();
    target.focus();
  });
  table.addEventListener("focusin", (event) => becomeCurrent(table, event.target));
  return {
    settle: () => {
      if (!table.querySelector('[tabindex="0"]')) becomeCurrent(table, [...table.querySelectorAll("thead a")].at(-1));
    },
  };
}

function becomeCurrent(table, element) {
  if (!element?.matches(FOCUSABLE)) return;
  for (const old of table.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
  element.tabIndex = 0;
}

function wanted(table, { key, ctrlKey, target }) {
  const cell = target.closest("td, th");
  if (!cell) return null;
  const row = cell.parentElement;
  if (key === "Home" || key === "End") {
    const end = ctrlKey ? edgeRow(table, key) : row;
    return (key === "Home" ? firstIn : lastIn)(end);
  }
  return key in STEPS ? next(table, row, cell.cellIndex, STEPS[key]) : null;
}

/** Goes on in one direction until there is a cell with something to focus: cells may be empty, rows hidden. */
function next(table, row, column, [down, right]) {
  const rows = [...table.rows];
  let [y, x] = [rows.indexOf(row) + down, column + right];
  while (rows[y]?.cells[x]) {
    const found = rows[y].hidden ? null : rows[y].cells[x].querySelector(FOCUSABLE);
    if (found) return found;
    y += down;
    x += right;
  }
  return null;
}

const edgeRow = (table, key) => {
  const rows = [...table.rows].filter((row) => !row.hidden && row.querySelector(FOCUSABLE));
  return key === "Home" ? rows[0] : rows.at(-1);
};

const firstIn = (row) => row.querySelector(FOCUSABLE);
const lastIn = (row) => [...row.querySelectorAll(FOCUSABLE)].at(-1);
