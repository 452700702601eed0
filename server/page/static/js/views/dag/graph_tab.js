/** The graph of a DAG, with the states that its tasks had in one of the last runs, and what is to know about each task. */

import { get } from "../../api.js";
import { h, link, replace } from "../../dom.js";
import { calmly, subscribe } from "../../live.js";
import { word } from "../../states.js";
import { whenText } from "../../time.js";
import { factList } from "../facts.js";
import { graphView } from "./graph.js";
import { dateOf, instanceOf } from "./grid_cells.js";
import { readTasks } from "./read_tasks.js";

const RUNS = 25;

/**
 * @param {HTMLElement} panel
 * @param {{dagId: string, context: object}} dag
 * @returns {Promise<() => void>} cleans up
 */
export async function showGraph(panel, { dagId, context }) {
  const { signal } = context;
  const canRuns = context.can("can_read", "DAG Runs", dagId);
  const readRuns = () => (canRuns ? get(["dags", dagId, "grid"], { query: { limit: RUNS }, signal }) : { runs: [] });
  const [tasks, first] = await Promise.all([readTasks(dagId, signal), readRuns()]);
  const about = h("aside", { class: "task-about", "aria-live": "polite" });
  const byId = new Map(tasks.map((task) => [task.task_id, task]));
  const chosen = (taskId) => {
    graph.mark(taskId);
    replace(about, aboutTask(dagId, byId.get(taskId), runs.current()));
  };
  const runs = runChoice();
  const graph = graphView(tasks, { chosen }, runs.element);
  runs.show(first.runs, graph.color);
  const hint = h("p", { class: "hint" }, "Choose a task in the graph to see more about it.");
  replace(panel, h("div", { class: "graph-and-about" }, graph.element, about));
  if (tasks.length > 0) replace(about, hint);
  const refresh = calmly(async () => runs.update((await readRuns()).runs), 2000);
  const unsubscribe = subscribe({ dagId }, refresh);
  return () => {
    unsubscribe();
    refresh.cancel();
  };
}

/** The runs whose states the graph may show; the newest one, until another is chosen. */
function runChoice() {
  const select = h("select", { on: { change: () => color() } });
  const element = h("label", { class: "choice run-choice" }, "Run", select);
  let [runs, paint] = [[], () => {}];
  const current = () => runs.find(({ id }) => String(id) === select.value) ?? null;
  const color = () => {
    const states = Object.entries(current()?.tasks ?? {}).map(([id, given]) => [id, instanceOf(given)]);
    paint(new Map(states));
  };
  const update = (next) => {
    const isNewest = select.value === "" || select.selectedIndex === 0;
    const chosen = isNewest ? String(next[0]?.id ?? "") : select.value;
    if (
      JSON.stringify(next.map(({ id, state }) => [id, state])) !==
      JSON.stringify(runs.map(({ id, state }) => [id, state]))
    ) {
      replace(
        select,
        next.map((run) => h("option", { value: run.id, selected: String(run.id) === chosen }, optionText(run))),
      );
    }
    runs = next;
    element.hidden = runs.length === 0;
    color();
  };
  const show = (first, drawStates) => {
    paint = drawStates;
    update(first);
  };
  return { element, current, update, show };
}

const optionText = (run) => `${dateOf(run) ? `${whenText(dateOf(run))} – ` : ""}${word(run.state)} – ${run.run_id}`;

function aboutTask(dagId, task, run) {
  const list = (ids) => (ids?.length ? ids.join(", ") : "–");
  const facts = [
    ["Operator", task.operator],
    ["Runs after", list(task.upstream_task_ids)],
    ["Before", list(task.downstream_task_ids)],
    ["Trigger rule", task.trigger_rule],
    ["Pool", task.pool],
    ["Retries", task.retries],
    ["Mapped", task.is_mapped ? "yes" : null],
    ["Documentation", task.doc],
  ];
  const hasAddress = run?.run_id && Object.hasOwn(run.tasks ?? {}, task.task_id);
  return [
    h("h2", null, task.task_id),
    factList(facts),
    hasAddress &&
      h(
        "p",
        null,
        link(["dags", dagId, "runs", run.run_id, "tasks", task.task_id], "This task in the run, with its log"),
      ),
  ];
}
