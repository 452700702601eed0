/** The runs of a DAG as a grid, page by page, live. */

import { request } from "../../api.js";
import { h, replace } from "../../dom.js";
import { notice } from "../../failure.js";
import { calmly, subscribe } from "../../live.js";
import { badge } from "../../states.js";
import { announce } from "../../toast.js";
import { instanceIn } from "./grid_cells.js";
import { gridTable } from "./grid_table.js";

/** How many runs are shown: more where there is room for them. */
const PAGE = { usual: 25, wide: 50 };
const WIDE = 1600;

/**
 * @param {HTMLElement} panel
 * @param {{dagId: string, context: object, trigger: HTMLElement | null}} dag `trigger`: a button, if the user may
 * @returns {Promise<() => void>} cleans up
 */
export async function showGrid(panel, { dagId, context, trigger }) {
  const table = gridTable(dagId);
  const search = h("input", { type: "search", placeholder: "Filter tasks", "aria-label": "Filter tasks" });
  search.addEventListener("input", () => table.filter(search.value));
  const pages = new Pages(context.query.getAll("before"));
  const bar = pageBar(pages, (text) => {
    context.setQuery({ before: pages.stack }, { push: true });
    return load().then(() => announce(text));
  });
  const legend = h("ul", { class: "legend", "aria-label": "States" });
  const body = h("div", null, h("div", { class: "toolbar" }, search, bar.element), table.element, legend);

  async function load() {
    const limit = window.innerWidth >= WIDE ? PAGE.wide : PAGE.usual;
    const query = { limit, before: pages.before };
    const { data: grid, headers } = await request("GET", ["dags", dagId, "grid"], { query, signal: context.signal });
    pages.read(grid.runs, headers.has("Link"));
    if (grid.runs.length === 0 && pages.isNewest()) return replace(panel, noRuns(grid, trigger));
    if (!body.isConnected) replace(panel, body);
    search.hidden = grid.tasks.length < 2;
    table.update({ tasks: grid.tasks, runs: grid.runs.toReversed() });
    fillLegend(legend, grid);
    return bar.update();
  }

  await load();
  const refresh = calmly(() => load().catch(() => {}), 1500);
  const unsubscribe = subscribe({ dagId }, refresh);
  return () => {
    unsubscribe();
    refresh.cancel();
  };
}

/** Which part of the runs is shown: each older page begins before the oldest run of the one after it, as the address says. */
class Pages {
  constructor(stack) {
    this.stack = stack.filter((id) => /^\d{1,18}$/.test(id));
    this.runs = [];
    this.hasOlder = false;
  }

  get before() {
    return this.stack.at(-1);
  }

  read(runs, hasOlder) {
    this.runs = runs;
    this.hasOlder = hasOlder;
  }

  isNewest() {
    return this.stack.length === 0;
  }

  isOldest() {
    return !this.hasOlder;
  }

  older() {
    this.stack.push(String(this.runs.at(-1).id));
  }

  newer() {
    this.stack.pop();
  }

  newest() {
    this.stack = [];
  }
}

function pageBar(pages, load) {
  const button = (text, label, step, said) => {
    const click = () => {
      step();
      load(said);
    };
    return h("button", { type: "button", class: "button", "aria-label": label, on: { click } }, text);
  };
  const older = button("← Older", "Older runs", () => pages.older(), "Older runs");
  const newer = button("Newer →", "Newer runs", () => pages.newer(), "Newer runs");
  const newest = button("Newest", "Newest runs", () => pages.newest(), "Newest runs");
  const element = h("div", { class: "page-bar" }, older, newer, newest);
  const update = () => {
    older.disabled = pages.isOldest();
    newer.disabled = newest.disabled = pages.isNewest();
    element.hidden = older.disabled && newer.disabled;
    if (document.activeElement?.disabled) (older.disabled ? newer : older).focus();
  };
  return { element, update };
}

function noRuns({ tasks }, trigger) {
  const what = tasks.length === 1 ? "one task" : `${tasks.length} tasks`;
  const text =
    tasks.length === 0 ? "The database knows no tasks of this DAG." : `This DAG has ${what}, and has not run yet.`;
  return notice({ title: "No runs yet", text: h("p", null, text), actions: trigger });
}

/** Explains the states that are there. */
function fillLegend(legend, { tasks, runs }) {
  const states = new Set(runs.map(({ state }) => state));
  for (const run of runs) {
    for (const taskId of tasks) {
      const instance = instanceIn(run, taskId);
      if (instance !== null) states.add(instance.state);
    }
  }
  const key = [...states].map(String).sort().join();
  if (legend.dataset.states === key) return;
  legend.dataset.states = key;
  replace(
    legend,
    [...states].sort().map((state) => h("li", null, badge(state))),
  );
}
