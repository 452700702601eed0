/**
 * Reads the colours of terminals (ANSI escape sequences) in a log: turns a line into pieces of text with classes. All
 * other sequences, and control characters that would not be seen, are left out. Pure, without a document.
 */

const ESCAPE = "\u001b";
/** What may follow an ESC: "[ ... m" and its like, a text that a control character ends ("] ..."), or a short one. */
const SEQUENCE = /^(?:\[([0-9;:]*)([ -/]*[@-~])|[\]PX^_](?:.*?\p{Cc}|.*$)|[ -/]*[0-~])/u;
/** Characters that would turn the letters around them, so that a line says something else than is written. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
/** Control characters without the tab. */
const UNSEEN = /[\p{Cc}--\t]/gv;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** @typedef {{text: string, classes: string}} Piece the classes are separated by spaces */

const codeOf = (character) => `<U+${character.codePointAt(0).toString(16).toUpperCase()}>`;

/** What is switched on at the moment: it lasts until a sequence switches it off, over the ends of lines. */
export class AnsiState {
  constructor() {
    this.reset();
  }

  reset() {
    this.styles = new Set();
    this.foreground = null;
    this.background = null;
  }

  classes() {
    const colours = [this.foreground && `ansi-${this.foreground}`, this.background && `ansi-on-${this.background}`];
    return [...[...this.styles].map((style) => `ansi-${style}`), ...colours].filter(Boolean).join(" ");
  }

  /** Applies the numbers of one sequence "ESC [ ... m". */
  apply(parameters) {
    const numbers = parameters.split(/[;:]/).map((number) => Number(number || 0));
    while (numbers.length > 0) {
      const number = numbers.shift();
      if (number === 38 || number === 48) this.colour(number === 38, extended(numbers));
      else this.one(number);
    }
  }

  one(number) {
    const on = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck" }[number];
    const off = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["struck"] }[number];
    if (number === 0) this.reset();
    else if (on) this.styles.add(on);
    else if (off) for (const style of off) this.styles.delete(style);
    else if (number >= 30 && number <= 39) this.colour(true, COLOURS[number - 30] ?? null);
    else if (number >= 40 && number <= 49) this.colour(false, COLOURS[number - 40] ?? null);
    else if (number >= 90 && number <= 97) this.colour(true, COLOURS[number - 90]);
    else if (number >= 100 && number <= 107) this.colour(false, COLOURS[number - 100]);
  }

  colour(isForeground, colour) {
    if (isForeground) this.foreground = colour;
    else this.background = colour;
  }
}

/** Takes the rest of "38;5;n" and "38;2;r;g;b" away, and returns the nearest of the eight colours. */
function extended(numbers) {
  const kind = numbers.shift();
  if (kind === 2) return nearest(...[0, 0, 0].map(() => numbers.shift() ?? 0));
  if (kind !== 5) return null;
  const number = numbers.shift() ?? 0;
  if (number < 16) return COLOURS[number % 8];
  if (number >= 232) return number < 244 ? "black" : "white";
  const cube = number - 16;
  return nearest(...[Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((part) => part * 51));
}

function nearest(...parts) {
  const most = Math.max(...parts);
  const bits = parts.map((part) => (most > 60 && part > most / 2 ? 1 : 0));
  return COLOURS[bits[0] + bits[1] * 2 + bits[2] * 4];
}

/**
 * Turns a line, without its end, into pieces; those beside each other that look alike are one.
 * @param {string} line
 * @param {AnsiState} state what the lines before have switched on; is changed
 * @param {boolean} raw whether what was written over is shown, too
 * @returns {Piece[]}
 */
export function pieces(line, state, raw = false) {
  const found = [];
  const add = (text) => {
    const seen = text.replace(UNSEEN, "").replace(TURNING, codeOf);
    if (seen === "") return;
    const classes = state.classes();
    if (found.at(-1)?.classes === classes) found.at(-1).text += seen;
    else found.push({ text: seen, classes });
  };
  // Progress bars write a line again and again: a terminal shows what was written last.
  const shown = line.replace(/\r+$/, "");
  const last = raw ? shown.replaceAll("\r", "␍") : shown.slice(shown.lastIndexOf("\r") + 1);
  const [plain, ...rest] = last.split(ESCAPE);
  add(plain);
  for (const part of rest) {
    const sequence = SEQUENCE.exec(part);
    if (sequence?.[2] === "m") state.apply(sequence[1]);
    add(part.slice(sequence?.[0].length ?? 0));
  }
  return found;
}
