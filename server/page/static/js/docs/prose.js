/** The small part of Markdown that the document has: paragraphs, and code between backticks. */

import { h } from "../dom.js";

/**
 * @param {string | undefined} text
 * @returns {HTMLElement[]}
 */
export const prose = (text) =>
  (text ?? "")
    .split(/\n{2,}/)
    .filter(Boolean)
    .map((part) => h("p", null, inline(part)));

/**
 * @param {string | undefined} text
 * @returns {import("../dom.js").Child[]}
 */
export const inline = (text) =>
  (text ?? "").split("`").map((part, index) => (index % 2 ? h("code", null, part) : part));
