/** All runs under way, and the newest run of each DAG, those under way first; live. */

import { get, runPath } from "../api.js";
import { regularly } from "../clock.js";
import { h, link, replace, setText } from "../dom.js";
import { notice } from "../failure.js";
import { calmly, subscribe } from "../live.js";
import { badge, RUN_STATES, word } from "../states.js";
import { liveTable } from "../table.js";
import { duration, when } from "../time.js";
import { announce } from "../toast.js";

// So many rows at first, and more for each wish.
const STEP = 100;
// In milliseconds.
const AFTER_EVENT = 1000;
// So many runs are read one by one. Of others the event's state is shown, until the whole list, which may be long, is
// read again: so seldom, in milliseconds.
const FEW = 5;
const AFTER_MANY = 10_000;
// In seconds, for what no event tells.
const WITHOUT_EVENT = 300;
const UNDER_WAY = new Set(["queued", "running"]);

/** @type {import("../router.js").View} */
export async function show(main, _params, context) {
  const list = new RunList(main, context);
  const changed = calmly(() => list.catchUp(), AFTER_EVENT);
  list.loadLater = calmly(() => list.loadAgain(), AFTER_MANY);
  const unsubscribe = subscribe({}, (event) => list.concerns(event) && changed());
  regularly(() => list.loadAgain(), WITHOUT_EVENT, context.signal);
  await list.load();
  return () => {
    unsubscribe();
    changed.cancel();
    list.loadLater.cancel();
  };
}

const COLUMNS = [
  { title: "State", class: "run-state", value: (run) => run.state, render: (run) => badge(run.state) },
  {
    title: "DAG",
    head: true,
    class: "run-dag",
    value: (run) => run.dag_id,
    render: (run) => link(["dags", run.dag_id], run.dag_id),
  },
  {
    title: "Run",
    class: "run-id",
    value: (run) => run.run_id,
    render: (run) => link(["dags", run.dag_id, "runs", run.run_id], run.run_id),
  },
  { title: "Date", value: (run) => run.execution_date, render: (run) => when(run.execution_date) },
  { title: "Started", value: (run) => run.start_date, render: (run) => when(run.start_date) },
  { title: "Duration", value: (run) => [run.start_date, run.end_date], render: lasted },
];

// What has ended without a word of when would tick for ever.
function lasted(run) {
  return run.end_date || UNDER_WAY.has(run.state) ? duration(run.start_date, run.end_date) : duration(null, null);
}

class RunList {
  constructor(main, context) {
    this.context = context;
    this.state = context.query.get("state") ?? "";
    this.runs = new Map();
    this.changed = new Map();
    this.missed = false;
    this.most = STEP;
    this.count = h("span", { class: "count" });
    this.place = h("div", { class: "list" });
    this.table = liveTable({ label: "Runs", key: keyOf, columns: COLUMNS });
    this.more = h("button", { type: "button", class: "button", on: { click: () => this.showMore() } }, "Show more");
    replace(main, h("div", { class: "row" }, h("h1", null, "Runs"), this.count), this.filter(), this.place);
  }

  filter() {
    const states = ["", ...RUN_STATES];
    const select = h(
      "select",
      { on: { change: () => this.choose(select.value) } },
      states.map((one) => h("option", { value: one, selected: one === this.state }, one ? word(one) : "any state")),
    );
    return h("search", { class: "filters" }, h("label", { class: "choice" }, h("span", null, "State"), select));
  }

  choose(state) {
    this.state = state;
    this.most = STEP;
    this.context.setQuery({ state }, { push: true });
    this.draw();
    announce(this.count.textContent);
  }

  showMore() {
    this.most += STEP;
    this.draw();
  }

  async load() {
    const { signal } = this.context;
    const [{ items }, unfinished] = await Promise.all([
      get(["latest_runs"], { query: { details: true }, signal }),
      get(["unfinished_runs"], { signal }),
    ]);
    this.runs = new Map([...items, ...unfinished].map((run) => [keyOf(run), run]));
    this.missed = false;
    this.changed.clear();
    this.draw();
  }

  /** What is there stays, if it can only not be refreshed now: the header says that the connection is lost. */
  async loadAgain() {
    await this.load().catch(() => {});
  }

  concerns(event) {
    if (event.type === "task_changed") return false;
    if (event.type === "gap" || event.type === "run_deleted") this.missed = true;
    else this.changed.set(keyOf(event), event);
    return true;
  }

  async catchUp() {
    const events = [...this.changed.values()];
    this.changed.clear();
    for (const event of events) this.take(event);
    this.draw();
    await Promise.all(events.slice(0, FEW).map((event) => this.readRun(event)));
    if (events.length > 0) this.draw();
    if (this.missed || events.length > FEW) this.loadLater();
  }

  take({ dag_id, run_id, execution_date, state }) {
    const key = keyOf({ dag_id, run_id });
    this.runs.set(key, { dag_id, run_id, execution_date, ...this.runs.get(key), state });
  }

  async readRun(event) {
    const path = runPath(event.dag_id, event);
    const run = await get(path, { query: { details: true }, signal: this.context.signal }).catch(() => null);
    if (run) this.runs.set(keyOf(run), run);
  }

  draw() {
    const known = withoutOld([...this.runs.values()]);
    this.runs = new Map(known.map((run) => [keyOf(run), run]));
    const all = known.filter((run) => !this.state || run.state === this.state).sort(newestFirst);
    setText(this.count, countText(all.length, known.length, this.state));
    this.table.update(all.slice(0, this.most));
    this.more.hidden = all.length <= this.most;
    const wanted = all.length ? [this.table.element, this.more] : [this.empty()];
    if (this.place.firstElementChild !== wanted[0]) replace(this.place, wanted);
  }

  empty() {
    if (UNDER_WAY.has(this.state)) return notice({ title: `No run is ${word(this.state)}` });
    if (this.runs.size) return notice({ title: `No DAG's newest run is ${word(this.state)}` });
    return notice({
      title: "No runs yet",
      text: h("p", null, "Trigger a DAG, or wait until one is due. Its run appears here at once."),
      actions: link([], "To the DAGs"),
    });
  }
}

// What is under way comes first, then what started last.
function newestFirst(one, other) {
  const difference = UNDER_WAY.has(other.state) - UNDER_WAY.has(one.state);
  return difference || started(other) - started(one) || one.dag_id.localeCompare(other.dag_id);
}

const keyOf = (run) => `${run.dag_id}\n${run.run_id}`;

/** What has ended counts only if it is the newest of its DAG. */
function withoutOld(runs) {
  const newest = new Map();
  for (const run of runs) {
    if (!newest.has(run.dag_id) || dated(run) > dated(newest.get(run.dag_id))) newest.set(run.dag_id, run);
  }
  return runs.filter((run) => UNDER_WAY.has(run.state) || newest.get(run.dag_id) === run);
}

const countText = (count, all, state) => (state ? `${count.toLocaleString("en")} of ${runsText(all)}` : runsText(all));

const runsText = (count) => (count === 1 ? "1 run" : `${count.toLocaleString("en")} runs`);

const dated = (run) => Date.parse(run.execution_date ?? run.start_date ?? "") || 0;

const started = (run) => Date.parse(run.start_date ?? run.execution_date ?? "") || 0;
