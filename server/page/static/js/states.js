/**
 * How a state of a run or of a task looks: a word, a shape and a colour. No other module knows.
 *
 *   badge("failed")            -> <span class="badge state-failed"> with shape and word
 *   square(run, href)          -> a small square for a run, as a link if there is an address
 *   shape("failed", {size})    -> the <svg> alone (hidden from screen readers: say the word beside it)
 *   word("up_for_retry")       -> "up for retry";  null is "no state"
 *   stateClass("failed")       -> "state-failed": sets --state and --state-soft for what you draw (fill: var(--state))
 */

import { h, svg } from "./dom.js";
import { whenText } from "./time.js";

// On a field of 16 by 16. Strokes and fills come from CSS.
const SHAPES = {
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4 4l8 8M12 4l-8 8",
  play: "M5 3.5v9l7.5-4.5z",
  bars: "M4 5h8M4 8h8M4 11h5",
  clock: "M8 4v4l3 2",
  again: "M12.5 8a4.5 4.5 0 1 1-1.5-3.3M11.5 2v3h-3",
  skip: "M4 4l4 4-4 4M9 4l4 4-4 4",
  up: "M8 12.5v-9M4 7.5l4-4 4 4",
  pause: "M5.5 4v8M10.5 4v8",
  dash: "M4 8h8",
  dot: "M8 8h.01",
};

const LOOKS = {
  success: ["success", "check"],
  failed: ["failed", "cross"],
  running: ["running", "play"],
  queued: ["queued", "bars"],
  scheduled: ["scheduled", "clock"],
  up_for_retry: ["up for retry", "again"],
  up_for_reschedule: ["up for reschedule", "again"],
  restarting: ["restarting", "again"],
  upstream_failed: ["upstream failed", "up"],
  skipped: ["skipped", "skip"],
  deferred: ["deferred", "pause"],
  sensing: ["sensing", "pause"],
  shutdown: ["shut down", "cross"],
  removed: ["removed", "dash"],
  none: ["no state", "dot"],
};

/** States of runs, in the order in which people ask for them. */
export const RUN_STATES = ["failed", "running", "queued", "success"];

/** All states of tasks, the finished ones last. */
export const TASK_STATES = Object.keys(LOOKS);

/**
 * @param {string | null | undefined} state
 * @returns {string} for people
 */
export const word = (state) => LOOKS[known(state)]?.[0] ?? String(state).replaceAll("_", " ");

/**
 * @param {string | null | undefined} state
 * @returns {string} the class that sets the colours; that of `none` for a state that this page does not know
 */
export const stateClass = (state) => `state-${LOOKS[known(state)] ? known(state) : "none"}`;

/**
 * @param {string | null | undefined} state
 * @param {Record<string, unknown>} [attributes] such as x, y, width and height, for the shape inside of a drawing
 * @returns {SVGElement}
 */
export const shape = (state, attributes) =>
  svg(
    "svg",
    { class: "shape", viewBox: "0 0 16 16", "aria-hidden": "true", ...attributes },
    svg("path", { d: SHAPES[LOOKS[known(state)]?.[1] ?? "dot"] }),
  );

/**
 * @param {string | null | undefined} state
 * @param {string | number} [more] such as a count
 * @returns {HTMLElement}
 */
export const badge = (state, more) =>
  h(
    "span",
    { class: ["badge", stateClass(state)] },
    shape(state),
    h("span", null, word(state)),
    more === undefined ? null : h("b", null, more),
  );

/**
 * @param {{ run_id: string, state: string | null, execution_date?: string | null }} run
 * @param {string} [href] where it leads
 * @returns {HTMLElement}
 */
export function square(run, href) {
  const date = run.execution_date ? `, ${whenText(run.execution_date)}` : "";
  const label = `${word(run.state)}: ${run.run_id}${date}`;
  const attributes = { class: ["square", stateClass(run.state)], title: label, "aria-label": label };
  return href
    ? h("a", { ...attributes, href }, shape(run.state))
    : h("span", { ...attributes, role: "img" }, shape(run.state));
}

const known = (state) => (state === null || state === undefined || state === "" ? "none" : state);
