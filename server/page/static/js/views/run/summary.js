/** What matters about a run at a first look: its state, its times, its conf, and what failed or why it waits. */

import { address } from "../../address.js";
import { h, replace } from "../../dom.js";
import { badge } from "../../states.js";
import { duration, when } from "../../time.js";
import { confView, isEmpty, typeOf } from "./details.js";
import { nameOf, placeOf } from "./order.js";

const MOST_NAMED = 8;

/**
 * @param {import("./data.js").RunData} data
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function runSummary(data) {
  const facts = h("div", { class: "summary" });
  const why = h("div", { class: "why" });
  const element = h("div", { class: "stack" }, facts, why);
  const drawn = {};
  const draw = (name, place, value, children) => {
    const next = JSON.stringify(value);
    if (drawn[name] === next) return;
    drawn[name] = next;
    replace(place, children());
  };
  const update = () => {
    const { run } = data;
    draw("facts", facts, [run.state, run.start_date, run.end_date, run.conf], () => shortFacts(run));
    const failed = data.instances.filter(({ state }) => state === "failed");
    const waits = reasonsOf(data);
    draw("why", why, [failed, waits, run.state], () => [failures(data, failed), waiting(waits)]);
    why.hidden = why.childElementCount === 0;
  };
  update();
  return { element, update };
}

const item = (name, value) =>
  h("div", { class: "summary-item" }, h("span", { class: "summary-name" }, name), h("span", null, value));

function shortFacts(run) {
  const type = typeOf(run);
  return [
    item("State", badge(run.state)),
    item("Started", when(run.start_date)),
    item("Took", duration(run.start_date, run.end_date)),
    type && item("Type", type),
    run.execution_date && item("Execution date", when(run.execution_date)),
    !isEmpty(run.conf) &&
      h(
        "details",
        { class: "summary-item summary-conf" },
        h("summary", null, h("span", { class: "summary-name" }, "Conf"), h("code", null, JSON.stringify(run.conf))),
        confView(run),
      ),
  ];
}

function failures(data, failed) {
  if (failed.length === 0) return null;
  const more = failed.length - MOST_NAMED;
  const [what, says] =
    failed.length === 1
      ? ["One task failed or was stopped.", "Its log says more:"]
      : [`${failed.length} tasks failed or were stopped.`, "Their logs say more:"];
  return h(
    "div",
    { class: "note note-error" },
    h("p", null, h("b", null, what), " ", says),
    h(
      "ul",
      { class: "failed-list" },
      failed
        .slice(0, MOST_NAMED)
        .map((instance) =>
          h(
            "li",
            null,
            h("a", { href: address(...placeOf(data.dagId, data.run.run_id, instance)) }, `Log of ${nameOf(instance)}`),
          ),
        ),
      more > 0 && h("li", null, `and ${more} more`),
    ),
  );
}

/** Why nothing goes on: what all tasks that wait have in common, if none is under way. */
function reasonsOf({ instances, isEnded }) {
  if (isEnded || instances.some(({ state }) => state === "running" || state === "queued")) return [];
  const [first, ...others] = instances
    .map(({ waits_for: reasons }) => reasons ?? [])
    .filter(({ length }) => length > 0);
  return (first ?? []).filter((reason) => others.every((reasons) => reasons.includes(reason)));
}

function waiting(reasons) {
  if (reasons.length === 0) return null;
  return h(
    "div",
    { class: "note" },
    h("p", null, h("b", null, "Nothing of this run is running."), " Its tasks wait, because"),
    h(
      "ul",
      null,
      reasons.map((reason) => h("li", null, reason)),
    ),
  );
}
