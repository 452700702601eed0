/**
 * Tabs in the pattern of ARIA: one Tab key reaches them, the arrow keys choose, and a panel is made when it is shown.
 *
 *   const { element, cleanup } = tabs({ label: "Parts of the DAG", tabs: [{ id: "graph", title: "Graph", show }], current,
 *                                       changed: (id) => context.setQuery({ tab: id }) })
 *   show(panel) fills the panel, may be async, and may return a function that cleans up
 */

import { h, replace } from "./dom.js";
import { showFailure } from "./failure.js";

/** @typedef {{ id: string, title: string, show: (panel: HTMLElement) => unknown }} Tab */

/**
 * @param {{ label: string, tabs: Tab[], current: string | null, changed: (id: string) => void }} given `current`: which
 *   tab is shown at first; the first one if it names none
 * @returns {{ element: HTMLElement, cleanup: () => void }}
 */
export function tabs({ label, tabs: all, current, changed }) {
  const panel = h("div", { class: "tab-panel", role: "tabpanel", id: "tab-panel", tabindex: "0" });
  const buttons = new Map(all.map((tab) => [tab.id, button(tab, () => choose(tab))]));
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label, on: { keydown: move } }, [
    ...buttons.values(),
  ]);
  let shown = { id: null, cleanup: null };

  function choose(tab) {
    if (tab.id === shown.id) return;
    changed(tab.id);
    open(tab);
  }

  async function open(tab) {
    shown.cleanup?.();
    shown = { id: tab.id, cleanup: null };
    const mine = shown;
    for (const [id, each] of buttons) select(each, id === tab.id);
    panel.setAttribute("aria-labelledby", buttons.get(tab.id).id);
    const body = h("div", { class: `tab-${tab.id}` });
    replace(panel, body);
    const cleanup = await filled(body, tab, () => mine === shown && open(tab));
    if (mine === shown) shown.cleanup = cleanup;
    else cleanup?.();
  }

  function move(event) {
    const places = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    if (!(event.key in places) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const at = all.findIndex(({ id }) => id === shown.id);
    const wanted = { Home: 0, End: all.length - 1 }[event.key] ?? (at + places[event.key] + all.length) % all.length;
    choose(all[wanted]);
    buttons.get(all[wanted].id).focus();
  }

  open(all.find(({ id }) => id === current) ?? all[0]);
  return {
    element: h("div", { class: "tabbed" }, list, panel),
    cleanup: () => {
      shown.cleanup?.();
      shown = { id: null, cleanup: null };
    },
  };
}

const button = ({ id, title }, click) =>
  h(
    "button",
    { type: "button", role: "tab", id: `tab-${id}`, class: "tab", "aria-controls": "tab-panel", on: { click } },
    title,
  );

function select(element, isSelected) {
  element.setAttribute("aria-selected", String(isSelected));
  element.tabIndex = isSelected ? 0 : -1;
}

async function filled(body, tab, retry) {
  try {
    return await tab.show(body);
  } catch (error) {
    if (error.name !== "AbortError") showFailure(body, error, retry, "h2");
    return null;
  }
}
