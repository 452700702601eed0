/** The columns of the list of DAGs. */

import { address } from "../../address.js";
import { h, link } from "../../dom.js";
import { pauseSwitch } from "../../pause_switch.js";
import { badge, RUN_STATES, square } from "../../states.js";
import { ordersOf } from "../../table.js";
import { say } from "../../toast.js";
import { nextRun, nextRunState, schedule } from "../schedule.js";
import { deleteButton } from "./delete.js";

/** The server counts no further in one state. */
const MOST_COUNTED = 1000;

/**
 * @param {import("../../router.js").Context} context
 * @param {(change: Record<string, unknown>) => void} filter shows only some DAGs
 * @param {() => unknown} changed is called when a DAG was deleted
 * @returns {import("../../table.js").Column[]}
 */
export const columns = (context, filter, changed) => [
  ...facts(filter),
  ...(mayAct(context) ? [actions(context, changed)] : []),
];

const facts = (filter) => [
  {
    title: "Active",
    class: "dag-switch",
    value: (dag) => [dag.is_paused, dag.is_active],
    render: (dag) => (dag.is_active === false ? null : pauseSwitch(dag)),
  },
  {
    title: "DAG",
    head: true,
    class: "dag-name",
    sort: "dag_id",
    value: (dag) => [dag.description, dag.owners, dag.tags, dag.has_import_error, dag.is_active],
    render: (dag) => name(dag, filter),
  },
  {
    title: "Schedule",
    class: "dag-schedule",
    value: (dag) => [dag.schedule_interval, dag.timetable_description],
    render: scheduleCell,
  },
  {
    title: "Next run",
    sort: "next_dagrun",
    value: (dag) => [nextRunState(dag), dag.next_dagrun, dag.next_dagrun_create_after],
    render: (dag) => nextRun(dag) ?? h("span", { class: "none" }, "–"),
  },
  {
    title: "Last runs",
    class: "dag-runs",
    sort: "-last_run",
    value: (dag) => dag.last_runs,
    render: lastRuns,
  },
  { title: "All runs", class: "dag-counts", value: (dag) => dag.run_states, render: counts },
];

/** In which orders the list may be, as the API names them. */
export const ORDERS = ordersOf(facts(() => {}));

const mayAct = ({ can }) => (can("can_create", "DAG Runs") && can("can_edit", "DAGs")) || can("can_delete", "DAGs");

const actions = (context, changed) => ({
  title: "Actions",
  class: "dag-actions",
  bare: true,
  value: (dag) => dag.is_active,
  render: (dag) => trigger(dag, context) ?? deleteButton(dag, context, "small", changed),
});

const name = (dag, filter) => [
  h("div", { class: "dag-id" }, link(["dags", dag.dag_id], dag.dag_id)),
  dag.description ? h("p", { class: "dag-description" }, dag.description) : null,
  h(
    "p",
    { class: "dag-labels" },
    dag.is_active === false ? h("span", { class: "tag warning" }, "its file is gone") : null,
    dag.has_import_error ? h("span", { class: "tag warning" }, "import error") : null,
    (dag.tags ?? []).map((tag) => label(`Tag: ${tag}`, tag, () => filter({ tag: [tag] }))),
    dag.owners ? h("span", { class: "hint" }, "by ", owners(dag.owners, filter)) : null,
  ),
];

const label = (title, text, click) => h("button", { type: "button", class: "tag", title, on: { click } }, text);

const owners = (text, filter) =>
  text.split(",").map((one, index) => [
    index ? ", " : null,
    h(
      "button",
      {
        type: "button",
        class: "owner",
        title: `Only DAGs of ${one.trim()}`,
        on: { click: () => filter({ owner: one.trim() }) },
      },
      one.trim(),
    ),
  ]);

function scheduleCell(dag) {
  const { text, isDistance } = schedule(dag.schedule_interval);
  if (!text) return h("span", { class: "muted" }, "No schedule");
  return h("span", { title: dag.timetable_description || null }, isDistance ? text : h("code", null, text));
}

function lastRuns(dag) {
  if (!dag.last_runs) return h("span", { class: "none" }, "–");
  if (dag.last_runs.length === 0) return h("span", { class: "muted" }, "No runs yet");
  return h(
    "div",
    { class: "squares" },
    dag.last_runs.map((run) => square(run, address(["dags", dag.dag_id, "runs", run.run_id]))),
  );
}

function counts(dag) {
  const states = Object.entries(dag.run_states ?? {}).filter(([, count]) => count > 0);
  const place = ([state]) => (RUN_STATES.indexOf(state) + RUN_STATES.length + 1) % (RUN_STATES.length + 1);
  if (states.length === 0) return h("span", { class: "none" }, "–");
  return h(
    "div",
    { class: "counts" },
    states
      .sort((one, other) => place(one) - place(other))
      .map(([state, count]) => badge(state, `${count.toLocaleString("en")}${count < MOST_COUNTED ? "" : "+"}`)),
  );
}

function trigger(dag, context) {
  if (dag.is_active === false) return null;
  if (!context.can("can_create", "DAG Runs", dag.dag_id) || !context.can("can_edit", "DAGs", dag.dag_id)) return null;
  return h(
    "button",
    {
      type: "button",
      class: "button small",
      "aria-label": `Trigger ${dag.dag_id}`,
      on: { click: () => ask(dag.dag_id, context) },
    },
    "Trigger…",
  );
}

async function ask(dagId, context) {
  try {
    const { openTrigger } = await import("../dag/trigger.js");
    await openTrigger({ dagId, context });
  } catch (error) {
    say(error.message, "error");
  }
}
