/** The tasks of a DAG. */

import { get } from "../../api.js";

/**
 * @param {string} dagId
 * @param {AbortSignal} signal
 * @returns {Promise<object[]>} in the order in which they run; throws ApiError
 */
export async function readTasks(dagId, signal) {
  return withUpstream(await get(["dags", dagId, "tasks"], { query: { details: true }, signal }));
}

/** Whoever does not say what a task runs after says what runs after it. */
function withUpstream(tasks) {
  return tasks.map((task) => ({
    ...task,
    upstream_task_ids:
      task.upstream_task_ids ??
      tasks.filter(({ downstream_task_ids: ids }) => ids.includes(task.task_id)).map(({ task_id: id }) => id),
  }));
}
