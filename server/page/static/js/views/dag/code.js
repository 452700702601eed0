/** The source of a DAG's file, with the numbers of its lines. */

import { text } from "../../api.js";
import { h, replace } from "../../dom.js";
import { notice } from "../../failure.js";

/**
 * @param {HTMLElement} panel
 * @param {{dagId: string, context: object}} dag
 */
export async function showCode(panel, { dagId, context }) {
  try {
    const { text: source } = await text(["dags", dagId, "code"], { signal: context.signal });
    replace(panel, sourceView(source));
  } catch (error) {
    if (error.status !== 404 && error.status !== 409) throw error;
    replace(panel, notice({ title: "There is no code to show", text: h("p", null, error.message) }));
  }
}

function sourceView(source) {
  const count = source.replace(/\n$/, "").split("\n").length;
  const numbers = Array.from({ length: count }, (_, place) => place + 1).join("\n");
  return h(
    "div",
    { class: "source" },
    h("pre", { class: "source-numbers", "aria-hidden": "true" }, numbers),
    h(
      "pre",
      { class: "source-code", tabindex: "0", role: "region", "aria-label": "Source of the DAG" },
      h("code", null, source),
    ),
  );
}
