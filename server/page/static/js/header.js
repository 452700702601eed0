/** The header: where one is, whether the page is live, who is signed in, and the reader's settings. */

import { address } from "./address.js";
import { h, link, replace, setText } from "./dom.js";
import { isClosed } from "./early.js";
import { watchConnection } from "./live.js";
import { can, user } from "./permissions.js";
import { end, watchUser } from "./session.js";
import { choose, setting } from "./settings.js";
import { say } from "./toast.js";

const PLACES = [
  [[], "DAGs", "DAGs"],
  [["runs"], "Runs", "DAG Runs"],
  [["pools"], "Pools", "Pools"],
  [["status"], "Status", null],
];
const CONNECTIONS = {
  off: ["", ""],
  connecting: ["", ""],
  live: ["Live", "This page follows what happens"],
  lost: ["Reconnecting…", "The connection to the server is lost. The page tries to get it back"],
};

/** Fill the header, and keep it right. */
export function showHeader() {
  watchUser(draw);
  draw();
  watchConnection(showConnection);
}

/** @param {string[]} segments of the address that is shown now */
export function markPlace(segments) {
  const place = segments[0] === "dags" || segments[0] === "admin" ? "" : (segments[0] ?? "");
  for (const anchor of document.querySelectorAll("#places a")) {
    if (anchor.dataset.place === place) anchor.setAttribute("aria-current", segments.length > 1 ? "true" : "page");
    else anchor.removeAttribute("aria-current");
  }
}

function draw() {
  const places = document.getElementById("places");
  const known = user() !== null;
  replace(
    places,
    known ? PLACES.filter(([, , resource]) => !resource || can("can_read", resource)).map(place) : null,
    isClosed ? null : docs(),
  );
  replace(document.getElementById("reader"), menu());
}

function place([segments, name]) {
  const anchor = link(segments, name);
  anchor.dataset.place = segments[0] ?? "";
  return h("li", null, anchor);
}

const docs = () => h("li", null, h("a", { href: `${address([])}api/experimental/docs`, "data-place": "api" }, "API"));

function menu() {
  const reader = user();
  const name = reader?.name ?? (reader ? "Everybody" : "Settings");
  const roles = reader?.roles.length ? h("p", { class: "hint" }, `Roles: ${reader.roles.join(", ")}`) : null;
  const details = h(
    "details",
    { class: "menu" },
    h("summary", null, h("span", { class: "reader-name" }, name)),
    h(
      "div",
      { class: "menu-panel" },
      reader?.name ? h("p", null, "Signed in as ", h("b", null, reader.name)) : null,
      reader && !reader.name ? h("p", null, "Nobody has to sign in here.") : null,
      roles,
      choice("theme", "Theme", { system: "As the system", light: "Light", dark: "Dark" }),
      choice("zone", "Times", { local: localZone(), utc: "UTC" }),
      reader?.name ? h("button", { type: "button", class: "button", on: { click: signOut } }, "Sign out") : null,
    ),
  );
  closeOutside(details);
  return details;
}

function choice(name, label, options) {
  const select = h(
    "select",
    { on: { change: () => choose(name, select.value) } },
    Object.entries(options).map(([value, text]) => h("option", { value, selected: setting(name) === value }, text)),
  );
  return h("label", { class: "field" }, h("span", null, label), select);
}

const localZone = () => `Here (${new Intl.DateTimeFormat().resolvedOptions().timeZone})`;

async function signOut() {
  try {
    await end();
    say("You are signed out.");
  } catch (error) {
    say(error.message, "error");
  }
}

function closeOutside(details) {
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary").focus();
  });
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
  });
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

function showConnection(state) {
  const box = document.getElementById("connection");
  const [text, title] = CONNECTIONS[state];
  box.dataset.state = state;
  box.title = title;
  setText(box, text);
  document.getElementById("offline").hidden = state !== "lost" || document.hidden;
}
