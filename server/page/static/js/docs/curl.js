/** The line with which a shell calls an endpoint. */

import { address } from "../address.js";
import { ways } from "../early.js";

/**
 * @param {import("./document.js").Operation} operation
 * @param {{ path: Record<string, string>, query: [string, string][], body: unknown }} examples
 * @returns {string}
 */
export function curlLine(operation, { path, query, body }) {
  const filled = operation.path.replace(/\{(\w+)\}/g, (_, name) =>
    encodeURIComponent(path[name] ?? name.toUpperCase()),
  );
  const search = query.length ? `?${new URLSearchParams(query)}` : "";
  const method = operation.method === "get" ? [] : ["-X", operation.method.toUpperCase()];
  const data =
    body === undefined ? [] : ["-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(body))];
  const root = location.origin + address([]).replace(/\/$/, "");
  return ["curl", ...credentials(), ...method, ...data, quoted(root + filled + search)].join(" ");
}

function credentials() {
  if (ways.has("password")) return ["-u", '"$WINDSOCK_USERNAME"'];
  if (ways.has("token")) return ["-H", '"Authorization: Bearer $WINDSOCK_TOKEN"'];
  return ways.has("kerberos") ? ["--negotiate", "-u", ":"] : [];
}

// Within single quotes a shell takes everything as it is, except a single quote.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
