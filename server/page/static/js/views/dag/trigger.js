/**
 * Triggers a run: a dialog with the DAG's params, the conf, the run's id and its date.
 *
 *   await openTrigger({ dagId, context })                  // reads the DAG, asks, triggers, and goes to the new run
 *   await openTrigger({ dagId, context, conf: run.conf })  // the same conf again
 */

import { send, text } from "../../api.js";
import { ask } from "../../dialog.js";
import { h } from "../../dom.js";
import { exactJson } from "../../exact_json.js";
import { setting } from "../../settings.js";
import { zoneName } from "../../time.js";
import { say } from "../../toast.js";
import { confEditor } from "./conf_editor.js";
import { isRequired, paramFields } from "./param_fields.js";

/** Which field an error is about, by its code. */
const FIELDS = {
  invalid_run_id: "runId",
  run_exists: "runId",
  invalid_date: "date",
  date_taken: "date",
  date_not_allowed: "date",
};

/**
 * @param {{dagId: string, context: object, conf?: unknown}} given `conf`: instead of the defaults of the params
 */
export async function openTrigger({ dagId, context, conf }) {
  const dag = exactJson((await text(["dags", dagId])).text);
  const form = triggerForm(dag, context.can("can_edit", "DAGs", dagId), conf);
  const run = await ask({
    title: `Trigger ${dagId}`,
    body: form.element,
    action: "Trigger",
    wide: true,
    submit: () => trigger(dagId, form),
  });
  if (run === null) return;
  say(`Triggered: ${run.run_id}`);
  await context.navigate(["dags", dagId, "runs", run.run_id]);
}

async function trigger(dagId, form) {
  form.clear();
  form.editor.check();
  try {
    // The text goes as it is: numbers with many digits would not survive JSON.parse.
    const body = { conf: form.editor.text().trim() || null, run_id: form.runId() || null, execution_date: form.date() };
    const run = await send("POST", ["dags", dagId, "dag_runs"], body);
    await unpause(dagId, form);
    return run;
  } catch (error) {
    form.markInvalid(FIELDS[error.code]);
    throw error;
  }
}

/** The run is there already, so what goes wrong now must not look as if it were not. */
async function unpause(dagId, form) {
  if (!form.unpauses()) return;
  try {
    await send("PATCH", ["dags", dagId], { is_paused: false });
  } catch (error) {
    say(`The run is there, but the DAG is still paused. ${error.message}`, "error");
  }
}

function triggerForm(dag, canUnpause, conf) {
  const params = dag.params ?? [];
  const fields = paramFields(params, (name, json) => (json === null ? editor.say() : editor.set(name, json)));
  const editor = confEditor(firstText(params, conf), fields.follow, fields.wrong);
  if (conf !== undefined) fields.follow(membersOf(conf));
  const runId = h("input", {
    type: "text",
    maxlength: "250",
    placeholder: "manual__ and the date",
    autocomplete: "off",
  });
  const date = h("input", { type: "datetime-local", step: "1" });
  const controls = { runId, date };
  const paused = dag.is_paused ? pausedNote(canUnpause) : null;
  const element = h(
    "div",
    { class: "trigger-form" },
    paused?.element,
    params.length > 0 && fields.element,
    editor.element,
    h(
      "div",
      { class: "field-pair" },
      h("label", { class: "field" }, h("span", null, "Run id (optional)"), runId),
      h("label", { class: "field" }, h("span", null, `Execution date (optional, ${zoneName()})`), date),
    ),
  );
  return {
    element,
    editor,
    runId: () => runId.value,
    date: () => isoOf(date.value),
    unpauses: () => paused?.isChecked() ?? false,
    markInvalid: (name) => controls[name]?.setAttribute("aria-invalid", "true"),
    clear: () => {
      for (const control of Object.values(controls)) control.removeAttribute("aria-invalid");
    },
  };
}

function firstText(params, conf) {
  if (conf !== undefined && conf !== null) return JSON.stringify(conf, null, 2);
  if (params.length === 0 || conf === null) return "{}";
  const known = params.filter((param) => !isRequired(param)).map(({ name, value }) => [name, value]);
  return known.length === 0 ? "{}" : JSON.stringify(Object.fromEntries(known), null, 2);
}

const membersOf = (conf) =>
  Object.fromEntries(Object.entries(conf ?? {}).map(([name, value]) => [name, JSON.stringify(value)]));

function pausedNote(canUnpause) {
  const box = h("input", { type: "checkbox", checked: true });
  const text = "This DAG is paused: the run waits until the DAG is active.";
  const element = h(
    "div",
    { class: "note" },
    h("p", null, text),
    canUnpause &&
      h("label", { class: "field-check" }, box, h("span", null, "Make the DAG active, so that the run begins")),
  );
  return { element, isChecked: () => canUnpause && box.checked };
}

/** What the field has is a time in the zone in which this reader sees times. */
function isoOf(value) {
  if (value === "") return null;
  return new Date(setting("zone") === "utc" ? `${value}Z` : value).toISOString().replace(".000Z", "Z");
}
