/**
 * Messages that need no answer: shown for a while, and read aloud.
 *
 *   say("The run was stopped.")
 *   say(error.message, "error")      // stays until it is closed
 *   announce("12 DAGs")              // read aloud alone, for what one sees anyway
 */

import { h, setText } from "./dom.js";

const SHOWN_FOR = 6000;
const MOST = 4;

/**
 * @param {string} message
 * @param {"done" | "warning" | "error"} [kind]
 */
export function say(message, kind = "done") {
  const box = document.getElementById(kind === "error" ? "alerts" : "messages");
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close message" }, "×");
  const toast = h("div", { class: ["toast", `toast-${kind}`] }, h("span", null, message), close);
  close.addEventListener("click", () => toast.remove());
  box.append(toast);
  while (box.children.length > MOST) box.firstElementChild.remove();
  if (kind === "done") vanish(toast);
}

/** @param {string} message */
export const announce = (message) => setText(document.getElementById("announcements"), message);

// What one points at or has the focus in stays.
function vanish(toast) {
  setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) vanish(toast);
    else toast.remove();
  }, SHOWN_FOR);
}
