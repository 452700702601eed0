/** Draws lines of a log, with the colours that they have in a terminal. */

import { h } from "../../dom.js";
import { AnsiState, pieces } from "./ansi.js";
import { readLine } from "./log_lines.js";

/**
 * @param {string[]} lines
 * @param {boolean} raw whether JSON stays JSON, and what was written over is shown
 * @param {AnsiState} [state] which colours the lines before have switched on
 * @returns {HTMLElement}
 */
export function drawBlock(lines, raw, state = new AnsiState()) {
  const read = lines.flatMap((line) => readLine(line, raw));
  return h(
    "div",
    { class: "log-block" },
    read.map((line) => drawLine(line, state, raw)),
  );
}

function drawLine({ text, level }, state, raw) {
  const parts = pieces(text, state, raw).map((piece) =>
    piece.classes === "" ? piece.text : h("span", { class: piece.classes }, piece.text),
  );
  return h("div", { class: level === null ? "line" : `line is-${level}` }, parts);
}
