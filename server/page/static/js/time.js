/**
 * Times for people: in the reader's zone (or in UTC, if that is the setting), with UTC and the distance on hover.
 *
 *   when(run.start_date)                        -> <time datetime=...>14:03:22</time>, "–" for null
 *   fullWhen(run.start_date)                    -> <time>30 Nov 2026, 14:03:22</time>
 *   ago(run.start_date)                         -> <time>3 min ago</time>, which keeps up with the clock
 *   duration(run.start_date, run.end_date)      -> <span>1 min 4 s</span>; without an end it ticks
 *   durationText(seconds)                       -> "1 min 4 s"
 */

import { everySecond } from "./clock.js";
import { h, setText } from "./dom.js";
import { setting } from "./settings.js";

const NONE = "–";
const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const FULL = { year: "numeric", month: "short", day: "numeric", ...CLOCK };
const formats = new Map();
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/**
 * @param {string | null | undefined} iso
 * @returns {HTMLElement} the time: without the date if it is today's
 */
export const when = (iso) => shown(iso, whenText);

/**
 * @param {string | null | undefined} iso
 * @returns {HTMLElement} how long ago, or in how long
 */
export function ago(iso) {
  const element = shown(iso, agoText);
  if (element.tagName !== "TIME") return element;
  return everySecond(element, () => setText(element, agoText(iso)));
}

/**
 * @param {string | null | undefined} start
 * @param {string | null | undefined} end null: it is not over
 * @returns {HTMLElement}
 */
export function duration(start, end) {
  const element = h("span", { class: "duration" });
  const began = Date.parse(start ?? "");
  const ended = Date.parse(end ?? "");
  if (Number.isNaN(began)) return none();
  const update = (until) => setText(element, durationText((until - began) / 1000));
  if (Number.isNaN(ended)) return everySecond(element, () => update(Date.now()));
  update(ended);
  return element;
}

/**
 * @param {number} seconds
 * @returns {string} two units at most: "0.4 s", "59 s", "1 min 4 s", "2 h 5 min", "3 d 4 h"
 */
export function durationText(seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 10) return `${Math.max(0.1, Math.round(seconds * 10) / 10)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(whole / 60);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/**
 * @param {string | null | undefined} iso
 * @returns {HTMLElement} the time with its date, whatever day it is
 */
export const fullWhen = (iso) => shown(iso, (given) => format(FULL).format(new Date(given)));

/**
 * @param {string} iso
 * @returns {string} as `when` shows it
 */
export function whenText(iso) {
  const date = new Date(iso);
  const now = new Date();
  const day = format({ year: "numeric", month: "2-digit", day: "2-digit" });
  if (day.format(date) === day.format(now)) {
    return format(CLOCK).format(date);
  }
  const sameYear = date.getFullYear() === now.getFullYear();
  const parts = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return format(sameYear ? parts : { ...parts, year: "numeric" }).format(date);
}

/**
 * @param {string} iso
 * @returns {{day: string, number: string, month: string, year: string}} the day: "30 Nov 2026"; and its parts: "30", "Nov", "2026"
 */
export function dayTexts(iso) {
  const date = new Date(iso);
  const part = (name, how) => format({ [name]: how }).format(date);
  return {
    day: format({ year: "numeric", month: "short", day: "numeric" }).format(date),
    number: part("day", "numeric"),
    month: part("month", "short"),
    year: part("year", "numeric"),
  };
}

/** @returns {string} the zone in which times are shown: "Europe/Berlin", "UTC" */
export const zoneName = () =>
  setting("zone") === "utc" ? "UTC" : new Intl.DateTimeFormat().resolvedOptions().timeZone;

function shown(iso, toText) {
  if (!iso || Number.isNaN(Date.parse(iso))) return none();
  const title = () => element.setAttribute("title", `${utcText(iso)} (${agoText(iso)})`);
  const element = h("time", { datetime: iso, on: { pointerenter: title } }, toText(iso));
  element.setAttribute("title", utcText(iso));
  return element;
}

const none = () => h("span", { class: "none" }, NONE);

const utcText = (iso) => `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;

function agoText(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / size), unit);
}

function pair(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

// A formatter costs more than what it formats, so each is made once.
function format(options) {
  const zoned = setting("zone") === "utc" ? { ...options, timeZone: "UTC" } : options;
  const key = JSON.stringify(zoned);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(undefined, zoned));
  return formats.get(key);
}
