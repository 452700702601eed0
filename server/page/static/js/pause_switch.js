/** The switch that pauses a DAG: on means that its runs begin. Who may not use it sees how it stands. */

import { send } from "./api.js";
import { h } from "./dom.js";
import { can } from "./permissions.js";
import { say } from "./toast.js";

/**
 * @param {{dag_id: string, is_paused: boolean | null}} dag
 * @param {(isPaused: boolean) => void} [changed] hears of what the server has done
 * @returns {HTMLElement}
 */
export function pauseSwitch(dag, changed = () => {}) {
  const element = h("button", {
    type: "button",
    class: "switch",
    role: "switch",
    "aria-checked": String(!dag.is_paused),
    "aria-label": `${dag.dag_id} is active`,
    title: dag.is_paused ? "Paused: no run begins" : "Active: runs begin",
    disabled: !can("can_edit", "DAGs", dag.dag_id),
  });
  element.addEventListener("click", async () => {
    const wanted = element.getAttribute("aria-checked") === "true";
    element.setAttribute("aria-busy", "true");
    try {
      await send("PATCH", ["dags", dag.dag_id], { is_paused: wanted });
      element.setAttribute("aria-checked", String(!wanted));
      element.title = wanted ? "Paused: no run begins" : "Active: runs begin";
      changed(wanted);
    } catch (error) {
      say(error.message, "error");
    } finally {
      element.removeAttribute("aria-busy");
    }
  });
  return element;
}
