/** What one may do with a log that is shown: find text and errors in it, go to its start and end, wrap its lines. */

import { h, setText } from "../../dom.js";

/**
 * @param {HTMLElement} download a link to the whole log
 * @returns {{element: HTMLElement, raw: () => boolean, use: (view: object) => void, drawn: () => void}} `use`: the view
 *   that is shown from now on; `drawn`: it has other lines now
 */
export function logControls(download) {
  const shown = { view: null };
  const search = searchField(shown);
  const problems = problemsButton(shown);
  const raw = h("input", { type: "checkbox" });
  const wrap = h("input", { type: "checkbox", checked: true });
  const wrapped = () => shown.view.element.classList.toggle("is-unwrapped", !wrap.checked);
  raw.addEventListener("change", () => shown.view.redraw());
  wrap.addEventListener("change", wrapped);
  const button = (text, label, click) =>
    h("button", { type: "button", class: "button small", "aria-label": label, title: label, on: { click } }, text);
  const element = h(
    "div",
    { class: "row log-controls" },
    search.element,
    problems.element,
    button("Start", "To the start of the log", () => shown.view.toStart()),
    button("End", "To the end of the log", () => shown.view.toEnd()),
    h("label", { class: "field-check" }, wrap, "Wrap"),
    h(
      "label",
      { class: "field-check", title: "Show lines of JSON as they are, and what was written over" },
      raw,
      "Raw",
    ),
    download,
  );
  return {
    element,
    raw: () => raw.checked,
    use: (view) => {
      shown.view?.finder.clear();
      shown.view = view;
      wrapped();
    },
    drawn: () => {
      problems.update();
      search.update();
    },
  };
}

function searchField(shown) {
  const input = h("input", { type: "search", placeholder: "Find in the log", "aria-label": "Find in the log" });
  const count = h("span", { class: "hint", role: "status" });
  const say = () => {
    const { found, current, isFull, text } = shown.view.finder;
    const which = current < 0 ? "" : `${current + 1} of `;
    setText(count, text === "" ? "" : `${which}${found.length}${isFull ? " or more" : ""} found`);
  };
  const find = () => {
    shown.view.finder.find(input.value);
    say();
  };
  const go = (step) => {
    shown.view.finder.go(step);
    say();
  };
  input.addEventListener("input", () => {
    find();
    if (input.value !== "") go(1);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  });
  return {
    element: h("div", { class: "row log-search" }, input, count),
    update: () => {
      if (input.value !== "") find();
    },
  };
}

/** Goes from one line to the next that tells of an error: that is why people open a log. */
function problemsButton(shown) {
  const element = h("button", { type: "button", class: "button small", title: "To the next line with an error" });
  let at = null;
  element.addEventListener("click", () => {
    const all = shown.view.problems();
    at = all[(all.indexOf(at) + 1) % all.length];
    at.scrollIntoView({ block: "center" });
    for (const line of all) line.classList.toggle("is-current", line === at);
  });
  return {
    element,
    update: () => {
      const count = shown.view.problems().length;
      element.hidden = count === 0;
      setText(element, count === 1 ? "1 error line" : `${count} error lines`);
    },
  };
}
