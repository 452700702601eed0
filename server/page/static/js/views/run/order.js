/** The order of a run's tasks: as they follow each other in the DAG, or by name where that is not known. */

/**
 * @param {object[]} instances
 * @param {object[]} tasks those of the DAG, in order; empty if they are not known
 * @returns {object[]} the instances in the order of the tasks, those of a mapped task by their index
 */
export function inOrder(instances, tasks) {
  const places = new Map(tasks.map(({ task_id: id }, place) => [id, place]));
  const place = ({ task_id: id }) => places.get(id) ?? places.size;
  return instances.toSorted(
    (one, other) =>
      place(one) - place(other) || one.task_id.localeCompare(other.task_id) || one.map_index - other.map_index,
  );
}

/**
 * @param {{task_id: string, map_index: number}} instance
 * @returns {string} for people: "extract", "extract [3]"
 */
export const nameOf = ({ task_id: id, map_index: index }) => (index >= 0 ? `${id} [${index}]` : id);

/**
 * @param {string} dagId
 * @param {string} runId
 * @param {{task_id: string, map_index: number}} instance
 * @returns {[string[], Record<string, unknown>]} segments and query of its address
 */
export const placeOf = (dagId, runId, { task_id: id, map_index: index }) => [
  ["dags", dagId, "runs", runId, "tasks", id],
  { map_index: index >= 0 ? index : undefined },
];
