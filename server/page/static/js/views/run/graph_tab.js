/** The graph of a run's tasks, with their states. */

import { address } from "../../address.js";
import { replace } from "../../dom.js";
import { graphView } from "../dag/graph.js";

/**
 * @param {HTMLElement} panel
 * @param {import("./data.js").RunData} data
 * @param {object[]} tasks those of the DAG, in order
 * @returns {() => void} cleans up
 */
export function showGraph(panel, data, tasks) {
  const hrefOf = (taskId) => address(["dags", data.dagId, "runs", data.run.run_id, "tasks", taskId]);
  const graph = graphView(tasks, { hrefOf });
  const update = () => graph.color(statesOf(data.instances));
  replace(panel, graph.element);
  update();
  return data.watch(update);
}

/** A mapped task is one box: with the state of the instance that is worst off, and the number of all. */
function statesOf(instances) {
  const states = new Map();
  for (const { task_id: id, state, map_index: index } of instances) {
    const known = states.get(id) ?? { state, mapped: index >= 0 ? {} : null };
    if (rank(state) < rank(known.state)) known.state = state;
    if (known.mapped) known.mapped[state ?? "none"] = (known.mapped[state ?? "none"] ?? 0) + 1;
    states.set(id, known);
  }
  return states;
}

const WORST = ["failed", "upstream_failed", "running", "up_for_retry", "queued", "scheduled"];
const rank = (state) => (WORST.indexOf(state) + WORST.length + 1) % (WORST.length + 1);
