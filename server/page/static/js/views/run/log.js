/**
 * The log of a task: of each try, followed while the task is running, with search and download.
 *
 *   const log = new TaskLog(path, instance, context)    log.element;  log.update(instance);  log.stop()
 */

import { apiAddress } from "../../address.js";
import { bytes } from "../../api.js";
import { h, replace } from "../../dom.js";
import { notice } from "../../failure.js";
import { word } from "../../states.js";
import { logControls } from "./log_controls.js";
import { LogView } from "./log_view.js";
import { LogWindow } from "./log_window.js";
import { triesOf, trySelect } from "./tries.js";

/** How often a log is looked at while it may grow, in milliseconds. */
const PAUSE = 1000;
const GROWING = new Set(["running", "queued", "restarting", "up_for_reschedule", "deferred", "sensing", "shutdown"]);

export class TaskLog {
  /**
   * @param {string[]} path of the log in the API
   * @param {object} instance of the task
   * @param {object} context see router.js; the address has the try that is shown, if it is not the last one
   */
  constructor(path, instance, context) {
    this.path = path;
    this.instance = instance;
    this.signal = context.signal;
    this.view = null;
    this.timer = null;
    this.tries = trySelect(Number(context.query.get("try")), () => {
      const { map_index: index } = this.query;
      context.setQuery({ map_index: index, try: this.tries.isLast() ? undefined : this.tries.value() });
      this.open();
    });
    this.download = h("a", { class: "button small", download: "" }, "Download");
    this.controls = logControls(this.download);
    this.place = h("div", { class: "log-place" });
    const title = h("h2", { id: "log-title" }, "Log");
    const bar = h("div", { class: "toolbar log-bar" }, title, this.tries.element, this.controls.element);
    this.element = h("section", { class: "task-log", "aria-labelledby": "log-title" }, bar, this.place);
    this.tries.update(instance);
    this.open();
  }

  /** @param {object} next the task instance as it is now */
  update(next) {
    const before = this.instance;
    this.instance = next;
    const isNewTry = this.tries.update(next);
    if (isNewTry || (this.view === null && before.state !== next.state)) this.open();
    // What the task wrote at its end is read, too.
    else if (before.state !== next.state) this.look();
  }

  stop() {
    clearTimeout(this.timer);
    this.view?.finder.clear();
  }

  get query() {
    const { map_index: index } = this.instance;
    return { try_number: this.tries.value(), map_index: index >= 0 ? index : undefined };
  }

  read({ range, tail }) {
    const headers = range ? { Range: `bytes=${range[0]}-${range[1]}` } : {};
    return bytes(this.path, { query: { ...this.query, tail }, headers, signal: this.signal });
  }

  async open() {
    clearTimeout(this.timer);
    this.download.href = apiAddress(this.path, this.query);
    this.download.setAttribute("download", `${this.instance.task_id}.${this.tries.value() ?? "last"}.log`);
    const view = new LogView(new LogWindow((part) => this.read(part)), this.controls);
    this.view = view;
    this.controls.use(view);
    if (hasNotBegun(this.instance)) {
      this.view = null;
      this.showMissing(null);
      return;
    }
    try {
      await view.toEnd();
      if (this.view === view) this.show(view);
    } catch (error) {
      if (error.name === "AbortError" || this.view !== view) return;
      this.view = null;
      this.showMissing(error);
    }
    this.lookLater();
  }

  show(view) {
    this.controls.element.hidden = false;
    replace(this.place, view.element);
    view.toBottom();
  }

  showMissing(error) {
    this.controls.element.hidden = true;
    replace(this.place, missing(error, this.instance));
  }

  lookLater() {
    clearTimeout(this.timer);
    if (this.signal.aborted || !GROWING.has(this.instance.state)) return;
    this.timer = setTimeout(() => this.look(), PAUSE);
  }

  async look() {
    clearTimeout(this.timer);
    if (document.hidden) {
      document.addEventListener("visibilitychange", () => this.look(), { once: true, signal: this.signal });
      return;
    }
    if (this.view === null) {
      this.open();
      return;
    }
    // What goes wrong is the connection's, which the header shows.
    await this.view.follow().catch(() => {});
    this.lookLater();
  }
}

/** Then there is nothing to ask for; as soon as it has begun, it has another state. */
const hasNotBegun = (instance) => triesOf(instance) === 0 && !GROWING.has(instance.state);

function missing(error, instance) {
  if (error !== null) return notice({ title: "There is no log to show", text: h("p", null, error.message) });
  const text = h("p", null, `Its state is: ${word(instance.state)}.`);
  return notice({ title: "This task has not begun, so it has no log", text });
}
