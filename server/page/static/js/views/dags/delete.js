/** Deletes what is left of a DAG whose file is gone. While the file is there, the DAG would only come back. */

import { send } from "../../api.js";
import { h } from "../../dom.js";
import { say } from "../../toast.js";

/**
 * @param {{ dag_id: string, is_active: boolean | null }} dag
 * @param {import("../../router.js").Context} context
 * @param {string} look classes of the button
 * @param {() => unknown} deleted is called when it is done
 * @returns {HTMLElement | null} null where it is not offered
 */
export function deleteButton(dag, context, look, deleted) {
  if (dag.is_active !== false || !context.can("can_delete", "DAGs", dag.dag_id)) return null;
  const click = async () => {
    if (await remove(dag.dag_id)) await deleted();
  };
  const label = `Delete ${dag.dag_id}`;
  return h("button", { type: "button", class: ["button", look], "aria-label": label, on: { click } }, "Delete…");
}

async function remove(dagId) {
  // Few look for it, and the list of DAGs is there sooner without it.
  const { ask } = await import("../../dialog.js");
  const done = await ask({
    title: `Delete the DAG ${dagId}?`,
    body: h(
      "div",
      { class: "dialog-text" },
      h("p", null, "All its runs and what is known of their tasks are deleted with it. This cannot be undone."),
      h("p", null, "The files of its tasks' logs stay. If its file comes back, the DAG does too, without these runs."),
    ),
    action: "Delete the DAG",
    danger: true,
    submit: () => send("DELETE", ["dags", dagId]),
  });
  if (done) say(`The DAG ${dagId} is deleted.`);
  return done !== null;
}
