/**
 * Shows a log: its lines in a window that one may move to the start and to the end, and that follows while it grows.
 *
 *   const view = new LogView(log, { raw, drawn })       log: a LogWindow
 *   view.element;  await view.toEnd();  await view.follow();  view.finder;  view.problems()
 */

import { h, replace } from "../../dom.js";
import { drawBlock } from "./log_block.js";
import { Finder } from "./log_finder.js";

/** How near to its end a log counts as being at the end, in pixels. */
const NEAR = 40;

export class LogView {
  /**
   * @param {import("./log_window.js").LogWindow} log
   * @param {{raw: () => boolean, drawn: () => void}} how `drawn` is called when there are other lines
   */
  constructor(log, { raw, drawn }) {
    this.log = log;
    this.raw = raw;
    this.drawn = drawn;
    this.earlier = moreButton("Earlier lines", () => this.toEarlier());
    this.later = moreButton("Later lines", () => this.change(() => log.later()));
    this.blocks = h("div", { class: "log-blocks" });
    this.rest = h("div", { class: "log-block log-rest" });
    const parts = [this.earlier, this.blocks, this.rest, this.later];
    this.element = h("div", { class: "log", tabindex: "0", role: "region", "aria-label": "Lines of the log" }, parts);
    this.finder = new Finder(this.element);
    this.drawnBlocks = new Map();
    this.isBusy = false;
  }

  /** Shows the last lines. Throws ApiError, as the others do. */
  async toEnd() {
    await this.change(() => this.log.toEnd());
    this.toBottom();
  }

  /** Shows the first lines. */
  async toStart() {
    await this.change(() => this.log.toStart());
    this.element.scrollTo(0, 0);
  }

  /** Shows more lines above; those that one reads stay where they are. */
  async toEarlier() {
    const [anchor, before] = [this.blocks.firstElementChild, this.element.scrollTop];
    const top = anchor?.offsetTop ?? 0;
    await this.change(() => this.log.earlier());
    this.element.scrollTop = before + (anchor?.offsetTop ?? 0) - top;
  }

  /** Reads what is new; stays at the end if one is there, and else where one is. */
  async follow() {
    if (!this.log.isAtEnd) return;
    const stays = this.isAtBottom;
    const isNew = await this.change(() => this.log.later());
    if (isNew && stays) this.toBottom();
  }

  get isAtBottom() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    return scrollTop + clientHeight >= scrollHeight - NEAR;
  }

  toBottom() {
    this.element.scrollTo(0, this.element.scrollHeight);
  }

  /** @returns {Element[]} the lines that tell of an error */
  problems() {
    return [...this.element.querySelectorAll(".line.is-error")];
  }

  /** Draws all lines in another way. */
  redraw() {
    this.blocks.replaceChildren();
    this.drawnBlocks.clear();
    this.draw();
  }

  async change(read) {
    if (this.isBusy) return false;
    this.isBusy = true;
    try {
      const isNew = await read();
      if (isNew !== false) this.draw();
      return isNew;
    } finally {
      this.isBusy = false;
    }
  }

  draw() {
    for (const [block, node] of this.drawnBlocks) {
      if (this.log.blocks.includes(block)) continue;
      node.remove();
      this.drawnBlocks.delete(block);
    }
    let next = this.blocks.firstElementChild;
    for (const block of this.log.blocks) {
      const node = this.nodeOf(block);
      if (node === next) next = node.nextElementSibling;
      else this.blocks.insertBefore(node, next);
    }
    replace(this.rest, this.log.rest === "" ? null : [...drawBlock([this.log.rest], this.raw()).children]);
    this.earlier.hidden = this.log.start === 0;
    this.later.hidden = this.log.isAtEnd;
    this.drawn();
  }

  nodeOf(block) {
    if (!this.drawnBlocks.has(block)) this.drawnBlocks.set(block, drawBlock(block.lines, this.raw()));
    return this.drawnBlocks.get(block);
  }
}

const moreButton = (text, click) =>
  h("button", { type: "button", class: "button small log-more", hidden: true, on: { click } }, text);
