/** The buttons of a run and of a task: stop, clear, mark, delete, trigger again. Each is there only if it can be done. */

import { send } from "../../api.js";
import { h } from "../../dom.js";
import { say } from "../../toast.js";
import { openTrigger } from "../dag/trigger.js";
import { inOrder, nameOf } from "./order.js";
import { askAndClear, askAndDo } from "./steering.js";
import { hasBegun } from "./tries.js";

/** What has begun, and is ended if the run is stopped. */
const UNDER_WAY = new Set(["running", "queued", "deferred", "sensing", "restarting", "up_for_reschedule"]);

/**
 * @param {import("./data.js").RunData} data
 * @param {object} context see router.js
 * @returns {HTMLElement}
 */
export function runActions(data, context) {
  const may = mayOf(data.dagId, context);
  const hasFailed = () => data.run.state === "failed";
  return bar(data, [
    { text: "Stop…", may: may.editRun, when: () => !data.isEnded, click: () => stop(data) },
    {
      text: "Clear and retry…",
      may: may.editTasks,
      when: () => data.total > 0,
      isMain: hasFailed,
      click: () => clear(data),
    },
    {
      text: "Mark success…",
      may: may.editRun,
      when: () => data.run.state !== "success",
      click: () => mark(data, "success"),
    },
    {
      text: "Mark failed…",
      may: may.editRun,
      when: () => data.run.state === "success",
      click: () => mark(data, "failed"),
    },
    { text: "Trigger again…", may: may.trigger, click: () => again(data, context) },
    { text: "Delete…", may: may.deleteRun, click: () => remove(data, context) },
  ]);
}

/**
 * @param {import("./data.js").RunData} data
 * @param {() => object} instance the task instance that is shown now
 * @param {object} context see router.js
 * @returns {HTMLElement}
 */
export function taskActions(data, instance, context) {
  const may = mayOf(data.dagId, context).editTasks;
  const isNot = (state) => () => instance().state !== state;
  const hasFailed = () => instance().state === "failed";
  return bar(data, [
    { text: "Clear and retry…", may, isMain: hasFailed, click: () => clearTask(data, instance()) },
    { text: "Mark success…", may, when: isNot("success"), click: () => markTask(data, instance(), "success") },
    { text: "Mark failed…", may, when: isNot("failed"), click: () => markTask(data, instance(), "failed") },
  ]);
}

function mayOf(dagId, { can }) {
  const editDag = can("can_edit", "DAGs", dagId);
  const editRun = editDag && can("can_edit", "DAG Runs", dagId);
  return {
    editRun,
    editTasks: editDag && can("can_edit", "Task Instances", dagId) && (editRun || can("can_clear", "DAG Runs", dagId)),
    deleteRun: editDag && can("can_delete", "DAG Runs", dagId),
    trigger: editDag && can("can_create", "DAG Runs", dagId),
  };
}

/** What the user may not do is not there; what cannot be done now is hidden. */
function bar(data, actions) {
  const buttons = actions
    .filter(({ may }) => may)
    .map(({ text, click, when = () => true, isMain = () => false }) => {
      const run = () => done(data, click).catch((error) => error.name !== "AbortError" && say(error.message, "error"));
      return { element: h("button", { type: "button", class: "button", on: { click: run } }, text), when, isMain };
    });
  const update = () => {
    for (const { element, when, isMain } of buttons) {
      element.classList.toggle("primary", isMain());
      const hides = !when();
      // The focus does not fall to the page's start if its button goes.
      if (hides && element === document.activeElement) document.querySelector("h1")?.focus({ preventScroll: true });
      element.hidden = hides;
    }
  };
  update();
  data.watch(update);
  return h(
    "div",
    { class: "row actions-bar" },
    buttons.map(({ element }) => element),
  );
}

/** What could not be done tells, too, that the run is another one now, or was deleted. */
async function done(data, click) {
  await click();
  if (!data.signal.aborted) await data.reload();
}

