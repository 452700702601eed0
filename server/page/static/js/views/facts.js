/** Facts as a list of names and values; those that are not known are left out. */

import { h } from "../dom.js";

/**
 * @param {[string, import("../dom.js").Child][]} facts
 * @returns {HTMLElement}
 */
export const factList = (facts) =>
  h(
    "dl",
    { class: "facts" },
    facts
      .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
      .map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
  );
