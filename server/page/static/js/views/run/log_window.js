/**
 * A window on the log of a try: the lines of some of its bytes, from which one can go on to earlier and later ones. It
 * never holds more than a bounded number of them, however long the log is. Without a document.
 *
 *   const log = new LogWindow(read)        read({ Range } | { tail }) asks the server for bytes
 *   await log.toEnd()                      the last lines;  log.toStart(): the first ones
 *   await log.later()                      what comes after them, as it has grown;  log.earlier(): what comes before
 *   log.blocks                             [{ start, end, lines: ["..."] }], `rest`: a last line that has no end yet
 */

/** How many bytes are read at once, and held at most. */
const PART = 2 ** 18;
const MOST_HELD = 2 ** 21;
const NEWLINE = 10;
const decoder = new TextDecoder();

/** @typedef {{start: number, end: number, lines: string[]}} Block a part of the log: where its bytes are, and its lines */

export class LogWindow {
  /**
   * @param {(part: {range?: [number, number], tail?: number}) => Promise<{bytes: Uint8Array, headers: Headers}>} read
   *   asks for bytes, the last of a `range` included; throws ApiError
   */
  constructor(read) {
    this.read = read;
    this.empty();
  }

  empty() {
    /** @type {Block[]} */
    this.blocks = [];
    this.rest = "";
    this.size = 0;
    this.tryNumber = null;
    this.at = 0;
  }

  get start() {
    return this.blocks[0]?.start ?? this.at;
  }

  get end() {
    return this.blocks.at(-1)?.end ?? this.at;
  }

  /** Whether all that is known of the log after these lines has been shown. */
  get isAtEnd() {
    return this.end + this.restSize >= this.size;
  }

  get restSize() {
    return this.restBytes ?? 0;
  }

  async toEnd() {
    const { bytes, headers } = await this.read({ tail: PART });
    const offset = Number(headers.get("X-Log-Offset") ?? 0);
    this.begin(headers, offset, offset + bytes.length);
    const skipped = offset > 0 ? bytes.indexOf(NEWLINE) + 1 : 0;
    this.at = offset + skipped;
    this.append(bytes.subarray(skipped));
  }

  async toStart() {
    const { bytes, headers } = await this.read({ range: [0, PART - 1] });
    this.begin(headers, 0, sizeOf(headers) ?? bytes.length);
    this.append(bytes);
  }

  begin(headers, at, size) {
    this.empty();
    this.at = at;
    this.size = size;
    this.tryNumber = Number(headers.get("X-Try-Number")) || null;
  }

  /**
   * Reads on after the last line; a line without an end is read again until it has one.
   * @returns {Promise<boolean>} whether anything is new
   */
  async later() {
    const { end, rest } = this;
    if (end === 0) return this.begun();
    try {
      // With the last byte that is known, because a range that begins after the end would be an error.
      const { bytes, headers } = await this.read({ range: [end - 1, end + PART - 1] });
      this.size = sizeOf(headers) ?? end - 1 + bytes.length;
      this.append(bytes.subarray(1));
    } catch (error) {
      if (error.status !== 416) throw error;
      // It is shorter than before, so it is another log: that of a try whose file was written anew.
      await this.toEnd();
      return true;
    }
    this.drop((blocks) => blocks.shift());
    return this.end !== end || this.rest !== rest;
  }

  async begun() {
    const { rest } = this;
    await this.toEnd();
    return this.end > 0 || this.rest !== rest;
  }

  async earlier() {
    const { start } = this;
    if (start === 0) return;
    const from = Math.max(0, start - PART);
    const { bytes, headers } = await this.read({ range: [from, start - 1] });
    this.size = sizeOf(headers) ?? this.size;
    const skipped = from > 0 ? bytes.indexOf(NEWLINE) + 1 : 0;
    this.blocks.unshift(blockOf(from + skipped, bytes.subarray(skipped)));
    this.drop((blocks) => {
      this.setRest(new Uint8Array());
      return blocks.pop();
    });
  }

  append(bytes) {
    const last = bytes.lastIndexOf(NEWLINE) + 1;
    // A line that is longer than a part is taken in parts.
    const taken = last === 0 && bytes.length >= PART ? bytes.length : last;
    if (taken > 0) this.blocks.push(blockOf(this.end, bytes.subarray(0, taken)));
    this.setRest(bytes.subarray(taken));
  }

  setRest(bytes) {
    this.restBytes = bytes.length;
    this.rest = decoder.decode(bytes);
  }

  drop(take) {
    while (this.blocks.length > 1 && this.end - this.start > MOST_HELD) take(this.blocks);
  }
}

function blockOf(start, bytes) {
  const text = decoder.decode(bytes);
  return { start, end: start + bytes.length, lines: text.replace(/\n$/, "").split("\n") };
}

/** Reads the length of the whole log from "bytes 0-99/1234" or "bytes *\/1234". */
function sizeOf(headers) {
  const size = /\/(\d+)$/.exec(headers?.get("Content-Range") ?? "")?.[1];
  return size === undefined ? null : Number(size);
}
