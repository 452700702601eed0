/** The tasks of a run as a table: states, times, tries and what each waits for; filtered by name and by state. */

import { address } from "../../address.js";
import { h, replace } from "../../dom.js";
import { notice } from "../../failure.js";
import { badge, TASK_STATES, word } from "../../states.js";
import { liveTable } from "../../table.js";
import { duration, when } from "../../time.js";
import { inOrder, nameOf, placeOf } from "./order.js";
import { hasBegun, triesText } from "./tries.js";

/**
 * @param {HTMLElement} panel
 * @param {import("./data.js").RunData} data
 * @param {() => object[]} tasks those of the DAG, in order
 * @returns {() => void} cleans up
 */
export function showTasks(panel, data, tasks) {
  const table = liveTable({
    label: "Tasks of the run",
    columns: columns(data),
    key: ({ task_id: id, map_index: index }) => `${index} ${id}`,
  });
  const states = stateChips(() => update());
  const search = h("input", { type: "search", placeholder: "Filter tasks", "aria-label": "Filter tasks" });
  search.addEventListener("input", () => update());
  const none = h("p", { class: "hint" }, "No task is like that.");
  const more = h("button", { type: "button", class: "button", on: { click: () => data.more() } });
  const body = h(
    "div",
    { class: "list" },
    h("div", { class: "filters" }, search, states.element),
    table.element,
    none,
    more,
  );

  function update() {
    if (data.instances.length === 0) return replace(panel, noTasks(data));
    if (!body.isConnected) replace(panel, body);
    const needle = search.value.trim().toLowerCase();
    const named = data.instances.filter((instance) => nameOf(instance).toLowerCase().includes(needle));
    states.update(named);
    const shown = named.filter(({ state }) => states.has(state));
    table.update(inOrder(shown, tasks()));
    table.element.classList.toggle("is-ended", data.isEnded);
    table.element.hidden = shown.length === 0;
    none.hidden = shown.length > 0;
    search.hidden = data.instances.length < 8;
    more.hidden = data.total <= data.instances.length;
    return replace(
      more,
      `Show more: ${data.instances.length.toLocaleString("en")} of ${data.total.toLocaleString("en")} tasks`,
    );
  }

  update();
  return data.watch(update);
}

function columns({ dagId, run }) {
  const times = (instance) => (hasBegun(instance) ? [instance.start_date, instance.end_date] : [null, null]);
  return [
    {
      title: "Task",
      head: true,
      class: "task-name",
      value: nameOf,
      render: (instance) => h("a", { href: address(...placeOf(dagId, run.run_id, instance)) }, nameOf(instance)),
    },
    { title: "State", value: ({ state }) => state, render: ({ state }) => badge(state) },
    { title: "Started", value: (instance) => times(instance)[0], render: (instance) => when(times(instance)[0]) },
    {
      title: "Took",
      class: "number",
      value: times,
      render: (instance) => duration(...times(instance)),
    },
    { title: "Try", class: "number", value: triesText, render: triesText },
    { title: "Operator", value: ({ operator }) => operator, render: ({ operator }) => operator ?? "–" },
    { title: "Waits for", class: "task-waits", value: ({ waits_for: reasons }) => reasons, render: waits },
  ];
}

function waits({ waits_for: reasons }) {
  if (!reasons?.length) return "";
  return reasons.length === 1
    ? reasons[0]
    : h(
        "ul",
        null,
        reasons.map((reason) => h("li", null, reason)),
      );
}

function noTasks(data) {
  if (!data.mayReadTasks) return notice({ title: "You may not see the tasks of this run" });
  const text = data.isEnded
    ? "The run has ended without any."
    : "The scheduler has not made them yet. They appear here by themselves.";
  return notice({ title: "No tasks", text: h("p", null, text) });
}

/** A button for each state that occurs; if some are pressed, only their tasks are shown. */
function stateChips(changed) {
  const chosen = new Set();
  const element = h("div", { class: "row", role: "group", "aria-label": "Only tasks in these states" });
  let drawn = "";
  const keyOf = (state) => state ?? "none";
  const toggle = (key) => {
    if (!chosen.delete(key)) chosen.add(key);
    drawn = "";
    changed();
  };
  const update = (instances) => {
    const counts = new Map([...chosen].map((key) => [key, 0]));
    for (const { state } of instances) counts.set(keyOf(state), (counts.get(keyOf(state)) ?? 0) + 1);
    const all = [...counts].sort(([one], [other]) => rank(one) - rank(other));
    if (JSON.stringify(all) === drawn) return;
    const focused = element.contains(document.activeElement) ? document.activeElement.dataset.state : null;
    drawn = JSON.stringify(all);
    element.hidden = all.length < 2;
    replace(
      element,
      all.map(([key, count]) => chip(key, count, chosen.has(key), toggle)),
    );
    for (const each of element.children) if (each.dataset.state === focused) each.focus();
  };
  return { element, update, has: (state) => chosen.size === 0 || chosen.has(keyOf(state)) };
}

const rank = (state) => ["failed", "upstream_failed", ...TASK_STATES].indexOf(state);

const chip = (key, count, isPressed, toggle) =>
  h(
    "button",
    {
      type: "button",
      class: "state-chip",
      "data-state": key,
      "aria-pressed": String(isPressed),
      title: `Only tasks that are ${word(key)}`,
      on: { click: () => toggle(key) },
    },
    badge(key, count),
  );
