/** Schedules in words. Pure, without a document. */

const UNITS = [
  ["years", "year", "years"],
  ["months", "month", "months"],
  ["days", "d", "d"],
  ["hours", "h", "h"],
  ["minutes", "min", "min"],
  ["seconds", "s", "s"],
];
const PLURALS = new Set([...UNITS.map(([name]) => name), "microseconds"]);

/**
 * @param {string | null | undefined} interval `schedule_interval` of the API: a cron expression, a preset or a name as it
 *   is, a distance as JSON (`{"type": "timedelta", "attrs": {"days": 0, "seconds": 21600}}`)
 * @returns {{ text: string, isDistance: boolean }} "0 3 * * *", "every 6 h", "every 1 month, day 1"; "" for none
 */
export function schedule(interval) {
  const attrs = distanceOf(interval);
  if (attrs === null) return { text: interval ?? "", isDistance: false };
  return { text: `every ${distanceText(attrs)}`, isDistance: true };
}

/**
 * @param {{ schedule_interval?: string | null, timetable_description?: string | null }} dag
 * @returns {string} as Airflow describes it, or else as `schedule` does
 */
export const scheduleText = (dag) => dag.timetable_description || schedule(dag.schedule_interval).text;

function distanceOf(interval) {
  if (!interval?.startsWith("{")) return null;
  try {
    const { type, attrs } = JSON.parse(interval);
    if (typeof attrs !== "object" || attrs === null) return null;
    return { timedelta: () => ofTimedelta(attrs), relativedelta: () => attrs }[type]?.() ?? null;
  } catch {
    return null;
  }
}

// Python keeps days, and of a day the seconds.
function ofTimedelta({ days = 0, seconds = 0, microseconds = 0 }) {
  const [hours, rest] = [Math.trunc(seconds / 3600), seconds % 3600];
  return { days, hours, minutes: Math.trunc(rest / 60), seconds: rest % 60, microseconds };
}

// A relativedelta may have a fixed part too, such as {"months": 1, "day": 1}: the first of each month.
function distanceText(attrs) {
  const parts = { ...attrs, seconds: (attrs.seconds ?? 0) + (attrs.microseconds ?? 0) / 1e6 };
  const distance = UNITS.filter(([name]) => parts[name]).map(
    ([name, one, many]) => `${parts[name]} ${parts[name] === 1 ? one : many}`,
  );
  const fixed = Object.entries(attrs)
    .filter(([name, value]) => !PLURALS.has(name) && value)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return [distance.join(" ") || "0 s", ...fixed].join(", ");
}
