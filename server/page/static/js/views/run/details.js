/** All that the database says about a run, with its conf. */

import { h, replace } from "../../dom.js";
import { isView } from "../../router.js";
import { fullWhen } from "../../time.js";
import { factList } from "../facts.js";

/**
 * @param {HTMLElement} panel
 * @param {import("./data.js").RunData} data
 * @returns {() => void} cleans up
 */
export function showDetails(panel, data) {
  let drawn = "";
  const update = () => {
    const next = JSON.stringify(data.run);
    if (next === drawn) return;
    drawn = next;
    replace(panel, h("div", { class: "card" }, facts(data.run)), h("h2", null, "Conf"), confView(data.run));
  };
  update();
  return data.watch(update);
}

const facts = (run) =>
  factList([
    ["Run id", h("code", null, run.run_id)],
    ["Execution date", run.execution_date ? fullWhen(run.execution_date) : "none"],
    ["Type", typeOf(run)],
    ["Queued", run.queued_at && fullWhen(run.queued_at)],
    ["Started", run.start_date && fullWhen(run.start_date)],
    ["Ended", run.end_date && fullWhen(run.end_date)],
    [
      "Data interval",
      run.data_interval_start && [fullWhen(run.data_interval_start), " to ", fullWhen(run.data_interval_end)],
    ],
    ["Note", run.note],
    ["In Airflow", airflowLink(run.dag_run_url)],
  ]);

/**
 * @param {object} run
 * @returns {string | null} what began it; where the database does not say so, as the names of runs have it
 */
export function typeOf({ run_type: type, external_trigger: isManual, run_id: runId }) {
  if (type) return type;
  if (isManual) return "manual";
  if (isManual !== false) return null;
  return runId?.startsWith("backfill_") ? "backfill" : "scheduled";
}

/** Beside an Airflow: the run on its own page. Standalone, that address leads here. */
function airflowLink(url) {
  if (!/^https?:\/\//.test(url ?? "") || isView(url)) return null;
  return h("a", { href: url, target: "_blank", rel: "noopener" }, "Its page there");
}

/**
 * @param {object} run
 * @returns {HTMLElement}
 */
export function confView(run) {
  if (run.conf_error) return h("p", { class: "hint" }, `The conf cannot be shown: ${run.conf_error}`);
  if (isEmpty(run.conf)) return h("p", { class: "hint" }, "This run has no conf.");
  return h("pre", { tabindex: "0", class: "conf-shown" }, JSON.stringify(run.conf, null, 2));
}

/**
 * @param {unknown} conf
 * @returns {boolean}
 */
export const isEmpty = (conf) =>
  conf === null || conf === undefined || (typeof conf === "object" && Object.keys(conf).length === 0);
