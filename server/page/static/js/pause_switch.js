/** The switch that pauses a DAG: on means that its runs begin. Who may not use it sees how it stands. */

import { send } from "./api.js";
import { h } from "./dom.js";
import { can } from "./permissions.js";
import { announce, say } from "./toast.js";

/**
 * @param {{dag_id: string, is_paused: boolean | null}} dag
 * @param {(isPaused: boolean) => void} [changed] hears of what the server has done
 * @returns {HTMLElement}
 */
export function pauseSwitch(dag, changed = () => {}) {
  const control = h("button", {
    type: "button",
    role: "switch",
    class: "switch",
    "aria-label": `${dag.dag_id} is active`,
    disabled: !can("can_edit", "DAGs", dag.dag_id),
    on: { click: () => setPaused(dag, control, changed) },
  });
  show(control, dag.is_paused);
  if (control.disabled) control.title = `${dag.is_paused ? "Paused" : "Active"}. You may not change this DAG`;
  return control;
}

function show(control, isPaused) {
  control.setAttribute("aria-checked", String(!isPaused));
  control.title = isPaused ? "Paused: its runs wait. Switch on to let them run" : "Active. Switch off to pause it";
}

async function setPaused(dag, control, changed) {
  const isPaused = control.getAttribute("aria-checked") === "true";
  if (control.getAttribute("aria-busy")) return;
  control.setAttribute("aria-busy", "true");
  try {
    await send("PATCH", ["dags", dag.dag_id], { is_paused: isPaused });
    show(control, isPaused);
    announce(isPaused ? `${dag.dag_id} is paused` : `${dag.dag_id} is active`);
    changed(isPaused);
  } catch (error) {
    say(`${dag.dag_id}: ${error.message}`, "error");
  } finally {
    control.removeAttribute("aria-busy");
  }
}
