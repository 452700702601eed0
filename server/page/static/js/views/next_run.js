/** When the schedule of a DAG makes its next run. */

import { h } from "../dom.js";
import { ago, when } from "../time.js";

/**
 * @param {Record<string, any>} dag
 * @returns {"none" | "waiting" | "due" | "planned"} waiting: as many runs are under way as may be; due: it is not made yet
 */
export function nextRunState({ is_paused, is_active, next_dagrun, next_dagrun_create_after: due }) {
  if (is_paused || is_active === false || !(due ?? next_dagrun)) return "none";
  if (!due) return "waiting";
  return Date.parse(due) < Date.now() ? "due" : "planned";
}

/**
 * @param {Record<string, any>} dag
 * @returns {import("../dom.js").Child} null if no run is to come
 */
export function nextRunTime(dag) {
  const said = (title, text) => h("span", { class: "muted", title }, text);
  const { next_dagrun: date, next_dagrun_create_after: due } = dag;
  return {
    none: () => null,
    waiting: () => said(`Next: ${when(date).title}`, "waits for a run to end"),
    due: () => said(`Due: ${when(due).title}`, "catching up"),
    planned: () => when(due),
  }[nextRunState(dag)]();
}

/**
 * @param {Record<string, any>} dag
 * @returns {import("../dom.js").Child} with the distance; null if no run is to come
 */
export function nextRun(dag) {
  const time = nextRunTime(dag);
  if (nextRunState(dag) !== "planned") return time;
  return [time, h("div", { class: "hint" }, ago(dag.next_dagrun_create_after))];
}
