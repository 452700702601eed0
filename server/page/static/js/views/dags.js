/** All DAGs: found, filtered, sorted and paged by the server, and kept up to date in place. */

import { request } from "../api.js";
import { regularly } from "../clock.js";
import { h, replace, setText } from "../dom.js";
import { showFailure } from "../failure.js";
import { calmly, subscribe } from "../live.js";
import { RUN_STATES } from "../states.js";
import { liveTable, ordersOf } from "../table.js";
import { announce } from "../toast.js";
import { columns } from "./dags/columns.js";
import { countDags, emptyNotice } from "./dags/empty.js";
import { filterBar } from "./dags/filters.js";
import { importErrors } from "./dags/import_errors.js";
import { pager } from "./dags/pager.js";

const PAGE_SIZE = 25;
// In milliseconds, and in seconds for what no event tells: pauses by others, new DAGs, next runs.
const AFTER_EVENT = 2000;
const WITHOUT_EVENT = 60;

/** @type {import("../router.js").View} */
export async function show(main, _params, context) {
  const list = new DagList(main, context);
  const errors = importErrors(context);
  replace(main, list.heading, errors.element, list.filters.element, list.place);
  const changed = calmly(() => list.load(), AFTER_EVENT);
  const unsubscribe = subscribe({}, (event) => list.concerns(event) && changed());
  regularly(() => Promise.all([list.load(), errors.load()]), WITHOUT_EVENT, context.signal);
  // What people look for comes first.
  await list.load({ first: true });
  await Promise.all([errors.load(), list.filters.load()]);
  return () => {
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
    this.query = queryOf(context.query, ordersOf(shown));
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
      this.draw(await request("GET", ["dags"], { query: this.apiQuery(), signal }));
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
    const all = await countDags(!this.query.gone).catch(() => 0);
    if (this.shown.size === 0 && all > 0)
      setText(this.total, `0 of ${all === 1 ? "1 DAG" : `${all.toLocaleString("en")} DAGs`} match`);
  }

  apiQuery() {
    const { page, gone, ...query } = this.query;
    return { ...query, active: !gone, details: true, limit: PAGE_SIZE, offset: (this.page() - 1) * PAGE_SIZE };
  }

  page() {
    return Math.max(1, Math.trunc(Number(this.query.page)) || 1);
  }

  draw({ data: dags, headers }) {
    const total = Number(headers.get("X-Total-Count") ?? dags.length);
    if (dags.length === 0 && total > 0 && this.page() > 1) {
      this.change({ page: null }, { push: false });
      return;
    }
    this.shown = new Set(dags.map((dag) => dag.dag_id));
    setText(this.total, total === 1 ? "1 DAG" : `${total.toLocaleString("en")} DAGs`);
    if (total === 0) this.countAll();
    this.table.update(dags);
    this.pager.show({ page: this.page(), size: PAGE_SIZE, count: dags.length, total });
    const wanted = dags.length
      ? [this.table.element, this.pager.element]
      : [emptyNotice(this.query, (none) => this.change(none))];
    if (this.place.firstElementChild !== wanted[0]) replace(this.place, wanted);
  }
}

/** What the address says, without what no field offers: the server would refuse it. */
function queryOf(given, orders) {
  const offered = { order_by: orders, state: RUN_STATES, paused: ["true", "false"] };
  const isOffered = ([name, value]) => offered[name]?.includes(value) ?? true;
  return { ...Object.fromEntries([...given].filter(isOffered)), tag: given.getAll("tag") };
}
