/** The tries that a task has had, and the times of the one that it has now. */

import { h, replace } from "../../dom.js";

const MOST = 1000;

/**
 * Lets one choose a try; follows the last one, unless an older one is chosen.
 * @param {number} first which one is shown at first, if there is one of that number
 * @param {() => void} changed another one was chosen
 * @returns {{element: HTMLElement, value: () => number | undefined, isLast: () => boolean, update: (instance: object) => boolean}} `update`
 *   returns whether the try that is shown is another one now
 */
export function trySelect(first, changed) {
  const select = h("select", { on: { change: changed } });
  const element = h("label", { class: "choice", hidden: true }, "Try", select);
  let last = 0;
  return {
    element,
    value: () => (select.value === "" ? undefined : Number(select.value)),
    isLast: () => select.value === "" || Number(select.value) === last,
    update: (instance) => {
      const count = triesOf(instance);
      if (count === last) return false;
      const wanted = last === 0 ? first : Number(select.value);
      const follows = wanted === last || !(wanted >= 1 && wanted <= count);
      const chosen = follows ? count : wanted;
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
  return Math.max(0, Math.min(MOST, (number ?? 0) - (waitsToBegin(state) && start === null ? 1 : 0)));
}

/**
 * @param {{try_number: number | null, max_tries: number | null}} instance
 * @returns {string} "2, at most 6"
 */
export const triesText = ({ try_number: number, max_tries: retries }) =>
  retries > 0 ? `${number ?? 0}, at most ${retries + 1}` : String(number ?? 0);

/**
 * @template {{state: string | null, start_date: string | null}} Instance
 * @param {Instance} instance
 * @returns {boolean} whether its try has begun: one that was cleared has the times of the try before until then
 */
export const hasBegun = ({ state, start_date: start }) => start !== null && !waitsToBegin(state);

const waitsToBegin = (state) => state === null || state === "scheduled" || state === "queued";
