/** The DAG files that could not be loaded: on top of the list, with file, line and reason. */

import { request } from "../../api.js";
import { h, replace } from "../../dom.js";
import { when } from "../../time.js";

const MOST = 20;

/**
 * @param {import("../../router.js").Context} context
 * @returns {{ element: HTMLElement, load: () => Promise<void> }}
 */
export function importErrors(context) {
  const element = h("section", { class: "import-errors", "aria-label": "Import errors", hidden: true });
  let shown = "";
  const load = async () => {
    if (!context.can("can_read", "ImportError")) return;
    const answer = await request("GET", ["import_errors"], { query: { limit: MOST }, signal: context.signal }).catch(
      () => null,
    );
    const text = JSON.stringify(answer?.data ?? null);
    if (answer === null || text === shown) return;
    shown = text;
    element.hidden = answer.data.length === 0;
    replace(element, answer.data.length ? content(answer) : null);
  };
  return { element, load };
}

function content({ data: errors, headers }) {
  const total = Number(headers.get("X-Total-Count") ?? errors.length);
  return [
    h(
      "h2",
      null,
      total === 1 ? "A DAG file cannot be loaded" : `${total.toLocaleString("en")} DAG files cannot be loaded`,
    ),
    errors.map((error) => entry(error, errors.length === 1)),
    total > errors.length ? h("p", { class: "hint" }, `These are the first ${errors.length}.`) : null,
  ];
}

function entry(error, open) {
  const { place, reason } = summary(error);
  return h(
    "details",
    { open },
    h(
      "summary",
      null,
      h("span", { class: "import-error-place" }, place),
      h("span", { class: "import-error-reason" }, reason),
    ),
    h("pre", { tabindex: 0, "aria-label": `Error of ${place}` }, error.stacktrace ?? ""),
    h("p", { class: "hint" }, "Noticed ", when(error.timestamp)),
  );
}

/**
 * A YAML file's error begins with "file:line: reason"; a Python one ends with the line in the file and the exception.
 * @param {{ filename: string, stacktrace: string | null }} error
 * @returns {{ place: string, reason: string }}
 */
function summary({ filename, stacktrace }) {
  const lines = (stacktrace ?? "").split("\n").filter((line) => line.trim());
  const first = lines[0] ?? "";
  if (first.startsWith(`${filename}:`)) {
    const [, number, reason] = /^:(\d+)?:?\s*(.*)$/.exec(first.slice(filename.length)) ?? [null, null, first];
    return { place: number ? `${filename}:${number}` : filename, reason };
  }
  const traced = lines.findLast((line) => line.includes(`File "${filename}", line `));
  const number = traced?.split('", line ')[1]?.match(/^\d+/)?.[0];
  return { place: number ? `${filename}:${number}` : filename, reason: lines.at(-1)?.trim() ?? "" };
}
