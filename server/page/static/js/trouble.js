/** A line below the header, on every view, for what stops all work: no scheduler, no database. */

import { health } from "./api.js";
import { regularly } from "./clock.js";
import { link, replace } from "./dom.js";

// In seconds: no event tells.
const EVERY = 60;
// In milliseconds: the view comes first.
const FIRST = 1500;

/** Look now and then, as long as the page is open. */
export function watchForTrouble() {
  setTimeout(look, FIRST);
  regularly(look, EVERY, new AbortController().signal);
}

async function look() {
  // Without an answer nothing is known; that the server is away is said elsewhere.
  const answer = await health().catch(() => null);
  if (answer) show(trouble(answer));
}

function trouble({ metadatabase, scheduler }) {
  if (metadatabase.status !== "healthy") return "The database does not answer, so nothing can be read or triggered. ";
  if (scheduler.status !== "healthy") return "No scheduler works: runs can be triggered, but none begins. ";
  return null;
}

let shown = null;

function show(text) {
  if (text === shown) return;
  shown = text;
  const line = document.getElementById("trouble");
  line.hidden = text === null;
  replace(line, text && [text, link(["status"], "Status")]);
}
