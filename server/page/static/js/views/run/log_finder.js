/** Finds a text in the lines of a log that are shown, and marks where it is. */

/** More places than this are not marked. */
const MOST_FOUND = 2000;
const canHighlight = typeof Highlight === "function" && CSS.highlights !== undefined;

/** The places where a text is in the lines that are shown; one of them is the current one. */
export class Finder {
  /** @param {Element} place that has the lines */
  constructor(place) {
    this.place = place;
    this.text = "";
    this.found = [];
    this.current = -1;
  }

  /**
   * Looks for a text, upper and lower case alike. Goes on with the current place, if it is still there.
   * @param {string} text
   */
  find(text) {
    const isNew = text !== this.text;
    const last = isNew ? null : this.found[this.current];
    this.text = text;
    this.found = text === "" ? [] : placesOf(this.place, text.toLowerCase());
    this.current = last ? this.found.findIndex(({ line, start }) => line === last.line && start === last.start) : -1;
    this.show();
  }

  /** @param {1 | -1} step to the next or the previous place */
  go(step) {
    const count = this.found.length;
    if (count === 0) return;
    if (this.current < 0) this.current = step > 0 ? 0 : count - 1;
    else this.current = (this.current + step + count) % count;
    this.show();
    this.found[this.current].line.scrollIntoView({ block: "center" });
  }

  get isFull() {
    return this.found.length >= MOST_FOUND;
  }

  show() {
    for (const line of this.place.querySelectorAll(".is-current")) line.classList.remove("is-current");
    this.found[this.current]?.line.classList.add("is-current");
    if (!canHighlight) return;
    const ranges = this.found.map(({ line, start }) => rangeOf(line, start, this.text.length));
    CSS.highlights.set("log-found", new Highlight(...ranges));
    CSS.highlights.set("log-current", new Highlight(...ranges.slice(this.current, this.current + 1)));
  }

  clear() {
    if (!canHighlight) return;
    CSS.highlights.delete("log-found");
    CSS.highlights.delete("log-current");
  }
}

function placesOf(place, needle) {
  const found = [];
  for (const line of place.querySelectorAll(".line")) {
    const text = line.textContent.toLowerCase();
    for (let start = text.indexOf(needle); start >= 0; start = text.indexOf(needle, start + needle.length)) {
      found.push({ line, start });
      if (found.length >= MOST_FOUND) return found;
    }
  }
  return found;
}

/** A line has several text nodes, if it has colours. */
function rangeOf(line, start, length) {
  const range = new Range();
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  let at = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const end = at + node.data.length;
    if (start >= at && start < end) range.setStart(node, start - at);
    if (start + length <= end) {
      range.setEnd(node, start + length - at);
      return range;
    }
    at = end;
  }
  return range;
}
