/** The form of a new pool, or of one that is changed. */

import { send } from "../../api.js";
import { ask } from "../../dialog.js";
import { h } from "../../dom.js";

const MOST_SLOTS = 2147483647;

/**
 * @param {{ pool: string, slots: number, description: string | null }} [pool] none: a new one
 * @returns {Promise<{ pool: string } | null>} the pool as it is now; null if it was cancelled
 */
export function askForPool(pool) {
  const name = h("input", { required: true, maxlength: 256, autocomplete: "off", spellcheck: "false" });
  const slots = h("input", { type: "number", required: true, min: -1, max: MOST_SLOTS, value: pool?.slots ?? 1 });
  const description = h("textarea", { rows: 2 });
  description.value = pool?.description ?? "";
  const fields = [
    pool ? null : field("Name", name),
    field("Slots", slots, "So many tasks may run at once. -1: as many as want to."),
    field("Description", description),
  ];
  return ask({
    title: pool ? `Change the pool ${pool.pool}` : "New pool",
    body: h("div", { class: "stack" }, fields),
    action: pool ? "Save" : "Create",
    submit: () =>
      send("POST", ["pools"], {
        name: pool?.pool ?? name.value.trim(),
        slots: Number(slots.value),
        description: description.value,
      }),
  });
}

const field = (label, input, hint) =>
  h("label", { class: "field" }, h("span", null, label), input, hint ? h("span", { class: "hint" }, hint) : null);
