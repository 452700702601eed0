/**
 * Checks a JSON object while somebody types it, says where and what is wrong, and changes one member of its text. The
 * rest stays as it was typed: numbers with many digits would not survive JSON.parse. Pure, without a document.
 */

/** As deep as the server reads. */
const MOST_LEVELS = 100;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_][\w-]*|[^\s]/y;
const SPACE = /[ \t\r\n]*/y;
// Control characters beyond U+001F may be there: JSON says so.
const PLAIN = /(?:[^"\\\p{Cc}]|[\u007f-\u009f])*/uy;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const LITERALS = new Set(["true", "false", "null"]);
const PYTHON = { True: "true", False: "false", None: "null" };

/**
 * @typedef {{key: string, start: number, valueStart: number, end: number}} Member places in the text
 * @typedef {{message: string, line: number, column: number, position: number}} Problem line and column count from 1
 */

/**
 * Checks that the text is a JSON object; an empty text counts as one without members.
 * @param {string} text
 * @returns {{members: Member[], problem: Problem | null}}
 */
export function checkObject(text) {
  if (text.trim() === "") return { members: [], problem: null };
  const scanner = new Scanner(text);
  try {
    return { members: scanner.document(), problem: null };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return {
      members: [],
      problem: { message: error.message, ...placeOf(text, error.position), position: error.position },
    };
  }
}

/**
 * Returns the text with another value of a member, which is added if there is none of that name.
 * @param {string} text an object that `checkObject` has no problem with
 * @param {string} key
 * @param {string | null} value JSON; null takes the member away
 */
export function withMember(text, key, value) {
  const { members } = checkObject(text);
  const member = members.findLast((each) => each.key === key);
  if (value === null) return member ? without(text, members, member) : text;
  if (member) return text.slice(0, member.valueStart) + value + text.slice(member.end);
  const added = `${JSON.stringify(key)}: ${value}`;
  if (members.length === 0) return `{\n  ${added}\n}`;
  const { end } = members.at(-1);
  return `${text.slice(0, end)},\n  ${added}${text.slice(end)}`;
}

function without(text, members, member) {
  const place = members.indexOf(member);
  if (members.length === 1) return "{}";
  const [start, end] = place > 0 ? [members[place - 1].end, member.end] : [member.start, members[1].start];
  return text.slice(0, start) + text.slice(end);
}

function placeOf(text, position) {
  const before = text.slice(0, position).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

class Unreadable extends Error {
  constructor(message, position) {
    super(message);
    this.position = position;
  }
}

/** Reads JSON from left to right and remembers where the members of the outermost object are. */
class Scanner {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  document() {
    this.space();
    if (this.text[this.at] !== "{") this.fail("The conf must be an object: begin it with {");
    const members = this.object(1);
    this.space();
    if (this.at < this.text.length) this.fail("Nothing may follow the last }");
    return members;
  }

  value(level) {
    this.space();
    if (level > MOST_LEVELS) this.fail(`More than ${MOST_LEVELS} levels`);
    const first = this.text[this.at];
    if (first === "{") this.object(level);
    else if (first === "[") this.list(level);
    else if (first === '"') this.string();
    else if (!this.match(NUMBER)) this.word();
    else if (/[\w.]/.test(this.text[this.at] ?? "")) this.fail("This is not a number");
  }

  object(level) {
    const members = [];
    this.items("}", "a member", () => {
      const start = this.at;
      if (this.text[this.at] !== '"') this.fail(this.keyMessage());
      const key = this.string();
      this.space();
      if (this.text[this.at] !== ":") this.fail("A colon is missing after the key");
      this.at += 1;
      this.space();
      const valueStart = this.at;
      this.value(level + 1);
      members.push({ key, start, valueStart, end: this.at });
    });
    return members;
  }

  list(level) {
    this.items("]", "a value", () => this.value(level + 1));
  }

  /** Reads what stands between brackets, separated by commas. */
  items(close, what, read) {
    this.at += 1;
    this.space();
    if (this.take(close)) return;
    for (;;) {
      read();
      this.space();
      if (this.take(close)) return;
      const before = this.at;
      if (!this.take(","))
        this.fail(this.at < this.text.length ? `A comma or ${close} is missing` : `The closing ${close} is missing`);
      this.space();
      if (this.text[this.at] === close) this.fail(`After a comma there must be ${what}: take the comma away`, before);
    }
  }

  string() {
    const start = this.at;
    this.at += 1;
    for (;;) {
      this.match(PLAIN);
      const next = this.text[this.at];
      if (next === '"') break;
      if (next === undefined || next === "\n") this.fail("This text has no closing quote", start);
      if (next < " ")
        this.fail(next === "\t" ? "In a text, write a tab as \\t" : "In a text, write control characters as \\u....");
      if (!this.match(ESCAPE))
        this.fail('A backslash may stand only before " \\ / b f n r t or u and four hexadecimal digits');
    }
    this.at += 1;
    const source = this.text.slice(start, this.at);
    const value = JSON.parse(source);
    if (value.includes("\0")) this.fail("The character NUL cannot be stored", start);
    return value;
  }

  word() {
    const start = this.at;
    if (start >= this.text.length) this.fail("A value is missing at the end");
    const [word] = this.match(WORD);
    if (!LITERALS.has(word)) this.fail(wordMessage(word), start);
  }

  keyMessage() {
    if (this.at >= this.text.length) return "The closing } is missing";
    return this.text[this.at] === "'" ? 'Use double quotes: "' : "A key in double quotes is missing";
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  space() {
    this.match(SPACE);
  }

  take(character) {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  fail(message, position = this.at) {
    throw new Unreadable(message, position);
  }
}

function wordMessage(word) {
  if (Object.hasOwn(PYTHON, word)) return `In JSON, ${word} is ${PYTHON[word]}`;
  if (word === "'") return 'Use double quotes: "';
  if (word === "NaN" || word.endsWith("Infinity")) return `${word} is not JSON`;
  return /^\w/.test(word) ? `A text must be in double quotes: "${word.slice(0, 40)}"` : "A value is missing";
}
