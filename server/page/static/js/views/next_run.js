/** When the schedule of a DAG makes its next run. */

import { h } from "../dom.js";
import { ago, when } from "../time.js";

/**
 * @param {Record<string, any>} dag
 * @returns {string | null} when the next run is made; null if none is to come
 */
export const nextRunOf = (dag) =>
  dag.is_paused || dag.is_active === false ? null : (dag.next_dagrun_create_after ?? dag.next_dagrun ?? null);

/**
 * @param {Record<string, any>} dag
 * @returns {boolean} whether runs are due that have not been made yet
 */
export const isCatchingUp = (dag) =>
  nextRunOf(dag) !== null && Date.parse(dag.next_dagrun_create_after ?? "") < Date.now();

/**
 * @param {Record<string, any>} dag
 * @returns {import("../dom.js").Child} null if no run is to come
 */
export function nextRun(dag) {
  const next = nextRunOf(dag);
  if (!next) return null;
  const time = when(next);
  if (!isCatchingUp(dag)) return [time, h("div", { class: "hint" }, ago(next))];
  return h("span", { class: "muted", title: `Due: ${time.title}` }, "catching up");
}
