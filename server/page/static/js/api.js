/**
 * The only module that calls fetch (and makes the EventSource, for live.js). Paths are unencoded segments below the API.
 *
 *   await get(["dags", dagId, "grid"], { query: { limit: 25 }, signal })   -> the JSON of the answer
 *   await send("PATCH", ["dags", dagId], { is_paused: true })              -> the JSON; what the answer warns of is shown
 *   await request("GET", ["dags"], { query })                              -> { data, headers, warnings }
 *   await text([...runPath(dagId, run), "tasks", taskId, "logs"], { query, headers }) -> { text, status, headers }
 *   await bytes([...logs], { headers: { Range } })                         -> { bytes, status, headers }
 *   get([...runPath(dagId, run), "tasks"])                                 // runPath: a run is named by its run_id
 *
 * What fails throws an ApiError; the router shows one that a view does not catch. A 401 leads to the sign-in by itself.
 * `signal` is the view's own (context.signal): its requests end with it, as an AbortError that nobody needs to catch.
 */

import { address, apiAddress } from "./address.js";

/** What went wrong: `status` (0: the server could not be reached), `code` for programs, `message` for people. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {Headers} [headers]
   */
  constructor(status, code, message, headers = new Headers()) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** @typedef {{ query?: import("./address.js").Query, body?: unknown, signal?: AbortSignal, headers?: Record<string, string>,
 *   quiet?: boolean }} Options `quiet`: a 401 does not lead to the sign-in */
/** @typedef {{ data: any, headers: Headers, warnings: string[] }} Answer */

const listeners = { unauthorized: () => {}, warned: (_warnings) => {} };

/**
 * Say what happens at a 401, and with the warnings of an answer to `send`.
 * @param {{ unauthorized: () => void, warned: (warnings: string[]) => void }} given
 */
export const listen = (given) => Object.assign(listeners, given);

/**
 * @param {string[]} path
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export const get = async (path, options) => (await request("GET", path, options)).data;

/**
 * @param {string} method
 * @param {string[]} path
 * @param {unknown} [body] sent as JSON
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function send(method, path, body, options) {
  const { data, warnings } = await request(method, path, { ...options, body });
  if (warnings.length) listeners.warned(warnings);
  return data;
}

/**
 * @param {string} method
 * @param {string[]} path
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export async function request(method, path, options = {}) {
  const response = await call(method, apiAddress(path, options.query), options);
  return { data: await json(response), headers: response.headers, warnings: warnings(response) };
}

/**
 * Read a text: a log, or code.
 * @param {string[]} path
 * @param {Options} [options] with `headers` such as Range or If-None-Match
 * @returns {Promise<{ text: string, status: number, headers: Headers }>} the status may be 206 or 304
 */
export async function text(path, options = {}) {
  const response = await call("GET", apiAddress(path, options.query), options);
  return { text: await response.text(), status: response.status, headers: response.headers };
}

/**
 * Read some bytes of a text that may grow, always anew: a log, of which a part may end within a character.
 * @param {string[]} path
 * @param {Options} [options] with the header Range
 * @returns {Promise<{ bytes: Uint8Array, status: number, headers: Headers }>} the status may be 206
 */
export async function bytes(path, options = {}) {
  const response = await call("GET", apiAddress(path, options.query), { ...options, cache: "no-store" });
  return { bytes: new Uint8Array(await response.arrayBuffer()), status: response.status, headers: response.headers };
}

/**
 * Ask who the caller is, without being led to the sign-in; begin a session with these credentials if there are any.
 * @param {string} [authorization] "Basic ..." or "Bearer ..."
 * @returns {Promise<any>} the answer of whoami; throws ApiError, whose status is 401 for who has not signed in
 */
export async function signIn(authorization) {
  if (authorization !== undefined) {
    const headers = authorization ? { Authorization: authorization } : {};
    await call("POST", apiAddress(["session"]), { headers, quiet: true });
  }
  return json(await call("GET", apiAddress(["whoami"]), { quiet: true }));
}

/**
 * @param {Options} [options]
 * @returns {Promise<any>} the answer of /health, which is beside the API and asks nobody who he is
 */
export const health = async (options) => json(await call("GET", address(["health"]), { ...options, quiet: true }));

/**
 * @param {string} dagId
 * @param {{ run_id: string }} run
 * @returns {string[]} the segments of a run
 */
export const runPath = (dagId, run) => ["dags", dagId, "dag_runs", `run_id=${run.run_id}`];

/**
 * @param {import("./address.js").Query} query
 * @returns {EventSource} for live.js
 */
export const eventSource = (query) => new EventSource(apiAddress(["events"], query));

async function call(method, url, { body, signal, headers, quiet = false, cache = "no-cache" }) {
  const response = await reach(url, {
    method,
    signal,
    headers: {
      "X-Windsock-Page": "1",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache,
    credentials: "same-origin",
    redirect: "error",
  });
  if (response.ok || response.status === 304) return response;
  const error = await failure(response);
  if (error.status === 401 && !quiet) listeners.unauthorized();
  throw error;
}

async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  }
}

async function failure(response) {
  const { code, error } = await response.json().catch(() => ({}));
  const message = typeof error === "string" ? error : `The server answered ${response.status}.`;
  return new ApiError(response.status, String(code ?? "unknown"), message, response.headers);
}

async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(response.status, "unknown", "The server's answer is not JSON.", response.headers);
  }
}

function warnings(response) {
  const header = response.headers.get("X-Windsock-Warning");
  return header ? [header] : [];
}
