/** Where one is: the way back from a view to those above it. */

import { h, link } from "../dom.js";

/**
 * @param {[string[], string][]} steps segments and text of each view above this one, the uppermost first
 * @returns {HTMLElement}
 */
export const crumbs = (steps) =>
  h(
    "nav",
    { class: "crumbs", "aria-label": "Breadcrumb" },
    h(
      "ol",
      null,
      steps.map(([path, text]) => h("li", null, link(path, text))),
    ),
  );
