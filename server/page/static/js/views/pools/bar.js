/** How full a pool is, drawn and in words. */

import { h, svg } from "../../dom.js";
import { stateClass, word } from "../../states.js";

const PARTS = [
  ["running", "running_slots"],
  ["queued", "queued_slots"],
  ["deferred", "deferred_slots"],
];
const WIDTH = 100;

/** @returns {HTMLElement} which pattern is what */
export const legend = () =>
  h(
    "p",
    { class: "pool-legend hint", "aria-hidden": "true" },
    [...PARTS.map(([state]) => [stateClass(state), word(state)]), ["pool-free", "free"]].map(([name, text]) =>
      h("span", null, h("i", { class: ["pool-sample", name] }), text),
    ),
  );

/**
 * @param {Record<string, any>} pool
 * @returns {import("../../dom.js").Child}
 */
export function bar(pool) {
  if (pool.running_slots === undefined) return h("span", { class: "none" }, "–");
  const parts = PARTS.filter(([, key]) => pool[key] > 0);
  const used = parts.reduce((sum, [, key]) => sum + pool[key], 0);
  // A pool may be smaller than what is in it: it was made smaller meanwhile.
  const whole = Math.max(pool.slots > 0 ? pool.slots : used, used, 1);
  let place = 0;
  const drawn = parts.map(([state, key]) => {
    const width = (pool[key] / whole) * WIDTH;
    const rect = svg("rect", { class: ["pool-part", stateClass(state)], x: place, y: 0, width, height: 1 });
    place += width;
    return rect;
  });
  return [
    svg(
      "svg",
      {
        class: ["pool-bar", pool.slots === 0 && "pool-closed"],
        viewBox: `0 0 ${WIDTH} 1`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      drawn,
    ),
    h("p", { class: "hint" }, inWords(pool, parts)),
  ];
}

function inWords(pool, parts) {
  const used = parts.map(([state, key]) => `${pool[key].toLocaleString("en")} ${word(state)}`);
  const waiting = pool.scheduled_slots ? [`${pool.scheduled_slots.toLocaleString("en")} waiting`] : [];
  return [...used, ...waiting, freeText(pool)].join(", ");
}

function freeText({ slots, open_slots: open }) {
  if (slots === -1) return "no limit";
  return slots === 0 ? "no slots: no task begins" : `${Math.max(0, open ?? 0).toLocaleString("en")} free`;
}
