/** The arithmetic of a Gantt chart: from times to shares of its width. Pure, without a document. */

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/**
 * @typedef {{start: number, end: number}} Scale in milliseconds since 1970
 * @typedef {{queued_dttm?: string | null, start_date: string | null, end_date: string | null}} Timed
 */

/**
 * Returns what the chart must show: from the first start to the last end, or to now while something is running.
 * @param {Timed[]} instances
 * @param {number} now in milliseconds
 * @returns {Scale | null} null if nothing has started
 */
export function scaleOf(instances, now) {
  let [start, end] = [Infinity, -Infinity];
  for (const instance of instances) {
    const span = spanOf(instance, now);
    if (span === null) continue;
    start = Math.min(start, span.queued);
    end = Math.max(end, span.end);
  }
  return start === Infinity ? null : { start, end: Math.max(end, start + 1000) };
}

/**
 * Returns where the bar of an instance begins and how long it is, as shares of the width (0 to 1).
 * @param {Timed} instance
 * @param {Scale} scale
 * @param {number} now in milliseconds
 * @returns {{wait: number, start: number, end: number} | null} `wait`: since when it was queued; null if it has not begun
 */
export function barOf(instance, scale, now) {
  const span = spanOf(instance, now);
  if (span === null) return null;
  const share = (time) => Math.min(1, Math.max(0, (time - scale.start) / (scale.end - scale.start)));
  return { wait: share(span.queued), start: share(span.start), end: share(span.end) };
}

/** What others wrote may be out of order: an end before the start is at the start, a time in the queue after it, too. */
function spanOf({ queued_dttm: queuedAt, start_date: startDate, end_date: endDate }, now) {
  const start = Date.parse(startDate ?? "");
  if (Number.isNaN(start)) return null;
  const queued = Date.parse(queuedAt ?? "");
  const end = Date.parse(endDate ?? "");
  return {
    queued: Number.isNaN(queued) ? start : Math.min(queued, start),
    start,
    end: Math.max(start, Number.isNaN(end) ? now : end),
  };
}

/**
 * Returns the marks below a chart: seconds after its start, in round steps, the first one at 0.
 * @param {Scale} scale
 * @param {number} most how many there may be after the first one
 * @returns {{share: number, seconds: number}[]}
 */
export function ticksOf({ start, end }, most) {
  const seconds = (end - start) / 1000;
  const step = STEPS.find((each) => seconds / each <= most) ?? 86_400 * Math.ceil(seconds / 86_400 / most);
  const ticks = [];
  for (let at = 0; at <= seconds; at += step) ticks.push({ share: at / seconds, seconds: at });
  return ticks;
}
