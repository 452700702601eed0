/** One endpoint: folded up to its method, path and summary. */

import { h } from "../dom.js";
import { say } from "../toast.js";
import { curlLine } from "./curl.js";
import { resolved } from "./document.js";
import { inline, prose } from "./prose.js";
import { fields, typeText } from "./schema.js";

/**
 * @param {any} document
 * @param {import("./document.js").Operation} given
 * @returns {{ id: string, element: HTMLElement, text: string }} `text` is what one may look for
 */
export function operation(document, given) {
  const summary = h(
    "summary",
    null,
    h("span", { class: ["method", `method-${given.method}`] }, given.method.toUpperCase()),
    h("code", { class: "docs-path" }, given.path),
    h("span", { class: "docs-summary" }, given.summary),
  );
  const element = h("details", { class: "operation", id: given.operationId }, summary);
  // Most are never opened, so what is in one is drawn when it is.
  element.addEventListener(
    "toggle",
    () => element.append(h("div", { class: "operation-body" }, content(document, given))),
    {
      once: true,
    },
  );
  const text = `${given.method} ${given.path} ${given.summary} ${given.description ?? ""}`.toLowerCase();
  return { id: given.operationId, element, text };
}

function content(document, given) {
  const parameters = given.parameters.map((one) => resolved(document, one));
  const request = bodyOf(resolved(document, given.requestBody));
  return [
    prose(given.description),
    copyable(curlLine(given, examples(parameters, request))),
    parameters.length ? [h("h3", null, "Parameters"), parameterTable(document, parameters)] : null,
    request ? bodyPart(document, request) : null,
    h("h3", null, "Answers"),
    Object.entries(given.responses).map(([status, one]) => answer(document, status, resolved(document, one))),
  ];
}

const examples = (parameters, request) => ({
  path: Object.fromEntries(parameters.filter((one) => one.in === "path").map((one) => [one.name, exampleOf(one)])),
  query: parameters.filter((one) => one.in === "query" && one.required).map((one) => [one.name, exampleOf(one)]),
  body: fullest(request?.examples ?? []),
});

const fullest = (examples) =>
  examples.map(([, value]) => value).sort((one, other) => JSON.stringify(other).length - JSON.stringify(one).length)[0];

const exampleOf = (parameter) =>
  String(parameter.example ?? parameter.schema?.example ?? parameter.schema?.enum?.[0] ?? parameter.name.toUpperCase());

function bodyOf(given) {
  const content = given?.content?.["application/json"];
  if (!content) return null;
  const named = Object.entries(content.examples ?? {}).map(([name, one]) => [name, one.value]);
  return {
    description: given.description,
    schema: content.schema,
    examples: content.example === undefined ? named : [["example", content.example]],
  };
}

function copyable(text) {
  const line = h("code", null, text);
  const button = h("button", { type: "button", class: "button small", on: { click: () => copy(text, line) } }, "Copy");
  return h("div", { class: "copyable" }, h("pre", { tabindex: 0, "aria-label": "Call it with curl" }, line), button);
}

// Without TLS a browser lets no page write to the clipboard: then the line is selected, which is the next best.
async function copy(text, line) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    getSelection().selectAllChildren(line);
    say("The line is selected: copy it with Ctrl+C.");
  }
}

const parameterTable = (document, parameters) =>
  h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { class: "cards parameters", role: "table" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Name", "In", "Type", "Meaning"].map((title) => h("th", { role: "columnheader", scope: "col" }, title)),
        ),
      ),
      h(
        "tbody",
        null,
        parameters.map((one) => parameterRow(document, one)),
      ),
    ),
  );

function parameterRow(document, one) {
  const preset = one.schema?.default;
  return h(
    "tr",
    { role: "row" },
    h("th", { role: "rowheader", scope: "row" }, h("code", null, one.name)),
    cell("In", one.in),
    cell(
      "Type",
      typeText(document, one.schema),
      preset === undefined ? null : h("div", { class: "hint" }, `default ${preset}`),
    ),
    cell("Meaning", inline(one.description)),
  );
}

const cell = (title, ...children) => h("td", { role: "cell", "data-title": title }, ...children);

const bodyPart = (document, request) => [
  h("h3", null, "Body"),
  prose(request.description),
  fields(document, request.schema),
  request.examples.map(([name, value]) => example(name, value)),
];

function answer(document, status, given) {
  const content = given.content?.["application/json"];
  const named = Object.entries(content?.examples ?? {}).map(([name, one]) => [name, one.value]);
  const shown = content?.example === undefined ? named : [["example", content.example]];
  const success = status.startsWith("2");
  return h(
    "details",
    { class: "answer", open: success },
    h("summary", null, h("b", null, status), " ", inline(given.description)),
    headers(document, given.headers),
    content ? fields(document, content.schema) : null,
    shown.map(([name, value]) => example(name, value)),
  );
}

function headers(document, given) {
  const all = Object.entries(given ?? {});
  if (all.length === 0) return null;
  return h(
    "dl",
    { class: "schema" },
    all.map(([name, one]) => [
      h("dt", null, h("code", null, name)),
      h("dd", null, inline(resolved(document, one).description)),
    ]),
  );
}

const example = (name, value) => [
  h("p", { class: "hint" }, name === "example" ? "Example" : `Example: ${name}`),
  h("pre", { tabindex: 0, "aria-label": "Example" }, JSON.stringify(value, null, 2)),
];
