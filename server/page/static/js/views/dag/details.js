/** All that the database says about a DAG. */

import { h, replace } from "../../dom.js";
import { badge } from "../../states.js";
import { when } from "../../time.js";
import { factList } from "../facts.js";

/**
 * @param {HTMLElement} panel
 * @param {object} dag as `GET /dags/<dag_id>` has it
 */
export function showDetails(panel, dag) {
  const interval = dag.next_dagrun_data_interval_start && [
    when(dag.next_dagrun_data_interval_start),
    " to ",
    when(dag.next_dagrun_data_interval_end),
  ];
  const facts = factList([
    ["Description", dag.description],
    ["Owners", dag.owners],
    ["Schedule", dag.timetable_description ?? dag.schedule_interval],
    ["Next run is for", dag.next_dagrun && when(dag.next_dagrun)],
    ["It begins after", dag.next_dagrun_create_after && when(dag.next_dagrun_create_after)],
    ["Its data interval", interval],
    ["Runs at a time", dag.max_active_runs],
    ["Tasks at a time", dag.max_active_tasks],
    ["Runs by state", dag.run_states && runStates(dag.run_states)],
    ["File", dag.fileloc && h("code", null, dag.fileloc)],
    ["Read last", dag.last_parsed_time && when(dag.last_parsed_time)],
    ["Part of", dag.is_subdag && dag.root_dag_id],
    ["State", dag.is_active === false && "Its file is gone, so it does not run"],
  ]);
  replace(panel, h("div", { class: "card" }, facts), dag.params?.length ? paramTable(dag.params) : null);
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

function paramTable(params) {
  const rows = params.map(({ name, value, description, schema }) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, h("code", null, name)),
      h("td", null, h("code", null, JSON.stringify(value))),
      h("td", null, [schema?.type].flat().filter(Boolean).join(" or ")),
      h("td", null, description ?? ""),
    ),
  );
  const heads = ["Param", "Default", "Type", "Description"].map((text) => h("th", { scope: "col" }, text));
  return [
    h("h2", null, "Params"),
    h(
      "div",
      { class: "table-frame" },
      h("table", null, h("thead", null, h("tr", null, heads)), h("tbody", null, rows)),
    ),
  ];
}
