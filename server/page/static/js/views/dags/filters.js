/** What the list of DAGs is narrowed by: a text, the state of the last run, a tag, an owner, paused or not. */

import { get } from "../../api.js";
import { h, replace } from "../../dom.js";
import { RUN_STATES, word } from "../../states.js";

// In milliseconds: so long one must stop typing.
const TYPING = 250;
// DAGs whose file is gone; their runs are still there.
const GONE = "gone";
const SHOWN = { "": "with a file", false: "active", true: "paused", [GONE]: "without a file" };

export const NO_FILTER = { search: null, tag: [], owner: null, state: null, paused: null, gone: null };

/**
 * @param {Record<string, any>} query
 * @param {(change: Record<string, unknown>, options?: { push: boolean }) => void} change
 * @param {import("../../router.js").Context} context
 * @returns {{ element: HTMLElement, show: (query: Record<string, any>) => void, load: () => Promise<void> }}
 */
export function filterBar(query, change, context) {
  const search = searchField(change);
  const state = choice(
    "Last run",
    { "": "any state", ...Object.fromEntries(RUN_STATES.map((one) => [one, word(one)])) },
    (value) => change({ state: value }),
  );
  const paused = choice("Show", SHOWN, (value) =>
    change(value === GONE ? { paused: null, gone: "true" } : { paused: value, gone: null }),
  );
  const tag = choice("Tag", { "": "any" }, (value) => change({ tag: value ? [value] : [] }));
  const chosen = h("div", { class: "row chosen" });
  const show = (now) => {
    if (document.activeElement !== search.input) search.input.value = now.search ?? "";
    state.select.value = now.state ?? "";
    paused.select.value = now.gone ? GONE : (now.paused ?? "");
    selectTag(tag.select, now.tag?.[0] ?? "");
    replace(chosen, chips(now, change));
    chosen.hidden = !chosen.firstChild;
  };
  const load = async () => {
    const tags = await get(["dag_tags"], { signal: context.signal }).catch(() => []);
    replace(
      tag.select,
      option("", "any"),
      tags.map((one) => option(one, one)),
    );
    selectTag(tag.select, query.tag?.[0] ?? "");
    tag.element.hidden = tags.length === 0;
  };
  show(query);
  const element = h(
    "search",
    { class: "filters" },
    search.element,
    h("div", { class: "row" }, state.element, paused.element, tag.element),
    chosen,
  );
  return { element, show, load };
}

function searchField(change) {
  let timer = null;
  const now = () => {
    clearTimeout(timer);
    change({ search: input.value.trim() || null }, { push: false });
  };
  const input = h("input", {
    type: "search",
    placeholder: "Search by id or description",
    "aria-label": "Search DAGs by id or description",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 250,
    on: {
      input() {
        clearTimeout(timer);
        timer = setTimeout(now, TYPING);
      },
      keydown(event) {
        if (event.key === "Enter") now();
      },
    },
  });
  return { element: h("div", { class: "search" }, input), input };
}

function choice(label, options, choose) {
  const select = h(
    "select",
    { on: { change: () => choose(select.value || null) } },
    Object.entries(options).map(([value, text]) => option(value, text)),
  );
  return { element: h("label", { class: "choice" }, h("span", null, label), select), select };
}

const option = (value, text) => h("option", { value }, text);

// A tag of the address may be none that a DAG has now.
function selectTag(select, tag) {
  if (tag && ![...select.options].some((one) => one.value === tag)) select.append(option(tag, tag));
  select.value = tag;
}

// What has no field of its own, or may stand there several times.
function chips(query, change) {
  const found = [];
  if (query.owner) found.push(chip(`Owner: ${query.owner}`, () => change({ owner: null })));
  for (const tag of (query.tag ?? []).slice(1)) {
    found.push(chip(`Tag: ${tag}`, () => change({ tag: query.tag.filter((one) => one !== tag) })));
  }
  return found;
}

const chip = (text, remove) =>
  h(
    "span",
    { class: "chip" },
    text,
    h("button", { type: "button", class: "icon-button", "aria-label": `Remove ${text}`, on: { click: remove } }, "×"),
  );
