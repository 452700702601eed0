/**
 * The tasks of a DAG as a graph that one can zoom, and as a list for who does not see it.
 *
 *   const graph = graphView(tasks, { hrefOf })     graph.element;  graph.color(instances)
 */

import { h, replace, setText } from "../../dom.js";
import { notice } from "../../failure.js";
import { badge } from "../../states.js";
import { draw } from "./graph_drawing.js";

/** A larger graph would stop the browser; the list has all tasks. */
const MOST_DRAWN = 1500;
const ZOOM = { least: 0.1, most: 2, step: 1.25 };
/** Below this width of the window, in pixels, one sees the whole graph first: fingers make it larger. */
const NARROW = 640;
const READABLE = { usual: 0.5, narrow: 0.25 };

/**
 * @param {import("./graph_drawing.js").GraphTask[]} tasks
 * @param {{hrefOf?: (taskId: string) => string | null, chosen?: (taskId: string) => void}} how
 * @param {HTMLElement | null} tools that stand beside those of the zoom
 */
export function graphView(tasks, how, tools = null) {
  if (tasks.length === 0) {
    const text = h("p", null, "The database knows no tasks of this DAG.");
    return { element: notice({ title: "No tasks", text }), color: () => {}, mark: () => {} };
  }
  const list = taskList(tasks, how);
  const alternative = h(
    "details",
    { class: "graph-list" },
    h("summary", null, `As a list (${tasks.length})`),
    list.element,
  );
  if (tasks.length > MOST_DRAWN) {
    alternative.open = true;
    const text = h("p", { class: "hint" }, `Graphs of more than ${MOST_DRAWN} tasks are not drawn.`);
    return { element: h("div", null, text, alternative), color: list.color, mark: () => {} };
  }
  const drawing = draw(tasks, how);
  return {
    element: h("div", { class: "graph-view" }, zoomable(drawing, tools), alternative),
    color: (instances) => {
      drawing.color(instances);
      list.color(instances);
    },
    mark: drawing.mark,
  };
}

function zoomable(drawing, tools) {
  const scroller = h(
    "div",
    { class: "graph-scroller", tabindex: "0", role: "region", "aria-label": "Graph of the tasks" },
    drawing.element,
  );
  drawing.listen(scroller);
  const shown = h("output", { class: "zoom", "aria-label": "Zoom" });
  let zoom = 1;
  const setZoom = (wanted) => {
    zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, wanted));
    drawing.element.setAttribute("width", Math.round(drawing.width * zoom));
    drawing.element.setAttribute("height", Math.round(drawing.height * zoom));
    setText(shown, `${Math.round(zoom * 100)} %`);
  };
  const fit = () => {
    // The reader may have gone to another tab before it was drawn.
    if (!scroller.isConnected) return;
    const room = Math.min(
      (scroller.clientWidth - padding(scroller)) / drawing.width,
      Math.max(320, window.innerHeight * 0.7) / drawing.height,
    );
    setZoom(Math.min(1, room));
  };
  const button = (text, label, click) =>
    h("button", { type: "button", class: "button", "aria-label": label, title: label, on: { click } }, text);
  const bar = h(
    "div",
    { class: "toolbar graph-zoom" },
    tools,
    button("−", "Zoom out", () => setZoom(zoom / ZOOM.step)),
    shown,
    button("+", "Zoom in", () => setZoom(zoom * ZOOM.step)),
    button("Fit", "Fit the graph to the page", fit),
    button("100 %", "Full size", () => setZoom(1)),
  );
  requestAnimationFrame(() => readable(fit, setZoom, () => zoom));
  return h("div", { class: "graph-frame" }, bar, scroller);
}

/** Begins with the whole graph, unless one could not read it then. */
function readable(fit, setZoom, zoom) {
  fit();
  if (zoom() < (window.innerWidth < NARROW ? READABLE.narrow : READABLE.usual)) setZoom(0.75);
}

function padding(element) {
  const { paddingLeft, paddingRight } = getComputedStyle(element);
  return Number.parseFloat(paddingLeft) + Number.parseFloat(paddingRight);
}

function taskList(tasks, { hrefOf }) {
  const states = new Map(tasks.map(({ task_id: id }) => [id, h("td")]));
  const name = (id) => (hrefOf?.(id) ? h("a", { href: hrefOf(id) }, id) : id);
  const rows = tasks.map((task) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, name(task.task_id)),
      states.get(task.task_id),
      h("td", null, task.operator ?? ""),
      h("td", null, task.upstream_task_ids.length ? task.upstream_task_ids.join(", ") : "–"),
    ),
  );
  const heads = ["Task", "State", "Operator", "Runs after"].map((text) => h("th", { scope: "col" }, text));
  const table = h("table", { class: "task-list" }, h("thead", null, h("tr", null, heads)), h("tbody", null, rows));
  return {
    element: h(
      "div",
      { class: "table-frame", tabindex: "0", role: "region", "aria-label": "List of the tasks" },
      table,
    ),
    color: (instances) => {
      for (const [id, cell] of states) replace(cell, instances.has(id) ? badge(instances.get(id).state) : "–");
    },
  };
}
