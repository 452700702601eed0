/** The graph of a run's tasks, with their states. */

import { address } from "../../address.js";
import { replace } from "../../dom.js";
import { graphView } from "../dag/graph.js";
import { worstOf } from "../mapped.js";

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

/** A mapped task is one box. */
function statesOf(instances) {
  const states = new Map();
  for (const { task_id: id, state, map_index: index } of instances) {
    if (index < 0) states.set(id, { state, mapped: null });
    else count(states, id, state ?? "none");
  }
  return states;
}

function count(states, id, state) {
  const mapped = { ...states.get(id)?.mapped };
  mapped[state] = (mapped[state] ?? 0) + 1;
  states.set(id, { state: worstOf(mapped), mapped });
}
