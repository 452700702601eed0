/**
 * An editor for the conf of a run, which checks the JSON while somebody types and says where it is wrong.
 *
 *   const editor = confEditor(text, (members) => ...)
 *   editor.element;  editor.text();  editor.set(name, json);  editor.say()     // says anew whether it is valid
 *   editor.check()                                                             // throws, and shows where
 */

import { h, replace } from "../../dom.js";
import { checkObject, withMember } from "./json_text.js";

/**
 * @param {string} first what is in it at first
 * @param {(values: Record<string, string>) => void} changed hears of valid JSON: the JSON of each member by its key
 * @param {() => string | null} wrongParam the name of a param whose field has what the conf cannot have
 */
export function confEditor(first, changed, wrongParam) {
  const area = h("textarea", {
    class: "conf mono",
    rows: "8",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    "aria-describedby": "conf-says",
  });
  area.value = first;
  const says = h("p", { id: "conf-says", class: "conf-says", role: "status" });

  function check() {
    const { members, problem } = checkObject(area.value);
    area.setAttribute("aria-invalid", String(problem !== null));
    const wrong = wrongParam();
    says.classList.toggle("is-wrong", problem !== null || wrong !== null);
    replace(says, problem ? sayProblem(problem, area) : sayValid(members, wrong));
    return { problem };
  }

  area.addEventListener("input", () => {
    const { members, problem } = checkObject(area.value);
    if (problem === null) changed(valuesOf(area.value, members));
    check();
  });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.form.requestSubmit();
  });
  check();
  return {
    element: h("div", { class: "field" }, h("label", { class: "field" }, h("span", null, "Conf (JSON)"), area), says),
    text: () => area.value,
    set: (name, json) => {
      if (checkObject(area.value).problem !== null) return;
      area.value = withMember(area.value, name, json);
      check();
    },
    say: check,
    check: () => {
      const { problem } = check();
      if (problem === null) return;
      goTo(area, problem.position);
      throw new Error(`The conf is not valid JSON. ${placeOf(problem)}: ${problem.message}.`);
    },
  };
}

const placeOf = ({ line, column }) => `Line ${line}, column ${column}`;

function sayProblem(problem, area) {
  const go = h(
    "button",
    { type: "button", class: "button small", on: { click: () => goTo(area, problem.position) } },
    "Go there",
  );
  return [h("span", null, `${placeOf(problem)}: ${problem.message}.`), go];
}

function sayValid(members, wrong) {
  if (wrong !== null) return `The field of "${wrong}" is not valid, so the conf does not have what is in it.`;
  const names = members.map(({ key }) => key);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) return `"${twice}" is there twice: the last one counts.`;
  return names.length === 0 ? "No conf" : "Valid JSON";
}

function goTo(area, position) {
  area.focus();
  area.setSelectionRange(position, position + 1);
}

const valuesOf = (text, members) =>
  Object.fromEntries(members.map(({ key, valueStart, end }) => [key, text.slice(valueStart, end)]));
