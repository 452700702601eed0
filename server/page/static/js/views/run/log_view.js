/**
 * Shows a log: its lines in a window that one may move to the start and to the end, and that follows while it grows.
 *
 *   const view = logView(log, { raw })       log: a LogWindow
 *   view.element;  await view.toEnd();  await view.follow();  view.finder;  view.problems()
 */

import { h, replace } from "../../dom.js";
import { AnsiState } from "./ansi.js";
import { drawBlock, Finder } from "./log_lines_view.js";

/** How near to its end a log counts as being at the end, in pixels. */
const NEAR = 40;

/**
 * @param {import("./log_window.js").LogWindow} log
 * @param {{raw: () => boolean, drawn: () => void}} how `drawn` is called when there are other lines
 */
export function logView(log, { raw, drawn }) {
  const blocks = h("div", { class: "log-blocks" });
  const rest = h("div", { class: "log-block log-rest" });
  const earlier = moreButton("Earlier lines", () => keepPlace(() => log.earlier()));
  const later = moreButton("Later lines", () => show(() => log.later()));
  const element = h(
    "div",
    { class: "log", tabindex: "0", role: "region", "aria-label": "Log" },
    earlier,
    blocks,
    rest,
    later,
  );
  const finder = new Finder(element);
  const drawnBlocks = new Map();
  let isBusy = false;

  function draw() {
    for (const [block, node] of drawnBlocks) {
      if (log.blocks.includes(block)) continue;
      node.remove();
      drawnBlocks.delete(block);
    }
    let next = blocks.firstElementChild;
    for (const block of log.blocks) {
      if (!drawnBlocks.has(block)) drawnBlocks.set(block, drawBlock(block.lines, raw(), new AnsiState()));
      const node = drawnBlocks.get(block);
      if (node === next) next = node.nextElementSibling;
      else blocks.insertBefore(node, next);
    }
    replace(rest, log.rest === "" ? null : drawBlock([log.rest], raw()).children);
    earlier.hidden = log.start === 0;
    later.hidden = log.isAtEnd;
    drawn();
  }

  async function show(change) {
    if (isBusy) return false;
    isBusy = true;
    try {
      const result = await change();
      draw();
      return result;
    } finally {
      isBusy = false;
    }
  }

  /** Lines that come above must not move those that one reads. */
  async function keepPlace(change) {
    const [anchor, before] = [blocks.firstElementChild, element.scrollTop];
    const top = anchor?.offsetTop ?? 0;
    await show(change);
    element.scrollTop = before + ((anchor?.offsetTop ?? 0) - top);
  }

  const isAtBottom = () => element.scrollTop + element.clientHeight >= element.scrollHeight - NEAR;
  const toBottom = () => element.scrollTo(0, element.scrollHeight);
  return {
    element,
    finder,
    redraw: () => {
      for (const node of drawnBlocks.values()) node.remove();
      drawnBlocks.clear();
      draw();
    },
    toEnd: async () => {
      await show(() => log.toEnd());
      toBottom();
    },
    toStart: async () => {
      await show(() => log.toStart());
      element.scrollTo(0, 0);
    },
    /** Reads what is new; stays at the end if one is there, and else where one is. */
    follow: async () => {
      if (isBusy || !log.isAtEnd) return;
      const stays = isAtBottom();
      isBusy = true;
      const isNew = await log.later().finally(() => {
        isBusy = false;
      });
      if (!isNew) return;
      draw();
      if (stays) toBottom();
    },
    problems: () => [...element.querySelectorAll(".line.is-error")],
  };
}

const moreButton = (text, click) =>
  h("button", { type: "button", class: "button small log-more", hidden: true, on: { click: () => click() } }, text);
