/** A DAG: its runs as a grid, the graph of its tasks, its details and code; pause and trigger. */

import { text } from "../api.js";
import { h, replace } from "../dom.js";
import { exactJson } from "../exact_json.js";
import { pauseSwitch } from "../pause_switch.js";
import { tabs } from "../tabs.js";
import { say } from "../toast.js";
import { crumbs } from "./crumbs.js";
import { showCode } from "./dag/code.js";
import { showDetails } from "./dag/details.js";
import { showGraph } from "./dag/graph_tab.js";
import { showGrid } from "./dag/grid.js";
import { openTrigger } from "./dag/trigger.js";
import { deleteButton } from "./dags/delete.js";
import { nextRunTime, scheduleText } from "./schedule.js";

/**
 * @param {HTMLElement} main
 * @param {{dagId: string}} params
 * @param {object} context see router.js
 * @returns {Promise<() => void>} cleans up
 */
export async function show(main, { dagId }, context) {
  context.title(dagId);
  const dag = exactJson((await text(["dags", dagId], { signal: context.signal })).text);
  const parts = tabs({
    label: "Parts of the DAG",
    tabs: tabsOf(dag, context),
    current: context.query.get("tab"),
    changed: (tab) => context.setQuery({ tab }, { push: true }),
  });
  replace(main, crumbs([[[], "DAGs"]]), head(dag, context), importError(dag), parts.element);
  if (context.query.has("trigger")) {
    context.setQuery({});
    trigger(dagId, context);
  }
  return parts.cleanup;
}

function tabsOf(dag, context) {
  const given = { dagId: dag.dag_id, context, trigger: triggerButton(dag, context) };
  const may = (resource) => context.can("can_read", resource, dag.dag_id);
  return [
    may("DAG Runs") && { id: "runs", title: "Runs", show: (panel) => showGrid(panel, given) },
    may("Task Instances") && { id: "graph", title: "Graph", show: (panel) => showGraph(panel, given) },
    { id: "details", title: "Details", show: (panel) => showDetails(panel, dag) },
    may("DAG Code") && { id: "code", title: "Code", show: (panel) => showCode(panel, given) },
  ].filter(Boolean);
}

function triggerButton({ dag_id: dagId, is_active: isActive }, context) {
  if (isActive === false) return null;
  if (!context.can("can_create", "DAG Runs", dagId) || !context.can("can_edit", "DAGs", dagId)) return null;
  const click = () => trigger(dagId, context);
  return h("button", { type: "button", class: "button primary", on: { click } }, "Trigger…");
}

const trigger = (dagId, context) => openTrigger({ dagId, context }).catch((error) => say(error.message, "error"));

function head(dag, context) {
  const gone = () => context.navigate([]);
  return h(
    "div",
    { class: "view-head" },
    h("div", { class: "row" }, h("h1", null, dag.dag_id), stateOf(dag)),
    h("div", { class: "row" }, triggerButton(dag, context), deleteButton(dag, context, "danger", gone)),
    dag.description && h("p", { class: "view-about" }, dag.description),
    h("p", { class: "view-meta muted" }, meta(dag)),
  );
}

function stateOf(dag) {
  if (dag.is_active === false) return h("span", { class: "tag warning" }, "its file is gone");
  const state = h("span", { class: "switch-word" }, dag.is_paused ? "Paused" : "Active");
  const toggle = pauseSwitch(dag, (isPaused) => replace(state, isPaused ? "Paused" : "Active"));
  return h("span", { class: "row switch-row" }, toggle, state);
}

function meta(dag) {
  const schedule = scheduleText(dag);
  const next = nextRunTime(dag);
  return [
    h("span", null, schedule ? `Schedule: ${schedule}` : "No schedule"),
    next && h("span", null, "Next run: ", next),
    dag.owners && h("span", null, `Owners: ${dag.owners}`),
    dag.tags.length > 0 &&
      h(
        "span",
        { class: "row" },
        dag.tags.map((tag) => h("span", { class: "tag" }, tag)),
      ),
  ];
}

const importError = ({ import_error: error }) =>
  error &&
  h(
    "details",
    { class: "note note-error", open: true },
    h("summary", null, "The file of this DAG cannot be loaded: what you see is its last good version"),
    h("pre", { tabindex: "0" }, error),
  );
