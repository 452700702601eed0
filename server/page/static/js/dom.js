/**
 * The only module that makes elements. Every text becomes a text node, so nothing that the server sends is ever markup.
 *
 *   h("button", { class: "button", type: "button", on: { click } }, "Pause")
 *   h("p", null, "Runs: ", h("b", null, count), unknown && "?")     // null, undefined and false children are skipped
 *   svg("rect", { x: 0, y: 0, width: 8, height: 8, class: "state-failed" })
 *   link(["dags", dagId], dagId)                                    // an <a> that the router takes
 *   replace(node, ...children)                                      // instead of what is in it now
 *   element.style.setProperty("--share", "40%")                     // styles: through CSSOM, never as an attribute
 */

import { address } from "./address.js";

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */
/** @typedef {Record<string, unknown> & { on?: Record<string, EventListener> }} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Attributes | null} [attributes] true means an empty value; null, undefined and false leave one out;
 *   a list of classes may have gaps; `on` has listeners by the event's name
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

/**
 * The same for an element of a drawing.
 * @param {string} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

/**
 * @param {string[] | string} path segments of a view, unencoded; or what `address` has returned
 * @param {...Child} children
 * @returns {HTMLAnchorElement}
 */
export const link = (path, ...children) =>
  h("a", { href: typeof path === "string" ? path : address(path) }, ...children);

/**
 * @param {Element} node
 * @param {...Child} children what it has from now on
 * @returns {Element} the node
 */
export function replace(node, ...children) {
  node.replaceChildren();
  for (const each of nodes(children)) node.append(each);
  return node;
}

/**
 * Set the text of an element only if it is another one: so nothing is drawn or read aloud twice.
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  // One by one: a call has only so many arguments.
  for (const node of nodes(children)) element.append(node);
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (name === "class" && Array.isArray(value)) {
    element.setAttribute("class", value.filter(Boolean).join(" "));
  } else {
    refuseCode(name);
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

// What would run or style by its text is refused by the Content-Security-Policy, too; here it fails at once.
function refuseCode(name) {
  if (name === "style" || name === "srcdoc" || name.startsWith("on")) {
    throw new Error(`The attribute ${name} is not allowed`);
  }
}

const nodes = (children) =>
  children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
