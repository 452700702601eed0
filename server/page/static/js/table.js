/**
 * A table whose rows stay the same elements while what is in them changes: focus and scroll survive an update.
 *
 *   const pools = liveTable({
 *     label: "Pools",                               // for screen readers
 *     key: (pool) => pool.pool,
 *     columns: [
 *       { title: "Pool", head: true, render: (pool) => pool.pool },          // head: the row's own header, a <th>
 *       { title: "Slots", class: "number", value: (pool) => pool.slots, render: (pool) => pool.slots },
 *       { title: "Started", sort: "-start_date", render: ... },              // sort: what `onSort` is told first, then the reverse
 *     ],
 *     sorted: "-start_date", onSort: (order) => ...,                         // both optional
 *   });
 *   main.append(pools.element); pools.update(items);
 *
 * A cell is drawn again only if `value` (by default: the whole item) gives another JSON. On narrow screens the rows
 * become cards (css/components.css), with the titles before the values.
 */

import { h, replace } from "./dom.js";

/** @typedef {{ title: string, render: (item: any) => import("./dom.js").Child, value?: (item: any) => unknown, class?: string, head?: boolean, sort?: string, bare?: boolean }} Column */

const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

/**
 * @param {{ label: string, columns: Column[], key: (item: any) => string, sorted?: string,
 *   onSort?: (order: string) => void }} given
 * @returns {{ element: HTMLElement, update: (items: any[]) => void, mark: (order: string) => void }}
 */
export function liveTable({ label, columns, key, sorted = "", onSort }) {
  // The roles say again what the elements are, as cards (another `display`) would take it from them.
  const body = h("tbody", { role: "rowgroup" });
  const heads = columns.map((column) => headCell(column, () => order, onSort));
  const element = h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { role: "table", class: "cards", "aria-label": label },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
      body,
    ),
  );
  const rows = new Map();
  let order = sorted;
  const mark = (now) => {
    order = now;
    for (const [index, column] of columns.entries()) markHead(heads[index], column, order);
  };
  mark(order);
  return { element, mark, update: (items) => keepingFocus(body, () => updateRows(body, rows, columns, items, key)) };
}

function headCell(column, order, onSort) {
  const attributes = { role: "columnheader", scope: "col", class: column.class };
  if (!column.sort || !onSort)
    return h("th", attributes, column.bare ? h("span", { class: "unseen" }, column.title) : column.title);
  const turn = () => onSort(order() === column.sort ? reversed(column.sort) : column.sort);
  return h("th", attributes, h("button", { type: "button", class: "sort", on: { click: turn } }, column.title));
}

/**
 * @param {Column[]} columns
 * @returns {string[]} all that `onSort` may be told
 */
export const ordersOf = (columns) => columns.flatMap(({ sort }) => (sort ? [sort, reversed(sort)] : []));

const reversed = (order) => (order.startsWith("-") ? order.slice(1) : `-${order}`);

function markHead(head, column, order) {
  if (!column.sort) return;
  if (order !== column.sort && order !== reversed(column.sort)) head.removeAttribute("aria-sort");
  else head.setAttribute("aria-sort", order.startsWith("-") ? "descending" : "ascending");
}

function updateRows(body, rows, columns, items, key) {
  const wanted = new Map(items.map((item) => [key(item), item]));
  for (const [name, row] of rows) {
    if (wanted.has(name)) continue;
    row.element.remove();
    rows.delete(name);
  }
  let place = body.firstElementChild;
  for (const [name, item] of wanted) {
    if (!rows.has(name)) rows.set(name, newRow(columns));
    const row = rows.get(name);
    updateRow(row, columns, item);
    if (row.element === place) place = place.nextElementSibling;
    else body.insertBefore(row.element, place);
  }
}

function newRow(columns) {
  const cells = columns.map((column) =>
    column.head
      ? h("th", { role: "rowheader", scope: "row", class: column.class, "data-title": column.title })
      : h("td", { role: "cell", class: column.class, "data-title": column.bare ? null : column.title }),
  );
  return { element: h("tr", { role: "row" }, cells), cells, values: [] };
}

function updateRow(row, columns, item) {
  for (const [index, column] of columns.entries()) {
    const value = JSON.stringify(column.value ? column.value(item) : item) ?? "";
    if (row.values[index] === value) continue;
    row.values[index] = value;
    keepingFocus(row.cells[index], () => replace(row.cells[index], column.render(item)));
  }
}

// What had the focus may have been moved, which takes the focus away, or drawn anew: then its successor gets it.
function keepingFocus(place, change) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const index = focused ? [...place.querySelectorAll(FOCUSABLE)].indexOf(focused) : -1;
  change();
  if (!focused || document.activeElement === focused) return;
  const next = focused.isConnected ? focused : place.querySelectorAll(FOCUSABLE)[index];
  next?.focus({ preventScroll: true });
}
