/** Schedules in words, and when a schedule makes the next run of a DAG. */

import { h } from "../dom.js";
import { ago, when } from "../time.js";

const UNITS = [
  ["years", "year", "years"],
  ["months", "month", "months"],
  ["days", "d", "d"],
  ["hours", "h", "h"],
  ["minutes", "min", "min"],
  ["seconds", "s", "s"],
];
const PLURALS = new Set([...UNITS.map(([name]) => name), "microseconds"]);

/**
 * @param {string | null | undefined} interval `schedule_interval` of the API: a cron expression, a preset or a name as it
 *   is, a distance as JSON (`{"type": "timedelta", "attrs": {"days": 0, "seconds": 21600}}`)
 * @returns {{ text: string, isDistance: boolean }} "0 3 * * *", "every 6 h", "every 1 month, day 1"; "" for none
 */
export function schedule(interval) {
  const attrs = distanceOf(interval);
  if (attrs === null) return { text: interval ?? "", isDistance: false };
  return { text: `every ${distanceText(attrs)}`, isDistance: true };
}

/**
 * @param {{ schedule_interval?: string | null, timetable_description?: string | null }} dag
 * @returns {string} as Airflow describes it, or else as `schedule` does
 */
export const scheduleText = (dag) => dag.timetable_description || schedule(dag.schedule_interval).text;

function distanceOf(interval) {
  if (!interval?.startsWith("{")) return null;
  try {
    const { type, attrs } = JSON.parse(interval);
    if (typeof attrs !== "object" || attrs === null) return null;
    return { timedelta: () => ofTimedelta(attrs), relativedelta: () => attrs }[type]?.() ?? null;
  } catch {
    return null;
  }
}

// Python keeps days, and of a day the seconds.
function ofTimedelta({ days = 0, seconds = 0, microseconds = 0 }) {
  const [hours, rest] = [Math.trunc(seconds / 3600), seconds % 3600];
  return { days, hours, minutes: Math.trunc(rest / 60), seconds: rest % 60, microseconds };
}

// A relativedelta may have a fixed part too, such as {"months": 1, "day": 1}: the first of each month.
function distanceText(attrs) {
  const parts = { ...attrs, seconds: (attrs.seconds ?? 0) + (attrs.microseconds ?? 0) / 1e6 };
  const distance = UNITS.filter(([name]) => parts[name]).map(
    ([name, one, many]) => `${parts[name]} ${parts[name] === 1 ? one : many}`,
  );
  const fixed = Object.entries(attrs)
    .filter(([name, value]) => !PLURALS.has(name) && value)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return [distance.join(" ") || "0 s", ...fixed].join(", ");
}

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
