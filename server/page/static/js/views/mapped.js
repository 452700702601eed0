/** The instances of a mapped task, seen as one. */

const WORST_FIRST = [
  "failed",
  "upstream_failed",
  "running",
  "up_for_retry",
  "queued",
  "scheduled",
  "deferred",
  "up_for_reschedule",
  "none",
  "success",
];

/**
 * @param {Record<string, number>} counts how many instances are in each state; "none" is that of no state
 * @returns {string | null} the state that one wants to know of
 */
export function worstOf(counts) {
  const states = Object.keys(counts);
  const state = WORST_FIRST.find((each) => counts[each] > 0) ?? states[0] ?? null;
  return state === "none" ? null : state;
}
