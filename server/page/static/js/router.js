/**
 * Which view an address shows. A view is a module `views/<name>.js`:
 *
 *   export async function show(main, params, context) { ...; return () => cleanup }
 *
 * `main` is the empty <main>; put an <h1> in it: it gets the focus, and its text becomes the title unless the view calls
 * context.title(). Render a heading before you wait for data if the data may take long. `params` are those of the address
 * (params.dagId, params.runId, params.taskId). The context has
 *   query      URLSearchParams of the address
 *   setQuery   ({ tab: "graph" }) changes the query in place: no reload, no new step back; {push: true} makes one
 *   navigate   (segments or address, { replace }) goes to another view
 *   signal     AbortSignal: aborted when the view is left; give it to get(), text() and addEventListener
 *   can        (action, resource, dagId), see permissions.js
 *   title      (text) sets the document's title
 *   reload     () shows the view anew
 * What `show` throws is shown in its place by failure.js, with "Try again". Links are taken by a listener on the document,
 * so every <a href> of the page's own addresses stays in the page, and opens elsewhere with Ctrl, middle button and target.
 */

import { address, queryText, segmentsOf } from "./address.js";
import { health } from "./api.js";
import { showAbsent, showFailure } from "./failure.js";
import { can } from "./permissions.js";

/** @typedef {{ query: URLSearchParams, signal: AbortSignal, can: typeof can, navigate: typeof navigate,
 *   reload: typeof reload, setQuery: typeof setQuery, title: (text: string) => void }} Context */
/** @typedef {(main: Element, params: Record<string, string>, context: Context) => unknown} View */

const VIEWS = [
  [[], "dags"],
  [["dags", ":dagId"], "dag"],
  [["dags", ":dagId", "runs", ":runId"], "run"],
  [["dags", ":dagId", "runs", ":runId", "tasks", ":taskId"], "run"],
  [["runs"], "runs"],
  [["pools"], "pools"],
  [["status"], "status"],
  [["sign-in"], "sign_in"],
  [["admin", "airflow", "graph"], "graph_address"],
];

// In milliseconds: what still fails after a reload does not reload the page again and again.
const ONCE_IN = 10_000;

let current = { cleanup: null, abort: new AbortController(), pathname: null };
let guard = () => null;
let navigated = () => {};
let turn = 0;
let started = false;

/**
 * Show the view of the address, and from now on that of each address to which one goes.
 * @param {{ guard: () => string | null, navigated: (segments: string[]) => void }} given `guard` may name
 *   another view instead; `navigated` hears of each view that is shown
 */
export function startRouter(given) {
  started = true;
  guard = given.guard;
  navigated = given.navigated;
  history.scrollRestoration = "manual";
  document.addEventListener("click", follow);
  window.addEventListener("popstate", () => go({ scroll: history.state?.scroll ?? 0 }));
  window.addEventListener("pagehide", keepScroll);
  return go({ first: true, scroll: history.state?.scroll ?? 0 });
}

/** Load the module of the view of the address, while something else is waited for. */
export function loadAhead() {
  const { name } = find(location.pathname) ?? { name: "missing" };
  // Whatever is wrong is said when the view is to be shown.
  import(`./views/${name}.js`).catch(() => {});
}

/**
 * @param {string[] | string} path segments, or what `address` returned
 * @param {{ replace?: boolean }} [options]
 * A page without views, such as that of the API, is left.
 */
export function navigate(path, { replace = false } = {}) {
  const url = typeof path === "string" ? path : address(path);
  if (!started) return replace ? location.replace(url) : location.assign(url);
  if (replace) {
    history.replaceState(null, "", url);
  } else {
    keepScroll();
    history.pushState(null, "", url);
  }
  return go({});
}

/** Show the view of now anew. */
export const reload = () => go({ scroll: window.scrollY, quiet: true });

/**
 * @param {string} url
 * @returns {boolean} whether it is an address of a view of this page
 */
export function isView(url) {
  const target = URL.parse(url, location.href);
  return target !== null && target.origin === location.origin && find(target.pathname) !== null;
}

async function go({ first = false, quiet = false, scroll = 0 }) {
  const mine = ++turn;
  leave();
  const found = find(location.pathname) ?? { name: "missing", params: {} };
  const name = guard() ?? found.name;
  const main = document.getElementById("main");
  main.className = `view-${name.replaceAll("_", "-")}`;
  main.replaceChildren();
  main.setAttribute("aria-busy", "true");
  navigated(segmentsOf(location.pathname) ?? []);
  const context = newContext();
  await render(name, main, found.params, context);
  if (mine !== turn) return;
  main.removeAttribute("aria-busy");
  window.scrollTo(0, scroll);
  if (!context.titled) context.title(main.querySelector("h1")?.textContent ?? "");
  if (!first && !quiet) focusHeading(main);
}

async function render(name, main, params, context) {
  const view = current;
  try {
    const module = await load(name);
    if (view !== current) return;
    const cleanup = await module.show(main, params, context);
    if (view === current) view.cleanup = cleanup;
    else cleanup?.();
  } catch (error) {
    if (view !== current || error.name === "AbortError") return;
    if (error.status === 404) showAbsent(main, error, params);
    else showFailure(main, error, reload);
  }
}

// A page that was open while the server got another version cannot load views of its own version any more.
async function load(name) {
  try {
    return await import(`./views/${name}.js`);
  } catch (error) {
    await health();
    if (reloadedAgo() > ONCE_IN) location.reload();
    throw error;
  }
}

function reloadedAgo() {
  const [entry] = performance.getEntriesByType("navigation");
  return entry?.type === "reload" ? performance.now() : Number.POSITIVE_INFINITY;
}

function newContext() {
  const context = {
    query: new URLSearchParams(location.search),
    signal: current.abort.signal,
    titled: false,
    can,
    navigate,
    reload,
    setQuery,
    title(text) {
      context.titled = true;
      document.title = text ? `${text} – Windsock` : "Windsock";
    },
  };
  return context;
}

function setQuery(query, { push = false } = {}) {
  const url = location.pathname + queryText(query);
  if (push) {
    keepScroll();
    history.pushState(null, "", url);
  } else {
    history.replaceState(history.state, "", url);
  }
}

function leave() {
  current.abort.abort();
  current.cleanup?.();
  current = { cleanup: null, abort: new AbortController() };
}

function find(pathname) {
  const segments = segmentsOf(pathname);
  if (segments === null) return null;
  for (const [pattern, name] of VIEWS) {
    const params = match(pattern, segments);
    if (params) return { name, params };
  }
  return null;
}

function match(pattern, segments) {
  if (pattern.length !== segments.length) return null;
  const params = {};
  for (const [index, part] of pattern.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = segments[index];
    else if (part !== segments[index]) return null;
  }
  return params;
}

function follow(event) {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  ) {
    return;
  }
  const anchor = event.target instanceof Element ? event.target.closest("a[href]") : null;
  const href = anchor?.getAttribute("href");
  if (!href || href.startsWith("#") || anchor.target || anchor.hasAttribute("download") || !isView(href)) return;
  event.preventDefault();
  navigate(href);
}

const keepScroll = () => history.replaceState({ ...history.state, scroll: window.scrollY }, "");

// So that a screen reader says where one is now, and the next Tab goes on from there.
function focusHeading(main) {
  if (main.contains(document.activeElement)) return;
  const heading = main.querySelector("h1");
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}
