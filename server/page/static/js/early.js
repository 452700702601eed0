/**
 * What the page asks for as soon as it can speak to the server, while most of its modules are still on their way: so it
 * waits once and not twice. This module loads before the others (`async` in index.html), so it needs few of them.
 */

import { address } from "./address.js";
import { signIn } from "./api.js";
import { askForDags } from "./views/dags/request.js";

/** @type {Set<string>} how one signs in here: "password", "token", "kerberos", "none", "closed", "other" */
export const ways = new Set((document.documentElement.dataset.signIn ?? "").split(" ").filter(Boolean));

/** Nobody may call this API. */
export const isClosed = ways.size === 1 && ways.has("closed");

/** @type {{ whoami?: Promise<any>, dags?: Promise<import("./api.js").Answer> }} */
const asked = {};
if (!isClosed) {
  asked.whoami = signIn();
  if (location.pathname === address([]) && !location.search) asked.dags = askForDags({}, { quiet: true });
}
// Whoever takes an answer hears what is wrong with it.
for (const answer of Object.values(asked)) answer.catch(() => {});

/**
 * @param {"whoami" | "dags"} name
 * @returns {Promise<any> | undefined} the answer, for the first who takes it; undefined if it was not asked for, or is taken
 */
export function take(name) {
  const answer = asked[name];
  delete asked[name];
  return answer;
}
