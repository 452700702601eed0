/** One task of a run: its state, why it waits, what one may do with it, and its log. */

import { address } from "../../address.js";
import { h, replace, setText } from "../../dom.js";
import { notice } from "../../failure.js";
import { badge, shape, stateClass, word } from "../../states.js";
import { duration, when } from "../../time.js";
import { crumbs } from "../crumbs.js";
import { taskActions } from "./actions.js";
import { TaskLog } from "./log.js";
import { inOrder, nameOf, placeOf } from "./order.js";
import { hasBegun, triesText } from "./tries.js";

const item = (name, value) =>
  h("div", { class: "summary-item" }, h("span", { class: "summary-name" }, name), h("span", null, value));

/**
 * @param {HTMLElement} main
 * @param {{data: import("./data.js").RunData, taskId: string, tasks: object[], context: object}} given
 * @returns {() => void} cleans up
 */
export function showTask(main, { data, taskId, tasks, context }) {
  const { dagId, run } = data;
  // Which instance it is does not change by itself while one looks at it.
  let wanted = context.query.get("map_index");
  const current = () => {
    const instance = instanceOf(data, taskId, wanted);
    wanted ??= instance && String(instance.map_index);
    return instance;
  };
  const above = crumbs([
    [[], "DAGs"],
    [["dags", dagId], dagId],
    [["dags", dagId, "runs", run.run_id], run.run_id],
  ]);
  const title = h("h1", null, taskId);
  if (current() === null) {
    replace(main, above, title, noInstance(data, taskId));
    return data.watch(() => current() !== null && context.reload());
  }
  const others = taskNav(data, tasks, taskId);
  const facts = h("div", { class: "summary" });
  const waits = h("div", { class: "note", hidden: true });
  const actions = taskActions(data, current, context);
  const log = context.can("can_read", "Task Logs", dagId)
    ? new TaskLog([...data.path, "tasks", taskId, "logs"], current(), context)
    : null;
  const choice = mapChoice(data, taskId, context);
  const head = h("div", { class: "view-head" }, title, actions);
  const closed = log === null && notice({ title: "You may not read the logs of this DAG" });
  const body = h("div", { class: "task-main stack" }, head, choice.element, facts, waits, log?.element ?? closed);
  replace(
    main,
    above,
    h("div", { class: ["task-view", others.isUseful && "has-nav"] }, others.isUseful && others.element, body),
  );

  function update() {
    const instance = current();
    if (instance === null) return context.reload();
    setText(title, nameOf(instance));
    context.title(`${nameOf(instance)} – ${run.run_id}`);
    drawFacts(facts, instance);
    drawWaits(waits, instance);
    others.update();
    choice.update(instance);
    return log?.update(instance);
  }

  update();
  const unwatch = data.watch(update);
  return () => {
    unwatch();
    log?.stop();
  };
}

/** A mapped task has several instances: the address says which one, or it is the first that is not well. */
function instanceOf(data, taskId, wanted) {
  const all = data.of(taskId);
  if (wanted !== null) return all.find(({ map_index: index }) => String(index) === wanted) ?? null;
  return all.find(({ state }) => state === "failed") ?? all[0] ?? null;
}

function noInstance(data, taskId) {
  if (!data.mayReadTasks) return notice({ title: "You may not see the tasks of this run" });
  const text = data.isEnded
    ? "This run has no task of this name."
    : "The scheduler has not made it yet. It appears here by itself.";
  return notice({ title: `No task ${taskId}`, text: h("p", null, text) });
}

function drawFacts(place, instance) {
  const next = JSON.stringify(instance);
  if (place.dataset.drawn === next) return;
  place.dataset.drawn = next;
  const [start, end] = hasBegun(instance) ? [instance.start_date, instance.end_date] : [null, null];
  replace(place, [
    item("State", badge(instance.state)),
    item("Started", when(start)),
    item("Took", duration(start, end)),
    item("Try", triesText(instance)),
    instance.operator && item("Operator", instance.operator),
    instance.pool && item("Pool", instance.pool),
    instance.queue && instance.queue !== "default" && item("Queue", instance.queue),
    instance.hostname && item("Host", instance.hostname),
  ]);
}

function drawWaits(place, { waits_for: reasons }) {
  place.hidden = !reasons?.length;
  if (place.hidden) return;
  replace(
    place,
    h("p", null, h("b", null, "This task waits, because")),
    h(
      "ul",
      null,
      reasons.map((reason) => h("li", null, reason)),
    ),
  );
}

/** The other tasks of the run, to go from one to the next. */
function taskNav(data, tasks, taskId) {
  const list = h("ul");
  const element = h("nav", { class: "task-nav", "aria-label": "Tasks of this run" }, list);
  let drawn = "";
  const update = () => {
    const all = worstOfEach(inOrder(data.instances, tasks));
    const next = JSON.stringify(all.map(({ task_id: id, state }) => [id, state]));
    if (next === drawn) return;
    drawn = next;
    replace(
      list,
      all.map((instance) => navItem(data, instance, taskId)),
    );
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  };
  update();
  return { element, update, isUseful: list.childElementCount > 1 };
}

/** One instance of each task: of a mapped one the first that failed, or else its first. */
function worstOfEach(instances) {
  const shown = new Map();
  for (const instance of instances) {
    const other = shown.get(instance.task_id);
    if (!other || (instance.state === "failed" && other.state !== "failed")) shown.set(instance.task_id, instance);
  }
  return [...shown.values()];
}

function navItem(data, instance, taskId) {
  const href = address(...placeOf(data.dagId, data.run.run_id, instance));
  const isCurrent = instance.task_id === taskId;
  return h(
    "li",
    null,
    h(
      "a",
      {
        href,
        class: stateClass(instance.state),
        title: `${instance.task_id}: ${word(instance.state)}`,
        "aria-current": isCurrent && "page",
      },
      shape(instance.state),
      h("span", null, instance.task_id),
      h("span", { class: "unseen" }, word(instance.state)),
    ),
  );
}

function mapChoice(data, taskId, context) {
  const select = h("select", {
    on: {
      change: () => {
        const [path, query] = placeOf(data.dagId, data.run.run_id, {
          task_id: taskId,
          map_index: Number(select.value),
        });
        context.navigate(address(path, query));
      },
    },
  });
  const element = h("label", { class: "choice" }, "Instance", select);
  const update = (instance) => {
    const all = data.of(taskId);
    element.hidden = all.length < 2;
    const next = JSON.stringify(all.map(({ map_index: index, state }) => [index, state]));
    if (select.dataset.drawn === next || document.activeElement === select) return;
    select.dataset.drawn = next;
    replace(
      select,
      all.map(({ map_index: index, state }) =>
        h("option", { value: index, selected: index === instance.map_index }, `${index}: ${word(state)}`),
      ),
    );
  };
  return { element, update };
}
