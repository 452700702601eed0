/**
 * Addresses of the page and of the API, from unencoded segments. No other module encodes or joins paths.
 *
 *   address(["dags", dagId])                    -> "/base/dags/my%2Fdag"
 *   address(["dags"], { tag: ["a", "b"] })      -> "/base/dags?tag=a&tag=b"
 *   apiAddress(["dags", dagId, "grid"], query)  -> "/base/api/experimental/dags/..."
 */

const base = document.documentElement.dataset.base ?? "";
const apiRoot = `${base}/api/experimental`;

/** @typedef {Record<string, string | number | boolean | null | undefined | string[]>} Query null, undefined, "" are left out */

/**
 * @param {string[]} segments
 * @param {Query} [query]
 * @returns {string} the address of a view of the page
 */
export const address = (segments, query) => `${base}/${encoded(segments)}${queryText(query)}`;

/**
 * @param {string[]} segments
 * @param {Query} [query]
 * @returns {string} the address of an endpoint
 */
export const apiAddress = (segments, query) => `${apiRoot}/${encoded(segments)}${queryText(query)}`;

/**
 * @param {string} pathname of a URL
 * @returns {string[] | null} its unencoded segments below the base; null if it is not below it, or is malformed
 */
export function segmentsOf(pathname) {
  if (pathname !== base && !pathname.startsWith(`${base}/`)) return null;
  try {
    const segments = pathname.slice(base.length).split("/").filter(Boolean).map(decodeURIComponent);
    // No name in a database has it.
    return segments.some((segment) => segment.includes("\0")) ? null : segments;
  } catch {
    return null;
  }
}

/**
 * @param {Query} [query]
 * @returns {string} "?a=1&b=2", or "" if there is nothing to say
 */
export function queryText(query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) {
      if (one !== null && one !== undefined && one !== "") search.append(name, String(one));
    }
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

const encoded = (segments) => segments.map(encodeURIComponent).join("/");
