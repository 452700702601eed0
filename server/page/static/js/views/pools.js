/** Pools: their slots used, queued and free as bars; created, changed and deleted here. */

import { get, send } from "../api.js";
import { regularly } from "../clock.js";
import { confirm } from "../dialog.js";
import { h, replace } from "../dom.js";
import { notice } from "../failure.js";
import { calmly, subscribe } from "../live.js";
import { liveTable } from "../table.js";
import { say } from "../toast.js";
import { bar, legend } from "./pools/bar.js";
import { askForPool } from "./pools/form.js";

const DEFAULT = "default_pool";
// In milliseconds, and in seconds for what no event tells.
const AFTER_EVENT = 2000;
const WITHOUT_EVENT = 30;

/** @type {import("../router.js").View} */
export async function show(main, _params, context) {
  const table = liveTable({ label: "Pools", key: (pool) => pool.pool ?? "", columns: columns(context, () => load()) });
  const place = h("div", { class: "list" });
  const none = notice({
    title: "There are no pools",
    text: h("p", null, "Airflow makes its default pool when it starts."),
  });
  const load = async () => {
    const pools = await get(["pools"], { query: { details: true }, signal: context.signal });
    table.update(pools.sort(byName));
    const wanted = pools.length ? [legend(), table.element] : [none];
    if (place.lastElementChild !== wanted.at(-1)) replace(place, wanted);
  };
  const again = () => load().catch(() => {});
  replace(main, h("div", { class: "row spread" }, h("h1", null, "Pools"), createButton(context, load)), place);
  const changed = calmly(again, AFTER_EVENT);
  const unsubscribe = subscribe({}, changed);
  regularly(again, WITHOUT_EVENT, context.signal);
  await load();
  return () => {
    unsubscribe();
    changed.cancel();
  };
}

const columns = (context, changed) =>
  context.can("can_edit", "Pools") || context.can("can_delete", "Pools")
    ? [...facts(), actionColumn(context, changed)]
    : facts();

const facts = () => [
  { title: "Pool", head: true, class: "pool-name", value: (pool) => [pool.pool, pool.description], render: name },
  { title: "Slots", class: "number", value: (pool) => pool.slots, render: (pool) => slots(pool.slots) },
  { title: "Use", class: "pool-use", value: (pool) => ({ ...pool, description: null }), render: bar },
];

const actionColumn = (context, changed) => ({
  title: "Actions",
  class: "pool-actions",
  bare: true,
  render: (pool) => actions(pool, context, changed),
});

const byName = (one, other) =>
  (other.pool === DEFAULT) - (one.pool === DEFAULT) || String(one.pool).localeCompare(String(other.pool));

const name = (pool) => [
  h("b", null, pool.pool ?? "–"),
  pool.description ? h("p", { class: "muted" }, pool.description) : null,
];

const slots = (count) => (count === -1 ? "no limit" : (count ?? 0).toLocaleString("en"));

function createButton(context, changed) {
  if (!context.can("can_create", "Pools")) return null;
  const create = async () => {
    const made = await askForPool();
    if (made === null) return;
    say(`The pool ${made.pool} is there.`);
    await changed();
  };
  return h("button", { type: "button", class: "button primary", on: { click: create } }, "New pool");
}

function actions(pool, context, changed) {
  const change = async () => {
    const now = await askForPool(pool);
    if (now === null) return;
    say(`The pool ${now.pool} is changed.`);
    await changed();
  };
  return h(
    "div",
    { class: "row" },
    context.can("can_edit", "Pools") ? action("Change", pool, change) : null,
    context.can("can_delete", "Pools") && pool.pool !== DEFAULT
      ? action("Delete", pool, () => remove(pool, changed))
      : null,
  );
}

const action = (text, pool, click) =>
  h("button", { type: "button", class: "button small", "aria-label": `${text} ${pool.pool}`, on: { click } }, text);

async function remove(pool, changed) {
  const yes = await confirm({
    title: `Delete the pool ${pool.pool}?`,
    text: h(
      "p",
      null,
      "Tasks that name it will not start until there is a pool of this name again. Those that run go on.",
    ),
    action: "Delete the pool",
    danger: true,
  });
  if (!yes) return;
  try {
    await send("DELETE", ["pools", pool.pool]);
    say(`The pool ${pool.pool} is deleted.`);
    await changed();
  } catch (error) {
    say(error.message, "error");
  }
}
