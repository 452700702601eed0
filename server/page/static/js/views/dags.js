/** All DAGs: found, filtered, sorted and paged by the server, and kept up to date in place. */

import { regularly } from "../clock.js";
import { h, replace, setText } from "../dom.js";
import { take } from "../early.js";
import { showFailure } from "../failure.js";
import { calmly, subscribe } from "../live.js";
import { RUN_STATES } from "../states.js";
import { liveTable } from "../table.js";
import { announce } from "../toast.js";
import { columns, ORDERS } from "./dags/columns.js";
import { filterBar } from "./dags/filters.js";
import { pager } from "./dags/pager.js";
import { askForDags, PAGE_SIZE, pageOf } from "./dags/request.js";

// In milliseconds, and in seconds for what no event tells: pauses by others, new DAGs, next runs.
const AFTER_EVENT = 2000;
const WITHOUT_EVENT = 60;

/** @type {import("../router.js").View} */
export async function show(main, _params, context) {
  const list = new DagList(main, context);
  let errors = null;
  replace(main, list.heading, list.filters.element, list.place);
  const changed = calmly(() => list.load(), AFTER_EVENT);
  const unsubscribe = subscribe({}, (event) => list.concerns(event) && changed());
  regularly(() => Promise.all([list.load(), errors?.load()]), WITHOUT_EVENT, context.signal);
  // What people look for comes first.
  await list.load({ first: true });
  // The rows may have been read before the stream of events was open.
  const again = setTimeout(changed, AFTER_EVENT);
  const { importErrors } = await import("./dags/import_errors.js");
  errors = importErrors(context);
  list.heading.after(errors.element);
  await Promise.all([errors.load(), list.filters.load()]);
  return () => {
    clearTimeout(again);
    unsubscribe();
    changed.cancel();
  };
}

class DagList {
  constructor(main, context) {
    this.main = main;
    this.context = context;
    const shown = columns(
      context,
      (change) => this.change({ ...change, page: null }),
      () => this.load(),
    );
    this.query = queryOf(context.query);
    this.total = h("span", { class: "count" });
    this.heading = h("div", { class: "row" }, h("h1", null, "DAGs"), this.total);
    this.place = h("div", { class: "list" });
    this.filters = filterBar(this.query, (change, options) => this.change({ ...change, page: null }, options), context);
    this.table = liveTable({
      label: "DAGs",
      key: (dag) => dag.dag_id,
      columns: shown,
      sorted: this.query.order_by || "dag_id",
      onSort: (order_by) => this.change({ order_by, page: null }),
    });
    this.pager = pager((page) => this.change({ page }, { toTop: true }));
    this.shown = new Set();
    this.loading = new AbortController();
  }

  /** Whether what is shown may look otherwise after this event. */
  concerns(event) {
    if (event.type === "task_changed") return false;
    return (
      event.type === "gap" || this.shown.has(event.dag_id) || this.query.state || /last_run/.test(this.query.order_by)
    );
  }

  /** Each change is a step back, except while somebody types. */
  change(change, { toTop = false, push = true } = {}) {
    Object.assign(this.query, change);
    this.context.setQuery(this.query, { push });
    this.filters.show(this.query);
    this.table.mark(this.query.order_by || "dag_id");
    return this.load({ told: true, toTop });
  }

  async load({ first = false, told = false, toTop = false } = {}) {
    this.loading.abort();
    this.loading = new AbortController();
    const signal = AbortSignal.any([this.loading.signal, this.context.signal]);
    try {
      const early = first && !location.search && (await take("dags")?.catch(() => null));
      // It is nobody's any more if something else was asked for meanwhile.
      signal.throwIfAborted();
      this.draw(early || (await askForDags(this.query, { signal })));
      if (told) announce(this.total.textContent);
      if (toTop) window.scrollTo(0, 0);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (first) throw error;
      // What is there stays, if it can only not be refreshed now.
      if (told) showFailure(this.place, error, () => this.load({ told }), "h2");
    }
  }

  /** Says of how many none matches. */
  async countAll() {
    const { countDags } = await import("./dags/empty.js");
    const all = await countDags(!this.query.gone);
    if (this.shown.size === 0 && all > 0)
      setText(this.total, `0 of ${all === 1 ? "1 DAG" : `${all.toLocaleString("en")} DAGs`} match`);
  }

  /** Few lists are empty, and the others are there sooner without it. */
  emptyNotice() {
    const place = h("div", null, h("p", { class: "muted" }, "There is no DAG to show."));
    const show = ({ emptyNotice }) =>
      replace(
        place,
        emptyNotice(this.query, (none) => this.change(none)),
      );
    import("./dags/empty.js").then(show, () => {});
    return place;
  }

  draw({ data: dags, headers }) {
    const total = Number(headers.get("X-Total-Count") ?? dags.length);
    if (dags.length === 0 && total > 0 && pageOf(this.query) > 1) {
      this.change({ page: null }, { push: false });
      return;
    }
    this.shown = new Set(dags.map((dag) => dag.dag_id));
    setText(this.total, total === 1 ? "1 DAG" : `${total.toLocaleString("en")} DAGs`);
    if (total === 0) this.countAll().catch(() => {});
    this.table.update(dags);
    this.pager.show({ page: pageOf(this.query), size: PAGE_SIZE, count: dags.length, total });
    const wanted = dags.length ? [this.table.element, this.pager.element] : [this.emptyNotice()];
    if (this.place.firstElementChild !== wanted[0]) replace(this.place, wanted);
  }
}

/** What the address says, without what no field offers: the server would refuse it. */
function queryOf(given) {
  const offered = { order_by: ORDERS, state: RUN_STATES, paused: ["true", "false"] };
  const isOffered = ([name, value]) => offered[name]?.includes(value) ?? true;
  return { ...Object.fromEntries([...given].filter(isOffered)), tag: given.getAll("tag") };
}
