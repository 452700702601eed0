/** An address that leads nowhere. */

import { h, link, replace } from "../dom.js";
import { notice } from "../failure.js";

export function show(main) {
  replace(
    main,
    notice({
      heading: "h1",
      title: "There is no such page",
      text: h("p", null, "The address may be misspelt, or what it led to is gone."),
      actions: link([], "All DAGs"),
    }),
  );
}
