/** What is said where no DAG is shown. */

import { address } from "../../address.js";
import { get, request } from "../../api.js";
import { h, link, setText } from "../../dom.js";
import { notice } from "../../failure.js";
import { canEverywhere } from "../../permissions.js";
import { NO_FILTER } from "./filters.js";

const goneText = (count) =>
  count === 1 ? "Show the DAG whose file is gone" : `Show the ${count.toLocaleString("en")} DAGs whose files are gone`;

const EXAMPLE = `hello:
  description: Says hello
  tasks:
    say_hello:
      operator: airflow.operators.bash.BashOperator
      bash_command: echo hello
`;

/**
 * @param {Record<string, any>} query
 * @param {(none: Record<string, unknown>) => void} change
 * @returns {HTMLElement}
 */
export function emptyNotice(query, change) {
  if (query.search || query.state || query.owner || query.paused || query.gone || query.tag?.length) {
    const all = () => change({ ...NO_FILTER, page: null });
    return notice({
      title: "No DAG matches",
      text: h("p", null, "All that is chosen above must apply to a DAG at once."),
      actions: h("button", { type: "button", class: "button primary", on: { click: all } }, "Show all DAGs"),
    });
  }
  const title = h("span", null, "There are no DAGs yet");
  const text = h("div", { class: "stack" }, h("p", null, "As soon as there is one, it appears here."));
  explain(title, text);
  return notice({ title, text });
}

/** @returns {Promise<number>} how many DAGs there are whose file is there, or whose file is gone */
export const countDags = async (active) =>
  Number((await request("GET", ["dags"], { query: { active, limit: 1 } })).headers.get("X-Total-Count"));

async function explain(title, place) {
  const [version, gone] = await Promise.all([get(["version"]).catch(() => null), countDags(false).catch(() => 0)]);
  if (gone > 0) {
    setText(title, "There are no DAGs with a file");
    place.append(h("p", null, link(address([], { gone: "true" }), goneText(gone))));
  }
  if (!canEverywhere("can_read", "DAGs")) place.append(h("p", null, "Or there is none that you may read."));
  if (version === null) return;
  if (version.airflow) {
    place.append(
      h("p", null, `Airflow ${version.airflow} writes its DAGs into this database when it has loaded them.`),
    );
  } else {
    place.append(
      h(
        "p",
        null,
        "Write a DAG into a file such as ",
        h("code", null, "dags/hello.yaml"),
        ". It is loaded within seconds:",
      ),
      h("pre", null, EXAMPLE),
    );
  }
}
