/**
 * What is shown in place of what could not be read: in words of the reader, with what to do next.
 *
 *   showFailure(main, error, retry)      // for a whole view; the router does it for what a view throws
 *   showAbsent(main, error, params)          // likewise for what an address names and is not there
 *   notice({ title, text, actions })     // an empty state: "No runs yet", and what to do
 */

import { h, link, replace } from "./dom.js";

const TITLES = {
  0: "The server cannot be reached",
  401: "You are not signed in",
  403: "You may not see this",
  404: "There is nothing here",
  429: "Too many requests",
  503: "The server cannot answer at the moment",
};
const HINTS = {
  0: "It may be restarting, or the network may be down. This page tries again by itself.",
  503: "This page tries again by itself.",
  403: "Whoever administers Windsock can give you the permission.",
};
const PASSES = new Set([0, 429, 503]);

/**
 * @param {Element} place
 * @param {Error & { status?: number, code?: string }} error
 * @param {() => unknown} retry
 * @param {string} [heading] "h2" within a view that has its own
 */
export function showFailure(place, error, retry, heading = "h1") {
  const status = error.status ?? -1;
  const again = h("button", { type: "button", class: "button primary", on: { click: () => retry() } }, "Try again");
  if (status === -1) reportError(error);
  replace(
    place,
    notice({
      heading,
      title: TITLES[status] ?? "Something went wrong",
      text: [status === 0 ? null : h("p", null, error.message), HINTS[status] ? h("p", null, HINTS[status]) : null],
      actions: [status === 404 ? null : again, h("p", null, link([], "All DAGs"))],
    }),
  );
  if (PASSES.has(status)) retryWhenBack(place, error, retry);
}

/**
 * @param {Element} place
 * @param {Error & { code?: string }} error a 404
 * @param {Record<string, string>} params of the address
 */
export function showAbsent(place, { code, message }, { dagId, runId }) {
  const titles = {
    run_not_found: `There is no run ${runId} of the DAG ${dagId}.`,
    dag_not_found: `There is no DAG ${dagId}.`,
  };
  const title = dagId === undefined ? undefined : titles[code];
  const text = title ? "It may have been deleted, the address may be misspelt, or you may not see it." : message;
  const toDag = title && code === "run_not_found" ? link(["dags", dagId], `The DAG ${dagId}`) : null;
  const actions = [toDag, link([], "All DAGs")];
  replace(place, notice({ heading: "h1", title: title ?? TITLES[404], text: h("p", null, text), actions }));
}

/**
 * @param {{ title: string, text?: import("./dom.js").Child, actions?: import("./dom.js").Child, heading?: string }} said
 * @returns {HTMLElement}
 */
export const notice = ({ title, text, actions, heading = "h2" }) =>
  h(
    "div",
    { class: "notice" },
    h(heading, null, title),
    text,
    actions ? h("div", { class: "actions" }, actions) : null,
  );

// As often as the server asks for, and not while nobody looks.
function retryWhenBack(place, error, retry) {
  const seconds = Math.min(Math.max(Number(error.headers?.get("Retry-After")) || 5, 2), 60);
  const shown = place.firstElementChild;
  const look = () => {
    if (!shown.isConnected) return;
    if (document.hidden) document.addEventListener("visibilitychange", look, { once: true });
    else retry();
  };
  setTimeout(look, seconds * 1000);
}
