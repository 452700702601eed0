/** "51–100 of 10,000", with a step back and forth. */

import { h, setText } from "../../dom.js";

/**
 * @param {(page: number) => void} go
 * @returns {{ element: HTMLElement, show: (now: { page: number, size: number, count: number, total: number }) => void }}
 */
export function pager(go) {
  let page = 1;
  const place = h("span", { class: "muted" });
  const button = (text, step) =>
    h("button", { type: "button", class: "button", on: { click: () => go(page + step) } }, text);
  const previous = button("Previous", -1);
  const next = button("Next", 1);
  const element = h(
    "nav",
    { class: "pager row spread", "aria-label": "Pages" },
    place,
    h("div", { class: "row" }, previous, next),
  );
  return {
    element,
    show(now) {
      ({ page } = now);
      const first = (page - 1) * now.size;
      const [from, to, total] = [first + 1, first + now.count, now.total].map((number) => number.toLocaleString("en"));
      setText(place, `${from}–${to} of ${total}`);
      previous.disabled = page === 1;
      next.disabled = first + now.count >= now.total;
      element.hidden = now.total <= now.size && page === 1;
    },
  };
}
