/** What is in the cells of a grid: which texts, shapes and links; and how to see that one has changed. */

import { address } from "../../address.js";
import { h, svg } from "../../dom.js";
import { shape, stateClass, word } from "../../states.js";
import { durationText, whenText } from "../../time.js";
import { worstOf } from "../mapped.js";

/** The size of the bars that show how long runs took, in pixels. */
const BAR = { width: 14, height: 48, least: 2 };

/**
 * @typedef {{id: number, run_id: string | null, execution_date: string | null, state: string | null,
 *   start_date: string | null, end_date: string | null, tasks: Record<string, unknown>}} GridRun
 * @typedef {{tasks: string[], runs: GridRun[]}} Grid the runs in the order of the columns
 * @typedef {{key: string, signature: string, content: () => Element | null}} Cell
 */

/**
 * @param {string} dagId
 * @param {Grid} grid
 * @param {number} now in milliseconds, for runs that have not ended
 * @returns {{heads: Cell[], rows: {taskId: string, cells: Cell[]}[], longest: number}} `longest` in seconds
 */
export function cellsOf(dagId, { tasks, runs }, now = Date.now()) {
  const seconds = runs.map((run) => secondsOf(run, now));
  const longest = Math.max(0, ...seconds);
  const heads = runs.map((run, place) => head(dagId, run, seconds[place], longest));
  const rows = tasks.map((taskId) => ({ taskId, cells: runs.map((run) => taskCell(dagId, run, taskId)) }));
  return { heads, rows, longest };
}

/**
 * @param {GridRun} run
 * @returns {string} when it was for, or began
 */
export const dateOf = (run) => run.execution_date ?? run.start_date;

function secondsOf({ start_date: start, end_date: end }, now) {
  const seconds = ((end ? Date.parse(end) : now) - Date.parse(start ?? "")) / 1000;
  return seconds > 0 ? seconds : 0;
}

function head(dagId, run, seconds, longest) {
  const height = longest > 0 ? Math.max(BAR.least, Math.round((seconds / longest) * BAR.height)) : BAR.least;
  const date = dateOf(run);
  const took = run.start_date ? `, ${durationText(seconds)}` : "";
  const label = `Run ${run.run_id}: ${word(run.state)}${took}${date ? `, ${whenText(date)}` : ""}`;
  return {
    key: `${run.id}`,
    signature: JSON.stringify([run.state, height, label]),
    content: () =>
      cellLink(
        runAddress(dagId, run),
        label,
        ["grid-run", stateClass(run.state)],
        [
          svg(
            "svg",
            { class: "grid-bar", width: BAR.width, height: BAR.height, "aria-hidden": "true" },
            svg("rect", { x: 0, y: BAR.height - height, width: BAR.width, height, rx: 2 }),
          ),
          shape(run.state),
        ],
      ),
  };
}

function taskCell(dagId, run, taskId) {
  const instance = instanceIn(run, taskId);
  return {
    key: `${run.id} ${taskId}`,
    signature: JSON.stringify(instance),
    content: () => {
      if (instance === null) return null;
      const label = `${taskId}: ${wordsOf(instance)}, run ${run.run_id}`;
      const href = runAddress(dagId, run, taskId);
      return cellLink(
        href,
        label,
        ["grid-task", stateClass(instance.state), instance.mapped && "is-mapped"],
        [shape(instance.state)],
      );
    },
  };
}

/**
 * @param {unknown} given what a grid says of a task in a run; nothing if the task is newer than the run
 * @returns {{state: string | null, mapped: Record<string, number> | null} | null}
 */
export function instanceOf(given) {
  if (given === undefined) return null;
  return given !== null && typeof given === "object"
    ? { state: worstOf(given.mapped), mapped: given.mapped }
    : { state: given, mapped: null };
}

/**
 * @param {{tasks?: Record<string, unknown>}} run
 * @param {string} taskId may be `constructor`, which every object has
 */
export const instanceIn = ({ tasks }, taskId) =>
  instanceOf(tasks && Object.hasOwn(tasks, taskId) ? tasks[taskId] : undefined);

const wordsOf = ({ state, mapped }) =>
  mapped
    ? Object.entries(mapped)
        .map(([each, count]) => `${count} ${word(each === "none" ? null : each)}`)
        .join(", ")
    : word(state);

/** Rows without a run_id are not Airflow's own; no address names them. */
function runAddress(dagId, run, taskId) {
  if (run.run_id === null || run.run_id === "") return null;
  return address(["dags", dagId, "runs", run.run_id, ...(taskId === undefined ? [] : ["tasks", taskId])]);
}

const cellLink = (href, label, classes, children) =>
  h(
    href === null ? "span" : "a",
    { href, class: classes, "aria-label": label, role: href === null ? "img" : null, tabindex: "-1" },
    children,
  );
