/** A JSON schema in words and lists. */

import { h } from "../dom.js";
import { referenceName, resolved } from "./document.js";
import { inline } from "./prose.js";

// Deeper ones are named only.
const DEEPEST = 4;

/**
 * @param {any} document
 * @param {any} schema
 * @param {number} [depth]
 * @returns {import("../dom.js").Child} the fields of an object, or of the items of a list; null if there are none
 */
export function fields(document, schema, depth = 0) {
  const whole = resolved(document, schema);
  if (!whole || depth > DEEPEST) return null;
  const choices = whole.oneOf ?? whole.anyOf;
  if (choices) return choices.map((one) => fields(document, one, depth + 1));
  if (whole.items) return fields(document, whole.items, depth);
  if (typeof whole.additionalProperties === "object" && !whole.properties) {
    return fields(document, whole.additionalProperties, depth);
  }
  if (!whole.properties) return null;
  return h(
    "dl",
    { class: "schema" },
    Object.entries(whole.properties).map(([name, value]) => [
      h(
        "dt",
        null,
        h("code", null, name),
        whole.required?.includes(name) ? null : h("span", { class: "hint" }, " optional"),
      ),
      h(
        "dd",
        null,
        h("span", { class: "hint" }, typeText(document, value)),
        " ",
        inline(resolved(document, value)?.description),
        fields(document, value, depth + 1),
      ),
    ]),
  );
}

/**
 * @param {any} document
 * @param {any} schema
 * @returns {string} such as "string or null", "list of DagRun", "one of queued, running"
 */
export function typeText(document, schema) {
  const whole = resolved(document, schema);
  if (!whole || whole === true) return "anything";
  const choices = whole.oneOf ?? whole.anyOf;
  if (choices) return [...new Set(choices.map((one) => typeText(document, one)))].join(" or ");
  if (whole.const !== undefined) return JSON.stringify(whole.const);
  if (whole.enum)
    return `one of ${whole.enum.map((one) => (one && typeof one === "string" ? one : JSON.stringify(one))).join(", ")}`;
  if (whole.items) return `list of ${typeText(document, whole.items)}`;
  const type = [whole.type ?? "anything"].flat().join(" or ");
  return [
    type === "object" ? referenceName(schema) || type : type,
    whole.format ? `(${whole.format})` : "",
    bounds(whole),
  ]
    .filter(Boolean)
    .join(" ");
}

function bounds({ minimum, maximum }) {
  if (minimum === undefined && maximum === undefined) return "";
  if (maximum === undefined) return `from ${minimum}`;
  return minimum === undefined ? `up to ${maximum}` : `${minimum} to ${maximum}`;
}
