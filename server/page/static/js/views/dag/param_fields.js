/**
 * Fields for the params of a DAG. They write into the conf, and follow what is typed there.
 *
 *   const fields = paramFields(params, (name, json) => ...)     fields.element;  fields.follow({ name: json });  fields.wrong()
 */

import { h, setText } from "../../dom.js";
import { exactJson } from "../../exact_json.js";

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const WRONG = { INPUT: "This is not a number", TEXTAREA: "This is not JSON" };

/** @typedef {{name: string, value: unknown, description?: string | null, schema?: Record<string, any> | null}} Param */

/**
 * @param {Param[]} params
 * @param {(name: string, json: string | null) => void} changed hears of each change; null if it is not JSON yet
 */
export function paramFields(params, changed) {
  const fields = params.map((param) => ({ name: param.name, ...field(param, (json) => changed(param.name, json)) }));
  return {
    element: h(
      "fieldset",
      { class: "params" },
      h("legend", null, "Params"),
      fields.map(({ element }) => element),
    ),
    /** @returns {string | null} the name of a param whose field has what cannot be written into the conf */
    wrong: () => fields.find(({ control }) => !control.validity.valid)?.name ?? null,
    follow: (values) => {
      for (const { name, control, write } of fields) {
        if (control !== document.activeElement && Object.hasOwn(values, name)) write(exactJson(values[name]));
      }
    },
  };
}

/**
 * @param {Param} param
 * @returns {boolean} whether it has no default and may not be null: then somebody must say what it is
 */
export const isRequired = ({ value, schema }) =>
  value === null && schema?.type !== undefined && ![schema.type].flat().includes("null");

let counter = 0;

function field(param, changed) {
  const { control, read, write: fill } = controlOf(param);
  const about = param.description ?? param.schema?.description;
  const says = h("span", { id: `param-says-${++counter}`, class: "param-says", "aria-live": "polite" });
  control.setAttribute("aria-describedby", says.id);
  // What cannot be written into the conf must not be sent as if it were there: the browser then refuses the form.
  const mark = (isWrong) => {
    control.setAttribute("aria-invalid", String(isWrong));
    control.setCustomValidity(isWrong ? WRONG[control.tagName] : "");
    setText(says, isWrong ? WRONG[control.tagName] : "");
  };
  const write = (value) => {
    fill(value);
    mark(false);
  };
  control.addEventListener("input", () => {
    const json = read();
    mark(json === null);
    changed(json);
  });
  write(param.value);
  const name = param.schema?.title ?? param.name;
  const label = h("span", null, isRequired(param) ? `${name} (required)` : name);
  const hint = about ? h("span", { class: "hint" }, about) : null;
  const isCheck = control.type === "checkbox";
  const field = h(
    "label",
    { class: isCheck ? "field-check" : "field" },
    isCheck ? [control, label] : [label, control],
    hint,
  );
  return { element: h("div", { class: "param" }, field, says), control, write };
}

function controlOf(param) {
  const { value, schema } = param;
  const types = [schema?.type ?? typeOf(value)].flat();
  const isNullable = types.includes("null") || (value === null && !isRequired(param));
  if (Array.isArray(schema?.enum)) return choice(schema.enum);
  if (types.includes("boolean") && types.length === 1) return check();
  if (types.includes("string")) return textual(schema ?? {}, isNullable);
  if (types.includes("integer") || types.includes("number")) return numeric(isNullable);
  return json();
}

function typeOf(value) {
  if (value === null) return "string";
  return JSON.isRawJSON?.(value) ? "number" : typeof value;
}

function choice(values) {
  const control = h(
    "select",
    null,
    values.map((value) => h("option", { value: JSON.stringify(value) }, label(value))),
  );
  return {
    control,
    read: () => control.value,
    write: (value) => {
      control.value = JSON.stringify(value);
    },
  };
}

const label = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function check() {
  const control = h("input", { type: "checkbox" });
  return {
    control,
    read: () => String(control.checked),
    write: (value) => {
      control.checked = value === true;
    },
  };
}

function textual({ format, maxLength }, isNullable) {
  const isLong = format === "multiline";
  const control = h(isLong ? "textarea" : "input", {
    type: isLong ? null : "text",
    maxlength: maxLength,
    placeholder: hintOf(format),
  });
  return {
    control,
    read: () => (control.value === "" && isNullable ? "null" : JSON.stringify(control.value)),
    write: (value) => {
      control.value = value === null || value === undefined ? "" : label(value);
    },
  };
}

const hintOf = (format) =>
  ({ date: "2026-01-31", "date-time": "2026-01-31T12:00:00+00:00", time: "12:00:00" })[format] ?? null;

function numeric(isNullable) {
  const control = h("input", { type: "text", inputmode: "decimal" });
  return {
    control,
    read: () => {
      const text = control.value.trim();
      if (text === "") return isNullable ? "null" : null;
      return NUMBER.test(text) ? text : null;
    },
    write: (value) => {
      control.value = value === null || value === undefined ? "" : label(value);
    },
  };
}

function json() {
  const control = h("textarea", { class: "mono", rows: "2", spellcheck: "false" });
  return {
    control,
    read: () => {
      try {
        JSON.parse(control.value);
        return control.value;
      } catch {
        return null;
      }
    },
    write: (value) => {
      control.value = JSON.stringify(value);
    },
  };
}
