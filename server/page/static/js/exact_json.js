/**
 * Reads JSON so that it can be written again as it was: JavaScript's numbers have fewer digits than those of JSON.
 *
 *   JSON.stringify(exactJson("[12345678901234567890, 1.0]"))     -> "[12345678901234567890,1.0]"
 */

/**
 * @param {string} text
 * @returns {any} what JSON.parse returns; but a number that would not be written as it was read is a raw one
 *   (JSON.rawJSON), where the browser has that. Throws SyntaxError.
 */
export const exactJson = (text) => JSON.parse(text, (_key, value, context) => exact(value, context?.source));

function exact(value, source) {
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return typeof JSON.rawJSON === "function" ? JSON.rawJSON(source) : value;
}
