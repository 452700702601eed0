/** Keys in the graph: one Tab reaches it; the arrows go along its edges, and up and down within a layer. */

const TURNS = { ArrowRight: "after", ArrowLeft: "before" };
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * @param {HTMLElement} host has the drawing; a drawing that listens itself would be one stop more for Tab
 * @param {Map<string, {element: SVGElement, x: number, y: number}>} boxes by task_id
 * @param {{from: string, to: string}[]} edges
 */
export function graphKeys(host, boxes, edges) {
  const names = new Map([...boxes].map(([id, { element }]) => [element, id]));
  const layers = Map.groupBy([...boxes.keys()], (id) => boxes.get(id).x);
  for (const ids of layers.values()) ids.sort((one, other) => boxes.get(one).y - boxes.get(other).y);
  const nearest = (ids, y) =>
    ids.toSorted((one, other) => Math.abs(boxes.get(one).y - y) - Math.abs(boxes.get(other).y - y))[0];

  function wanted(id, key) {
    const { x, y } = boxes.get(id);
    if (key in STEPS) {
      const ids = layers.get(x);
      return ids[ids.indexOf(id) + STEPS[key]];
    }
    const isAfter = TURNS[key] === "after";
    const next = edges.filter(({ from, to }) => (isAfter ? from : to) === id);
    return nearest(
      next.map(({ from, to }) => (isAfter ? to : from)),
      y,
    );
  }

  host.addEventListener("keydown", (event) => {
    if (!(event.key in TURNS || event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey) return;
    const id = names.get(event.target.closest(".box"));
    const target = id === undefined ? undefined : boxes.get(wanted(id, event.key));
    if (target === undefined) return;
    event.preventDefault();
    target.element.focus();
  });
  host.addEventListener("focusin", ({ target }) => {
    const box = target.closest(".box");
    if (box === null) return;
    for (const old of host.querySelectorAll('.box[tabindex="0"]')) old.setAttribute("tabindex", "-1");
    box.setAttribute("tabindex", "0");
  });
  boxes.values().next().value?.element.setAttribute("tabindex", "0");
}
