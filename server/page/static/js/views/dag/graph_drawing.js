/**
 * Draws the tasks of a DAG as a graph: boxes in layers, and curves from each task to those that wait for it.
 *
 *   const drawing = draw(tasks, { hrefOf })       drawing.element, drawing.width, drawing.height
 *   drawing.color(instances)                      // Map: task_id -> { state, mapped? }; a task that is missing has none
 *   drawing.listen(host)                          // keys; `host` is what the drawing is in
 *   drawing.mark(taskId)                          // shows one task and what is before and after it
 */

import { h, replace, svg } from "../../dom.js";
import { shape, stateClass, word } from "../../states.js";
import { graphKeys } from "./graph_keys.js";
import { layout } from "./layout.js";

const BOX = { height: 44, padding: 12, icon: 22, least: 110, most: 260 };

/** @typedef {{task_id: string, operator?: string | null, upstream_task_ids: string[]}} GraphTask */

/**
 * @param {GraphTask[]} tasks
 * @param {{hrefOf?: (taskId: string) => string | null, chosen?: (taskId: string) => void}} how each box is a link, or a
 *   button that calls `chosen`
 */
export function draw(tasks, { hrefOf, chosen }) {
  const measure = measurer();
  const byId = new Map(tasks.map((task) => [task.task_id, task]));
  const placed = layout(tasks.map((task) => vertex(task, measure)));
  const boxes = new Map(
    placed.nodes.map((node) => [node.id, box(node, byId.get(node.id), measure, { hrefOf, chosen })]),
  );
  const edges = placed.edges.map((edge) => ({
    ...edge,
    element: svg("path", { class: "edge", d: curve(edge.points) }),
  }));
  const [width, height] = [placed.width + 16, placed.height + 16];
  const element = svg(
    "svg",
    {
      class: "graph",
      viewBox: `-8 -8 ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": "Graph of the tasks",
    },
    svg("defs", null, arrowHead()),
    edges.map((edge) => edge.element),
    [...boxes.values()].map((each) => each.element),
  );
  return {
    element,
    width,
    height,
    color: (instances) => {
      for (const [taskId, each] of boxes) each.color(instances.get(taskId));
    },
    mark: (taskId) => mark(taskId, boxes, edges),
    listen: (host) => graphKeys(host, boxes, edges),
  };
}

const arrowHead = () =>
  svg(
    "marker",
    { id: "arrow-head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    svg("path", { d: "M0 0.5L8 4L0 7.5z" }),
  );

function vertex({ task_id: id, operator, upstream_task_ids: upstream }, measure) {
  const text = Math.max(measure(id, true), measure(operator ?? "", false));
  const width = Math.min(BOX.most, Math.max(BOX.least, Math.ceil(text) + 2 * BOX.padding + BOX.icon));
  return { id, upstream, width, height: BOX.height };
}

function box({ id, x, y, width, height }, task, measure, { hrefOf, chosen }) {
  const icon = svg("g", { class: "box-state", transform: `translate(${BOX.padding} 14)` });
  const room = width - 2 * BOX.padding - BOX.icon;
  const title = svg("title", null, id);
  const href = hrefOf?.(id) ?? null;
  const element = svg(
    href === null ? "g" : "a",
    { class: "box", href, transform: `translate(${x} ${y})`, tabindex: "-1" },
    title,
    svg("rect", { class: "box-frame", width, height, rx: 6 }),
    svg("rect", { class: "box-edge", width: 4, height, rx: 2 }),
    icon,
    svg("text", { class: "box-name", x: BOX.padding + BOX.icon, y: 19 }, fitted(id, room, measure, true)),
    svg(
      "text",
      { class: "box-operator", x: BOX.padding + BOX.icon, y: 35 },
      fitted(task.operator ?? "", room, measure, false),
    ),
  );
  if (href === null && chosen) beButton(element, () => chosen(id));
  return { element, x, y, color: (instance) => color(element, icon, title, task, instance) };
}

function beButton(element, choose) {
  element.setAttribute("role", "button");
  element.addEventListener("click", choose);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  });
}

function color(element, icon, title, task, instance) {
  const isMarked = element.classList.contains("is-marked");
  element.setAttribute("class", `box ${instance ? stateClass(instance.state) : ""} ${isMarked ? "is-marked" : ""}`);
  replace(icon, instance ? shape(instance.state, { width: 16, height: 16 }) : null);
  const state = instance ? `: ${word(instance.state)}` : "";
  const mapped = instance?.mapped ? `, ${Object.values(instance.mapped).reduce((sum, n) => sum + n, 0)} instances` : "";
  const label = `${task.task_id}${state}${mapped}`;
  replace(title, label);
  element.setAttribute("aria-label", label);
}

function mark(taskId, boxes, edges) {
  for (const [id, { element }] of boxes) element.classList.toggle("is-marked", id === taskId);
  for (const { from, to, element } of edges) element.classList.toggle("is-marked", from === taskId || to === taskId);
}

/** Right out of one box, left into the next; straight along the way around what lies between. */
function curve(points) {
  const parts = [`M${points[0].x} ${points[0].y}`];
  for (let at = 1; at < points.length; at += 1) {
    const [from, to] = [points[at - 1], points[at]];
    const middle = (from.x + to.x) / 2;
    parts.push(from.y === to.y ? `L${to.x} ${to.y}` : `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`);
  }
  return parts.join("");
}

/** Measures texts as CSS will show them in the boxes (.box-name, .box-operator). */
function measurer() {
  const context = h("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  return (text, isName) => {
    const font = isName ? `600 13px ${family}` : `11px ${family}`;
    if (context.font !== font) context.font = font;
    return context.measureText(text).width;
  };
}

function fitted(text, room, measure, isName) {
  if (measure(text, isName) <= room) return text;
  let length = text.length;
  while (length > 1 && measure(`${text.slice(0, length)}…`, isName) > room) length -= 1;
  return `${text.slice(0, length)}…`;
}
