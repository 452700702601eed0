/**
 * What changes on the server, by one EventSource for the whole page.
 *
 *   const unsubscribe = subscribe({ dagId, runId }, (event) => ...)   // both optional; unsubscribe in the view's cleanup
 *   event = { type: "run_created" | "run_changed" | "run_ended" | "run_deleted" | "task_changed",
 *             dag_id, run_id, execution_date, state, task_id?, try_number? }
 *   event = { type: "gap" }: events may be missing, so read everything again
 *   const changed = calmly(() => refresh(), 1000)   // at most one refresh a second, none while the page is hidden
 *
 * The browser connects again by itself. If it gives up (the server answered with an error) the page does it, after a
 * pause that grows. A page that nobody sees lets go of its stream, as browsers have few connections to one server.
 */

import { ApiError, eventSource, signIn } from "./api.js";
import { can } from "./permissions.js";

const TYPES = ["run_created", "run_changed", "run_ended", "run_deleted", "task_changed"];
// In milliseconds.
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
const HIDDEN_FOR = 20_000;
// So many times as long as a refresh takes the next one waits.
const PATIENCE = 5;

const subscribers = new Set();
const watchers = new Set();
const connection = { source: null, lastId: null, pause: FIRST_PAUSE, timer: null, state: "off" };
let hiddenTimer = null;
let unauthorized = () => {};

/** @typedef {{ type: string, dag_id?: string, run_id?: string, execution_date?: string, state?: string, task_id?: string, try_number?: number }} LiveEvent */

/**
 * @param {{ dagId?: string, runId?: string }} filter
 * @param {(event: LiveEvent) => void} handler
 * @returns {() => void} unsubscribe
 */
export function subscribe(filter, handler) {
  const subscriber = { ...filter, handler };
  subscribers.add(subscriber);
  return () => subscribers.delete(subscriber);
}

/**
 * Call `action` soon after it was asked for, but not while the page is hidden or the last call goes on, and not sooner
 * than `interval` milliseconds after that. If the server is slow the pause grows, so that open pages do not keep it busy.
 * @param {() => unknown} action
 * @param {number} interval
 * @returns {(() => void) & { cancel: () => void }} cancel it in the view's cleanup
 */
export function calmly(action, interval) {
  let timer = null;
  let busy = false;
  let asked = false;
  let next = 0;
  const run = async () => {
    timer = null;
    if (document.hidden) {
      document.addEventListener("visibilitychange", ask, { once: true });
      return;
    }
    busy = true;
    asked = false;
    const began = performance.now();
    await action();
    busy = false;
    next = performance.now() + Math.max(interval, PATIENCE * (performance.now() - began));
    if (asked) ask();
  };
  const ask = () => {
    asked = true;
    if (!busy) timer ??= setTimeout(run, Math.max(50, next - performance.now()));
  };
  ask.cancel = () => {
    clearTimeout(timer);
    busy = true;
    document.removeEventListener("visibilitychange", ask);
  };
  return ask;
}

/**
 * @param {(state: "off" | "connecting" | "live" | "lost") => void} watcher hears of each change of the connection
 * @returns {() => void} the end of it
 */
export function watchConnection(watcher) {
  watchers.add(watcher);
  watcher(connection.state);
  return () => watchers.delete(watcher);
}

/**
 * Begin, for the user of now.
 * @param {() => void} whenUnauthorized what to do if the session has ended
 */
export function connect(whenUnauthorized) {
  unauthorized = whenUnauthorized;
  disconnect();
  if (!can("can_read", "DAG Runs") || !can("can_read", "DAGs")) return;
  if (document.hidden)
    become("lost"); // It was opened in the background, and connects when somebody looks at it.
  else open();
}

/** End, for example at a sign-out. */
export function disconnect() {
  close();
  connection.lastId = null;
  connection.pause = FIRST_PAUSE;
  become("off");
}

function open() {
  const source = eventSource({ last_event_id: connection.lastId });
  connection.source = source;
  const missed = connection.state === "lost" && connection.lastId === null;
  if (connection.state === "off") become("connecting");
  source.addEventListener("open", () => {
    connection.pause = FIRST_PAUSE;
    become("live");
    if (missed) dispatch({ type: "gap" });
  });
  source.addEventListener("error", () => failed(source));
  source.addEventListener("gap", () => dispatch({ type: "gap" }));
  for (const type of TYPES) source.addEventListener(type, (message) => heard(type, message));
}

function heard(type, message) {
  connection.lastId = message.lastEventId || connection.lastId;
  dispatch({ ...JSON.parse(message.data), type });
}

function dispatch(event) {
  for (const { dagId, runId, handler } of [...subscribers]) {
    const concerns = (dagId ?? event.dag_id) === event.dag_id && (runId ?? event.run_id) === event.run_id;
    if (event.type === "gap" || concerns) handler(event);
  }
}

function failed(source) {
  if (source !== connection.source) return;
  become("lost");
  if (source.readyState === EventSource.CLOSED) retryLater();
}

function retryLater() {
  close();
  // Not all pages at the same moment, if the server was away.
  connection.timer = setTimeout(retry, connection.pause * (0.75 + Math.random() / 2));
  connection.pause = Math.min(connection.pause * 2, LONGEST_PAUSE);
}

// An EventSource does not say why it failed, so somebody else must ask.
async function retry() {
  try {
    await signIn();
    open();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) unauthorized();
    else retryLater();
  }
}

function close() {
  clearTimeout(connection.timer);
  connection.source?.close();
  connection.source = null;
}

function become(state) {
  if (connection.state === state) return;
  connection.state = state;
  for (const watcher of watchers) watcher(state);
}

function hide() {
  if (connection.state === "off") return;
  close();
  become("lost");
}

function awake() {
  clearTimeout(hiddenTimer);
  if (connection.state === "off" || (connection.source && connection.source.readyState !== EventSource.CLOSED)) return;
  close();
  connection.pause = FIRST_PAUSE;
  retry();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenTimer = setTimeout(hide, HIDDEN_FOR);
  else awake();
});
window.addEventListener("online", awake);
