/** What one may do with a run or a task: each question says first what will happen. */

import { send } from "../../api.js";
import { ask } from "../../dialog.js";
import { h, replace } from "../../dom.js";
import { badge } from "../../states.js";
import { say } from "../../toast.js";
import { nameOf } from "./order.js";

const MOST_LISTED = 40;

/**
 * Asks, does it, and shows in the dialog what the server says if it cannot be done.
 * @template T
 * @param {{title: string, text: import("../../dom.js").Child, action: string, danger?: boolean, run: () => Promise<T>,
 *   done: (answer: T) => string}} step
 * @returns {Promise<T | null>} the answer; null if it was cancelled
 */
export async function askAndDo({ title, text, action, danger = false, run, done }) {
  const answer = await ask({ title, body: h("div", { class: "dialog-text" }, text), action, danger, submit: run });
  if (answer !== null) say(done(answer));
  return answer;
}

/**
 * Asks which tasks are to run again, with a list of them, and clears them.
 * @param {{path: string[], title: string, text: string, options: Option[], bodyOf: (chosen: Record<string, boolean>) => object,
 *   order: (instances: object[]) => object[]}} given `path` of the run; `bodyOf` makes the body of the request;
 *   `order` of the list
 * @typedef {{name: string, label: string, checked: boolean}} Option a box to tick
 * @returns {Promise<object | null>} the server's answer; null if it was cancelled
 */
export async function askAndClear({ path, title, text, options, bodyOf, order }) {
  const boxes = options.map(({ name, label, checked }) => {
    const box = h("input", { type: "checkbox", checked, on: { change: () => preview() } });
    return { name, box, element: h("label", { class: "field-check" }, box, h("span", null, label)) };
  });
  const list = h("div", { class: "preview", role: "status" });
  const chosen = () => Object.fromEntries(boxes.map(({ name, box }) => [name, box.checked]));
  const clear = (dryRun) => send("POST", [...path, "clear"], { ...bodyOf(chosen()), dry_run: dryRun });
  let turn = 0;

  async function preview() {
    turn += 1;
    const mine = turn;
    const shown = await clear(true).then(
      ({ task_instances: all }) => listOf(order(all)),
      (error) => h("p", { class: "form-error" }, error.message),
    );
    if (mine === turn) replace(list, shown);
  }

  preview();
  const body = [h("p", null, text), boxes.map(({ element }) => element), list];
  const answer = await ask({ title, body, action: "Clear, and run again", submit: () => clearSome(clear) });
  if (answer !== null) say(`${counted(answer.task_instances.length)} will run again.`);
  return answer;
}

async function clearSome(clear) {
  const answer = await clear(false);
  if (answer.task_instances.length === 0) throw new Error("There is nothing to run again.");
  return answer;
}

const counted = (count) => (count === 1 ? "1 task" : `${count.toLocaleString("en")} tasks`);

function listOf(instances) {
  if (instances.length === 0) return h("p", null, "Nothing would run again.");
  const shown = instances.slice(0, MOST_LISTED);
  const more = instances.length - shown.length;
  return [
    h("p", null, h("b", null, counted(instances.length)), instances.length === 1 ? " runs again:" : " run again:"),
    h(
      "ul",
      { class: "preview-list", tabindex: "0" },
      shown.map((instance) => h("li", null, h("span", null, nameOf(instance)), badge(instance.state))),
      more > 0 && h("li", null, `and ${more.toLocaleString("en")} more`),
    ),
  ];
}
