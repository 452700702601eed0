/** The tasks of a run as bars over time: when each waited in the queue, and when it ran. */

import { address } from "../../address.js";
import { h, replace, svg } from "../../dom.js";
import { notice } from "../../failure.js";
import { shape, stateClass, word } from "../../states.js";
import { durationText, whenText } from "../../time.js";
import { nameOf, placeOf } from "./order.js";
import { barOf, scaleOf, ticksOf } from "./scale.js";
import { hasBegun } from "./tries.js";

const HEIGHT = 18;
/** Below this width of the window, in pixels, there is room for few marks. */
const NARROW = 640;
const TICKS = { usual: 6, narrow: 2 };

/**
 * @param {HTMLElement} panel
 * @param {import("./data.js").RunData} data
 * @returns {() => void} cleans up
 */
export function showGantt(panel, data) {
  let drawn = "";
  const update = () => {
    const now = Date.now();
    const begun = data.instances.filter(hasBegun);
    const signature = JSON.stringify(
      begun.map(({ task_id: id, map_index: at, state, start_date: start, end_date: end }) => [
        id,
        at,
        state,
        start,
        end,
      ]),
    );
    const isMoving = begun.some(({ end_date: end }) => end === null);
    if (signature === drawn && !isMoving) return;
    drawn = signature;
    const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    replace(panel, begun.length === 0 ? nothing(data) : chart(data, begun, now));
    if (focused) panel.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };
  update();
  const timer = setInterval(() => !document.hidden && !data.isEnded && update(), 2000);
  const unwatch = data.watch(update);
  return () => {
    clearInterval(timer);
    unwatch();
  };
}

const nothing = ({ mayReadTasks }) =>
  notice({
    title: "Nothing to show",
    text: h("p", null, mayReadTasks ? "No task of this run has begun yet." : "You may not see the tasks of this run."),
  });

function chart(data, begun, now) {
  const scale = scaleOf(begun, now);
  if (scale === null) return nothing(data);
  const ticks = ticksOf(scale, window.innerWidth < NARROW ? TICKS.narrow : TICKS.usual);
  const rows = begun
    .toSorted((one, other) => Date.parse(one.start_date) - Date.parse(other.start_date))
    .map((instance) => row(data, instance, { scale, ticks, now }));
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { class: "gantt" },
      h("caption", { class: "unseen" }, "When the tasks ran, in the order in which they began"),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          head("Task"),
          h("th", { scope: "col", class: "gantt-cell" }, axis(ticks, scale)),
          head("Took", "number"),
        ),
      ),
      h("tbody", null, rows),
    ),
  );
}

const head = (text, className) => h("th", { scope: "col", class: className }, text);

function axis(ticks, scale) {
  const marks = ticks.map(({ share, seconds }) =>
    svg(
      "text",
      { x: percent(share), y: 12, "text-anchor": anchorAt(share) },
      seconds === 0 ? "0" : durationText(seconds),
    ),
  );
  const label = `Time since ${whenText(new Date(scale.start).toISOString())}`;
  return [
    h("span", { class: "unseen" }, label),
    svg("svg", { class: "gantt-axis", width: "100%", height: 16, "aria-hidden": "true" }, marks),
  ];
}

/** What stands at an edge does not go over it. */
function anchorAt(share) {
  if (share === 0) return "start";
  return share > 0.85 ? "end" : "middle";
}

function row({ dagId, run }, instance, { scale, ticks, now }) {
  const bar = barOf(instance, scale, now);
  const seconds = bar ? ((bar.end - bar.start) * (scale.end - scale.start)) / 1000 : null;
  const label = `${nameOf(instance)}: ${word(instance.state)}, began ${whenText(instance.start_date)}`;
  const href = address(...placeOf(dagId, run.run_id, instance));
  return h(
    "tr",
    { class: stateClass(instance.state) },
    h(
      "th",
      { scope: "row", class: "gantt-name" },
      h(
        "a",
        { href, title: label, "data-key": nameOf(instance) },
        shape(instance.state),
        h("span", null, nameOf(instance)),
      ),
    ),
    h("td", { class: "gantt-cell" }, bar === null ? null : drawBar(bar, ticks, label)),
    h("td", { class: "number" }, seconds === null ? "–" : durationText(seconds)),
  );
}

function drawBar(bar, ticks, label) {
  return svg(
    "svg",
    { class: "gantt-bar", width: "100%", height: HEIGHT, role: "img", "aria-label": label },
    svg("title", null, label),
    ticks.map(({ share }) =>
      svg("line", { class: "gantt-tick", x1: percent(share), x2: percent(share), y1: 0, y2: HEIGHT }),
    ),
    bar.start > bar.wait &&
      svg("rect", { class: "gantt-wait", x: percent(bar.wait), width: percent(bar.start - bar.wait), y: 7, height: 4 }),
    // However short it was, it is seen.
    svg("rect", {
      class: "gantt-run",
      x: percent(Math.min(bar.start, 0.997)),
      width: percent(Math.max(0.003, bar.end - bar.start)),
      y: 2,
      height: HEIGHT - 4,
      rx: 2,
    }),
  );
}

const percent = (share) => `${(share * 100).toFixed(3)}%`;