async function stop(data) {
  const busy = data.instances.filter(({ state }) => UNDER_WAY.has(state)).length;
  const waiting = data.instances.filter(
    ({ state }) => state === null || state === "scheduled" || state === "up_for_retry",
  ).length;
  await askAndDo({
    title: "Stop this run?",
    text: [
      h(
        "p",
        null,
        `${counted(busy, "task is", "tasks are")} ended, and ${counted(waiting, "task does", "tasks do")} not begin.`,
      ),
      h("p", null, "The run is then failed. You may clear it later, to run its tasks again."),
    ],
    action: "Stop the run",
    danger: true,
    run: () => send("PATCH", data.path, { state: "failed" }),
    done: () => "The run is stopped.",
  });
}

async function mark(data, state) {
  const others = data.isEnded ? "" : " Tasks under way are ended, and those that have not begun do not run.";
  await askAndDo({
    title: `Mark this run as ${state}?`,
    text: h("p", null, `Its state becomes ${state}.${others}`),
    action: `Mark as ${state}`,
    run: () => send("PATCH", data.path, { state }),
    done: () => `The run is marked as ${state}.`,
  });
}

async function clear(data) {
  const hasFailed = data.instances.some(({ state }) => state === "failed" || state === "upstream_failed");
  await askAndClear({
    path: data.path,
    title: "Run tasks of this run again?",
    text: "Clearing gives tasks another try. The run is under way again.",
    options: [
      { name: "only_failed", label: "Only what failed, or did not run because others failed", checked: hasFailed },
    ],
    bodyOf: (chosen) => chosen,
    order: (instances) => inOrder(instances, data.tasks),
  });
}

async function clearTask(data, instance) {
  const mapped = instance.map_index >= 0 ? " All instances of this mapped task are cleared." : "";
  await askAndClear({
    path: data.path,
    title: `Run ${instance.task_id} again?`,
    text: `Clearing gives the task another try. The run is under way again.${mapped}`,
    options: [
      { name: "downstream", label: "Also the tasks after it", checked: true },
      { name: "only_failed", label: "Of these, only what failed or did not run because others failed", checked: false },
    ],
    bodyOf: (chosen) => ({ ...chosen, task_ids: [instance.task_id] }),
    order: (instances) => inOrder(instances, data.tasks),
  });
}

async function markTask(data, instance, state) {
  await askAndDo({
    title: `Mark ${nameOf(instance)} as ${state}?`,
    text: h("p", null, textOfMark(data, instance, state)),
    action: `Mark as ${state}`,
    run: () =>
      send(
        "PATCH",
        [...data.path, "tasks", instance.task_id],
        { state },
        { query: { map_index: instance.map_index >= 0 ? instance.map_index : undefined } },
      ),
    done: () => `${nameOf(instance)} is marked as ${state}.`,
  });
}

function textOfMark({ isEnded }, instance, state) {
  const ends = UNDER_WAY.has(instance.state) ? "It is ended. " : "";
  const done = hasBegun(instance) ? "whatever it has done" : "and it does not run";
  const next =
    state === "success" ? "Tasks after it may then begin." : "Tasks after it that have not begun may not run.";
  return `${ends}Its state becomes ${state}, ${done}. ${isEnded ? "The other tasks stay as they are." : next}`;
}

const again = (data, context) => openTrigger({ dagId: data.dagId, context, conf: data.run.conf });

async function remove(data, context) {
  const running = data.isEnded ? "" : " It is under way: its tasks are ended.";
  const answer = await askAndDo({
    title: "Delete this run?",
    text: [
      h("p", null, h("b", null, data.run.run_id)),
      h(
        "p",
        null,
        `The run and its ${counted(data.total, "task", "tasks")} are deleted.${running} Nobody can undo this.`,
      ),
    ],
    action: "Delete the run",
    danger: true,
    run: () => send("DELETE", data.path),
    done: () => "The run is deleted.",
  });
  if (answer !== null) await context.navigate(["dags", data.dagId], { replace: true });
}

const counted = (count, one, many) => (count === 1 ? `1 ${one}` : `${count.toLocaleString("en")} ${many}`);
