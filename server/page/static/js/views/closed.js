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
          "Whoever administers Windsock can open it: ",
          h("code", null, "[api] auth_backend"),
          " is ",
          h("code", null, "deny_all"),
          " now. The documentation, under Authentication, says which others there are.",
        ),
      ],
    }),
  );
}
