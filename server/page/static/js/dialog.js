/**
 * Questions, as modal <dialog>s: Escape and Cancel close them, and the focus returns to where it was.
 *
 *   if (await confirm({ title: "Delete run?", text: "Its 3 tasks are deleted too.", action: "Delete", danger: true })) ...
 *   const done = await ask({ title, body: form fields (nodes), action: "Create", submit: async () => send(...) })
 *
 * `ask` stays open while `submit` runs, and shows the message of what it throws; so a form is not lost by an error.
 */

import { h, setText } from "./dom.js";

/**
 * @param {{ title: string, text?: import("./dom.js").Child, action: string, danger?: boolean }} question
 * @returns {Promise<boolean>} whether the action was chosen
 */
export const confirm = ({ title, text, action, danger = false }) =>
  ask({ title, body: h("div", { class: "dialog-text" }, text), action, danger, submit: async () => true }).then(
    Boolean,
  );

/**
 * @template T
 * @param {{ title: string, body: import("./dom.js").Child, action: string, danger?: boolean, wide?: boolean,
 *   submit: () => Promise<T> }} form
 * @returns {Promise<T | null>} what `submit` returned; null if it was cancelled
 */
export function ask({ title, body, action, danger = false, wide = false, submit }) {
  return new Promise((resolve) => {
    let result = null;
    const error = h("p", { class: "form-error", role: "alert" });
    const go = h("button", { type: "submit", class: ["button", danger ? "danger" : "primary"] }, action);
    const cancel = h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel");
    const send = async (event) => {
      event.preventDefault();
      go.disabled = true;
      setText(error, "");
      try {
        result = await submit();
        dialog.close();
      } catch (failure) {
        setText(error, failure.message);
      } finally {
        go.disabled = false;
      }
    };
    const form = h("form", { on: { submit: send } }, body, error, h("div", { class: "dialog-buttons" }, cancel, go));
    const heading = h("h2", { id: `dialog-title-${++counter}` }, title);
    const closed = () => {
      dialog.remove();
      resolve(result);
    };
    const dialog = h(
      "dialog",
      { class: wide && "wide", "aria-labelledby": heading.id, on: { close: closed } },
      heading,
      form,
    );
    document.body.append(dialog);
    dialog.showModal();
    focusFirst(dialog, danger ? cancel : go);
  });
}

let counter = 0;

// A field to fill in comes first; a button that destroys something never has the focus by itself.
function focusFirst(dialog, otherwise) {
  const field = dialog.querySelector("[autofocus], input:not([type=hidden]), textarea, select");
  (field ?? otherwise).focus();
}
