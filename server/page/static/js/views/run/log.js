/**
 * The log of a task: of each try, followed while the task is running, with search and download.
 *
 *   const log = taskLog({ path, instance })     log.element;  log.update(instance);  log.stop()
 */

import { apiAddress } from "../../address.js";
import { bytes } from "../../api.js";
import { h, replace } from "../../dom.js";
import { notice } from "../../failure.js";
import { word } from "../../states.js";
import { logControls } from "./log_controls.js";
import { logView } from "./log_view.js";
import { LogWindow } from "./log_window.js";

/** How often a log is looked at while it may grow, in milliseconds. */
const PAUSE = 1000;
const GROWING = new Set(["running", "queued", "restarting", "up_for_reschedule", "deferred", "sensing", "shutdown"]);

/**
 * @param {{path: string[], instance: object, signal: AbortSignal}} given `path` of the log in the API
 */
export function taskLog({ path, instance: first, signal }) {
  const place = h("div", { class: "log-place" });
  const tries = trySelect(() => open());
  const download = h("a", { class: "button small", download: "" }, "Download");
  const controls = logControls();
  const element = h("section", { class: "task-log", "aria-labelledby": "log-title" }, [
    h("div", { class: "toolbar" }, h("h2", { id: "log-title" }, "Log"), tries.element, controls.element, download),
    place,
  ]);
  let instance = first;
  let view = null;
  let timer = null;

  const query = () => ({
    try_number: tries.value(),
    map_index: instance.map_index >= 0 ? instance.map_index : undefined,
  });
  const read = (part) => {
    const headers = part.range ? { Range: `bytes=${part.range[0]}-${part.range[1]}` } : {};
    return bytes(path, { query: { ...query(), tail: part.tail }, headers, signal });
  };

  async function open() {
    clearTimeout(timer);
    download.href = apiAddress(path, query());
    download.setAttribute("download", `${instance.task_id}.${tries.value() ?? "last"}.log`);
    const log = new LogWindow(read);
    const opened = logView(log, { raw: controls.isRaw, drawn: controls.drawn });
    view = opened;
    controls.use(opened);
    try {
      await opened.toEnd();
      if (view !== opened) return;
      show(opened, log);
    } catch (error) {
      if (error.name === "AbortError" || view !== opened) return;
      view = null;
      showMissing(error);
    }
    later();
  }

  function show(opened, log) {
    for (const each of [download, controls.element]) each.hidden = false;
    replace(place, opened.element, log.size === 0 ? h("p", { class: "hint" }, "The log is empty.") : null);
    opened.element.scrollTo(0, opened.element.scrollHeight);
  }

  function showMissing(error) {
    for (const each of [download, controls.element]) each.hidden = true;
    if (place.dataset.says === error.message) return;
    replace(place, missing(error, instance));
  }

  function later() {
    clearTimeout(timer);
    if (!signal.aborted && GROWING.has(instance.state)) timer = setTimeout(look, PAUSE);
  }

  async function look() {
    if (document.hidden) return document.addEventListener("visibilitychange", look, { once: true, signal });
    if (view === null) return open();
    await view.follow().catch(() => {});
    return later();
  }

  tries.update(instance);
  open();
  return {
    element,
    update: (next) => {
      const [before, isNewTry] = [instance, tries.update(next)];
      instance = next;
      if (isNewTry || view === null) open();
      // What it has written at its end is read once more.
      else if (before.state !== next.state) look();
    },
    stop: () => {
      clearTimeout(timer);
      view?.finder.clear();
    },
  };
}

/** The tries that a task has had; follows the last one, unless an older one is chosen. */
function trySelect(changed) {
  const select = h("select", { on: { change: changed } });
  const element = h("label", { class: "choice" }, "Try", select);
  let last = 0;
  return {
    element,
    value: () => (select.value === "" ? undefined : Number(select.value)),
    update: (instance) => {
      const count = triesOf(instance);
      if (count === last) return false;
      const follows = select.value === "" || Number(select.value) === last;
      const chosen = follows ? count : Number(select.value);
      const all = Array.from({ length: count }, (_, place) => place + 1);
      replace(
        select,
        all.map((each) => h("option", { value: each, selected: each === chosen }, `${each} of ${count}`)),
      );
      element.hidden = count < 2;
      last = count;
      return follows;
    },
  };
}

/** A task that waits has, in some releases, the number of its next try already. */
function triesOf({ try_number: number, state, start_date: start }) {
  const isWaiting = state === null || state === "scheduled" || state === "queued";
  return Math.max(0, Math.min(1000, (number ?? 0) - (isWaiting && start === null ? 1 : 0)));
}

function missing(error, instance) {
  const waits = (instance.waits_for ?? []).map((reason) => h("li", null, reason));
  const isWaiting = triesOf(instance) === 0;
  return notice({
    title: isWaiting ? "This task has not begun" : "There is no log to show",
    text: [
      isWaiting ? h("p", null, `Its state is: ${word(instance.state)}.`) : h("p", null, error.message),
      waits.length > 0 && h("div", null, h("p", null, "It waits, because"), h("ul", null, waits)),
    ],
  });
}
