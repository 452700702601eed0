/** Where the page begins: it asks who the reader is, and shows the view of the address. */

import { address } from "./address.js";
import { ApiError, listen } from "./api.js";
import { isClosed } from "./early.js";
import { showFailure } from "./failure.js";
import { markPlace, showHeader } from "./header.js";
import { loadAhead, reload, startRouter } from "./router.js";
import { begin, guard, lost } from "./session.js";
import { apply, onChoice } from "./settings.js";
import { say } from "./toast.js";

async function start() {
  if (!isClosed) loadAhead();
  try {
    if (!isClosed) await begin();
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) {
      showFailure(document.getElementById("main"), error, start);
      return;
    }
    askToSignIn();
  }
  await startRouter({ guard, navigated: markPlace });
  onChoice(reload);
  // The view comes first. Without the server, which is said elsewhere, nothing is known of trouble.
  if (!isClosed)
    import("./trouble.js").then(
      ({ watchForTrouble }) => watchForTrouble(),
      () => {},
    );
}

function askToSignIn() {
  const here = location.pathname + location.search;
  const signIn = address(["sign-in"]);
  if (location.pathname === signIn) return;
  history.replaceState(null, "", address(["sign-in"], { next: here === address([]) ? "" : here }));
}

apply();
listen({
  unauthorized: lost,
  warned(warnings) {
    for (const warning of warnings) say(warning, "warning");
  },
});
showHeader();
start();
