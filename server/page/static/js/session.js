/**
 * The reader's session: it begins, ends and is lost here. Credentials go to the server once and are kept nowhere.
 */

import { address, apiAddress } from "./address.js";
import { send, signIn } from "./api.js";
import { isClosed, take } from "./early.js";
import { connect, disconnect } from "./live.js";
import { setUser, user } from "./permissions.js";
import { isView, navigate } from "./router.js";

const watchers = new Set();

// All tabs have the same cookie, so they hear of the user (null: of none) with whom it begins and ends.
const otherTabs = new BroadcastChannel(`windsock.session ${address([])}`);
otherTabs.addEventListener("message", ({ data: name }) => {
  if (name === (user()?.name ?? null)) return;
  if (location.pathname === address(["sign-in"])) begin().then(goOn, () => {});
  else location.reload();
});

/** @param {() => void} watcher hears of each other user */
export const watchUser = (watcher) => watchers.add(watcher);

/**
 * Ask who the reader is; with credentials begin a session first.
 * @param {string} [authorization] "Basic ..." or "Bearer ..."
 */
export async function begin(authorization) {
  const whoami = await identify(authorization);
  // A page that only loads tells nothing new: else tabs that are restored together would reload each other.
  if (authorization !== undefined) otherTabs.postMessage(whoami.user);
  connect(lost);
  // The browser has negotiated by itself. With a session it need not do so for each request.
  if (authorization === undefined && whoami.backend === "kerberos_auth") await signIn("").catch(() => {});
}

/**
 * Ask who the reader is, and follow no events.
 * @param {string} [authorization] as for `begin`
 * @returns {Promise<any>} the answer of whoami
 */
export async function identify(authorization) {
  const whoami = await ((authorization === undefined && take("whoami")) || signIn(authorization));
  become(whoami);
  return whoami;
}

/** End the session, as the reader wants it. */
export async function end() {
  await send("DELETE", ["session"]);
  otherTabs.postMessage(null);
  disconnect();
  become(null);
  await navigate(["sign-in"]);
}

/** The session does not count any more: sign in again, and come back to here. */
export function lost() {
  if (location.pathname === address(["sign-in"])) return;
  disconnect();
  become(null);
  const here = location.pathname + location.search;
  navigate(address(["sign-in"], { next: here === address([]) ? "" : here }), { replace: true });
}

/** Go where the reader wanted to go before the sign-in; never to another site. */
export function goOn() {
  const next = new URLSearchParams(location.search).get("next");
  if (next === apiAddress(["docs"])) return location.replace(next);
  return navigate(next && isView(next) ? new URL(next, location.href).href : address([]), { replace: true });
}

/** @returns {string | null} the view that is shown instead of that of the address */
export function guard() {
  if (isClosed) return "closed";
  return user() === null ? "sign_in" : null;
}

function become(whoami) {
  setUser(whoami);
  for (const watcher of watchers) watcher();
}
