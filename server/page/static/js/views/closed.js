/** The only page of an API that nobody may call. */

import { h, replace } from "../dom.js";
import { notice } from "../failure.js";

export function show(main) {
  replace(
    main,
    notice({
      heading: "h1",
      title: "This API is closed",
      text: [
        h("p", null, "Its configuration refuses every request, so there is nothing to see here."),
        h(
          "p",
          null,
          "Its authentication backend is ",
          h("code", null, "deny_all"),
          ". Whoever administers Windsock can choose another one: the documentation lists them under Authentication.",
        ),
      ],
    }),
  );
}
