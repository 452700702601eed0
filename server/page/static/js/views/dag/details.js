/** All that the database says about a DAG. */

import { h, replace } from "../../dom.js";
import { badge } from "../../states.js";
import { fullWhen } from "../../time.js";
import { factList } from "../facts.js";
import { nextRunState, scheduleText } from "../schedule.js";

/**
 * @param {HTMLElement} panel
 * @param {object} dag as `GET /dags/<dag_id>` has it
 */
export function showDetails(panel, dag) {
  const interval = dag.next_dagrun_data_interval_start && [
    fullWhen(dag.next_dagrun_data_interval_start),
    " to ",
    fullWhen(dag.next_dagrun_data_interval_end),
  ];
  const facts = factList([
    ["Description", dag.description],
    ["Owners", dag.owners],
    ["Schedule", scheduleText(dag)],
    ["Next run is for", dag.next_dagrun && fullWhen(dag.next_dagrun)],
    ["It begins after", beginning(dag)],
    ["Its data interval", interval],
    ["Runs at a time", dag.max_active_runs],
    ["Tasks at a time", dag.max_active_tasks],
    ["Runs by state", dag.run_states && runStates(dag.run_states)],
    ["File", dag.fileloc && h("code", null, dag.fileloc)],
    ["Read last", dag.last_parsed_time && fullWhen(dag.last_parsed_time)],
    ["Part of", dag.is_subdag && dag.root_dag_id],
    ["State", dag.is_active === false && "Its file is gone, so it does not run"],
  ]);
  replace(panel, h("div", { class: "card" }, facts), dag.params?.length ? paramTable(dag.params) : null);
}

function beginning(dag) {
  if (nextRunState(dag) === "waiting") return "a run has ended";
  return dag.next_dagrun_create_after && fullWhen(dag.next_dagrun_create_after);
}

function runStates(counts) {
  const states = Object.entries(counts).filter(([, count]) => count > 0);
  if (states.length === 0) return "none";
  return h(
    "span",
    { class: "row" },
    states.map(([state, count]) => badge(state, count)),
  );
}

/** A column that says nothing of any param is left out. */
const PARAM_COLUMNS = [
  ["Type", ({ schema }) => [schema?.type].flat().filter(Boolean).join(" or ")],
  ["Description", ({ description, schema }) => description ?? schema?.description ?? ""],
];

function paramTable(params) {
  const columns = PARAM_COLUMNS.filter(([, textOf]) => params.some((param) => textOf(param) !== ""));
  const rows = params.map((param) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, h("code", null, param.name)),
      h("td", null, h("code", null, JSON.stringify(param.value))),
      columns.map(([, textOf]) => h("td", null, textOf(param))),
    ),
  );
  const heads = ["Param", "Default", ...columns.map(([title]) => title)].map((text) => h("th", { scope: "col" }, text));
  return [
    h("h2", null, "Params"),
    h(
      "div",
      { class: "table-frame" },
      h("table", null, h("thead", null, h("tr", null, heads)), h("tbody", null, rows)),
    ),
  ];
}
