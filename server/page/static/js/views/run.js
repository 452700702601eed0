/** A run of a DAG: its tasks as table, Gantt chart and graph, its conf, what one may do with it; or one of its tasks. */

import { h, link, replace } from "../dom.js";
import { notice } from "../failure.js";
import { badge } from "../states.js";
import { tabs } from "../tabs.js";
import { crumbs } from "./crumbs.js";
import { readTasks } from "./dag/read_tasks.js";
import { runActions } from "./run/actions.js";
import { RunData } from "./run/data.js";
import { showDetails } from "./run/details.js";
import { showGantt } from "./run/gantt.js";
import { showGraph } from "./run/graph_tab.js";
import { runSummary } from "./run/summary.js";
import { showTask } from "./run/task.js";
import { showTasks } from "./run/tasks.js";

/**
 * @param {HTMLElement} main
 * @param {{dagId: string, runId: string, taskId?: string}} params
 * @param {object} context see router.js
 * @returns {Promise<() => void>} cleans up
 */
export async function show(main, { dagId, runId, taskId }, context) {
  context.title(taskId ? `${taskId} – ${runId}` : runId);
  const data = new RunData(dagId, runId, context);
  try {
    const [tasks] = await Promise.all([
      data.mayReadTasks ? readTasks(dagId, context.signal).catch(() => []) : [],
      data.load(),
    ]);
    data.tasks = tasks;
    if (taskId !== undefined) await data.loadUntil(taskId);
    const cleanup =
      taskId === undefined ? showRun(main, data, tasks, context) : showTask(main, { data, taskId, tasks, context });
    const leave = () => {
      cleanup();
      data.stop();
    };
    data.whenGone = () => {
      leave();
      showGone(main, data);
    };
    return leave;
  } catch (error) {
    data.stop();
    throw error;
  }
}

function showRun(main, data, tasks, context) {
  const summary = runSummary(data);
  const actions = runActions(data, context);
  const parts = tabs({
    label: "Parts of the run",
    tabs: [
      { id: "tasks", title: "Tasks", show: (panel) => showTasks(panel, data, () => tasks) },
      { id: "gantt", title: "Gantt", show: (panel) => showGantt(panel, data) },
      data.mayReadTasks && { id: "graph", title: "Graph", show: (panel) => showGraph(panel, data, tasks) },
      { id: "details", title: "Details", show: (panel) => showDetails(panel, data) },
    ].filter(Boolean),
    current: context.query.get("tab"),
    changed: (tab) => context.setQuery({ tab }, { push: true }),
  });
  replace(
    main,
    crumbs([
      [[], "DAGs"],
      [["dags", data.dagId], data.dagId],
    ]),
    h("div", { class: "view-head" }, h("h1", null, data.run.run_id), actions),
    summary.element,
    parts.element,
  );
  const unwatch = data.watch(() => summary.update());
  return () => {
    unwatch();
    parts.cleanup();
  };
}

function showGone(main, data) {
  const { dagId, run } = data;
  const text = h("p", null, h("b", null, run.run_id), " was ", badge(run.state), " when this page saw it last.");
  replace(
    main,
    crumbs([
      [[], "DAGs"],
      [["dags", dagId], dagId],
    ]),
    notice({ heading: "h1", title: "This run was deleted", text, actions: link(["dags", dagId], `Runs of ${dagId}`) }),
  );
}
