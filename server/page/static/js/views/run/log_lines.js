/**
 * Makes lines for people of the lines of a log. Airflow 3 writes JSON, which is told in words; all else stays as it is.
 * Says how serious a line is, where that can be seen. Pure, without a document.
 */

/** Lines that are longer are cut, because a browser lays a line out as a whole. In characters. */
const LONGEST = 10_000;
const LEVEL = /(?:^|[\s\]|:[-])(CRITICAL|FATAL|ERROR|WARNING|WARN)(?=[\s\]|:-]|$)/;
const FAILURE =
  /^Traceback \(most recent call last\)|^(?:[\w.]+\.)?\w*(?:Error|Exception)(?:: |$)|^\[[^\]]{1,40}\] Failed: /;
const SERIOUS = { CRITICAL: "error", FATAL: "error", ERROR: "error", WARNING: "warning", WARN: "warning" };
const TOLD = new Set(["timestamp", "level", "event", "logger", "filename", "lineno", "error_detail", "exception"]);

/** @typedef {{text: string, level: "error" | "warning" | null}} Line */

/**
 * @param {string} line without its end
 * @param {boolean} raw whether JSON stays JSON
 * @returns {Line[]} several for JSON with a traceback, one for all else
 */
export function readLine(line, raw = false) {
  const record = raw ? null : recordOf(line);
  if (record !== null) return told(record);
  // A line says within its first words how serious it is; the rest is somebody's text.
  const head = line.slice(0, 200).replace(/\p{Cc}\[[0-9;]*m/gu, "");
  const level = SERIOUS[LEVEL.exec(head)?.[1]] ?? (FAILURE.test(head) ? "error" : null);
  return [{ text: cut(line), level }];
}

function recordOf(line) {
  if (!line.startsWith("{") || !line.includes('"event"')) return null;
  try {
    const record = JSON.parse(line);
    return typeof record.event === "string" ? record : null;
  } catch {
    return null;
  }
}

function told(record) {
  const word = String(record.level ?? "").toUpperCase();
  const level = SERIOUS[word] ?? null;
  const rest = Object.entries(record)
    .filter(([key]) => !TOLD.has(key))
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const stamp = record.timestamp ? `[${record.timestamp}]` : "";
  const first = [stamp, word, record.event, ...rest].filter(Boolean).join(" ");
  return [...first.split("\n"), ...tracebackOf(record)].map((text) => ({ text: cut(text), level }));
}

/** Tells a traceback in the way of Python's own, from the parts that Airflow 3 writes. */
function tracebackOf({ error_detail: detail, exception }) {
  if (typeof exception === "string") return exception.split("\n");
  if (!Array.isArray(detail)) return [];
  return detail.flatMap((each) => [
    "Traceback (most recent call last):",
    ...(Array.isArray(each?.frames) ? each.frames : []).map(
      (frame) => `  File "${frame?.filename}", line ${frame?.lineno}, in ${frame?.name}`,
    ),
    ...`${each?.exc_type}: ${each?.exc_value}`.split("\n"),
  ]);
}

function cut(text) {
  if (text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST)} … ${(text.length - LONGEST).toLocaleString("en")} more characters: download the log`;
}
