/** The description of the API for people, drawn from openapi.json: what each endpoint takes and answers, and how to call it. */

import { address, apiAddress } from "./address.js";
import { get } from "./api.js";
import { operationsOf } from "./docs/document.js";
import { operation } from "./docs/operation.js";
import { prose } from "./docs/prose.js";
import { h, replace, setText } from "./dom.js";
import { isClosed } from "./early.js";
import { notice, showFailure } from "./failure.js";
import { markPlace, showHeader } from "./header.js";
import { identify } from "./session.js";
import { apply } from "./settings.js";

const main = document.getElementById("main");

async function start() {
  apply();
  // Who may read the description may be nobody that is known; the header then offers what everybody may see.
  if (!isClosed) await identify().catch(() => {});
  showHeader();
  markPlace(["api"]);
  await showDescription();
}

async function showDescription() {
  try {
    draw(await get(["openapi.json"]));
  } catch (error) {
    if (error.status === 401) replace(main, signInFirst());
    else showFailure(main, error, showDescription);
  }
}

function draw(document) {
  const groups = operationsOf(document);
  const all = groups.flatMap((group) => group.operations.map((one) => operation(document, one)));
  const byId = new Map(all.map((one) => [one.id, one]));
  const sections = groups.map((group) => section(group, byId));
  replace(main, h("div", { class: "docs" }, contents(groups, sections, byId), body(document, sections)));
  openNamed(byId);
  addEventListener("hashchange", () => openNamed(byId));
  for (const { id, element } of all) element.addEventListener("toggle", () => element.open && nameInAddress(id));
}

const body = (document, sections) =>
  h(
    "div",
    { class: "docs-body" },
    h("h1", null, "The API"),
    h(
      "p",
      { class: "hint" },
      `${document.info.summary} · `,
      h("a", { href: apiAddress(["openapi.json"]) }, "openapi.json"),
    ),
    prose(document.info.description),
    sections.map((one) => one.element),
  );

function section(group, byId) {
  const operations = group.operations.map((one) => byId.get(one.operationId));
  const element = h(
    "section",
    { class: "docs-group" },
    h("h2", null, group.name),
    group.description ? h("p", { class: "muted" }, group.description) : null,
    operations.map((one) => one.element),
  );
  return { element, operations };
}

function contents(groups, sections, byId) {
  const items = new Map();
  const lists = groups.map((group) =>
    h(
      "div",
      null,
      h("h2", null, group.name),
      h(
        "ul",
        null,
        group.operations.map((one) => {
          const item = h("li", null, h("a", { href: `#${one.operationId}` }, one.summary ?? one.path));
          items.set(one.operationId, item);
          return item;
        }),
      ),
    ),
  );
  const none = h("p", { class: "muted", role: "status" });
  const filter = () => find(input.value, sections, items, byId, none);
  const input = h("input", {
    type: "search",
    placeholder: "Find",
    "aria-label": "Find an endpoint",
    on: { input: filter },
  });
  return h("nav", { class: "docs-contents", "aria-label": "Endpoints" }, input, none, lists);
}

function find(text, sections, items, byId, none) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const one of byId.values()) {
    const hidden = !words.every((word) => one.text.includes(word));
    one.element.hidden = hidden;
    items.get(one.id).hidden = hidden;
    found += hidden ? 0 : 1;
  }
  for (const { element, operations } of sections) element.hidden = operations.every((one) => one.element.hidden);
  setText(none, found ? "" : "No endpoint matches.");
}

function openNamed(byId) {
  const found = byId.get(decodeURIComponent(location.hash.slice(1)));
  if (!found) return;
  found.element.open = true;
  found.element.scrollIntoView();
  found.element.querySelector("summary").focus({ preventScroll: true });
}

// The address of what was opened last may be sent to others.
const nameInAddress = (id) => history.replaceState(history.state, "", `#${id}`);

const signInFirst = () =>
  notice({
    heading: "h1",
    title: "Sign in to read about the API",
    actions: h("a", { class: "button primary", href: address(["sign-in"], { next: apiAddress(["docs"]) }) }, "Sign in"),
  });

start();
