/** The tries that a task has had. */

import { h, replace } from "../../dom.js";

const MOST = 1000;

/**
 * Lets one choose a try; follows the last one, unless an older one is chosen.
 * @param {() => void} changed another one was chosen
 * @returns {{element: HTMLElement, value: () => number | undefined, update: (instance: object) => boolean}} `update`
 *   returns whether the try that is shown is another one now
 */
export function trySelect(changed) {
  const select = h("select", { on: { change: changed } });
  const element = h("label", { class: "choice", hidden: true }, "Try", select);
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

/**
 * @param {{try_number: number | null, state: string | null, start_date: string | null}} instance
 * @returns {number} how many tries it has had; one that waits has, in some releases, the number of its next one already
 */
export function triesOf({ try_number: number, state, start_date: start }) {
  const isWaiting = state === null || state === "scheduled" || state === "queued";
  return Math.max(0, Math.min(MOST, (number ?? 0) - (isWaiting && start === null ? 1 : 0)));
}
