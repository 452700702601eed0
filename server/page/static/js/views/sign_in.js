/** A view that is not there yet. */

import { h, replace } from "../dom.js";

export function show(main) {
  replace(main, h("h1", null, "sign_in"));
}
