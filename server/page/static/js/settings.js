/**
 * What a reader chooses for this browser: the theme, and the zone in which times are shown.
 *
 *   setting("zone")            -> "local" or "utc"
 *   choose("theme", "dark")    -> kept, applied at once, and everyone who listens with `onChoice` hears of it
 */

const CHOICES = { theme: ["system", "light", "dark"], zone: ["local", "utc"] };
const listeners = new Set();

/**
 * @param {"theme" | "zone"} name
 * @returns {string}
 */
export function setting(name) {
  const value = stored(name);
  return CHOICES[name].includes(value) ? value : CHOICES[name][0];
}

/**
 * @param {"theme" | "zone"} name
 * @param {string} value
 */
export function choose(name, value) {
  try {
    localStorage.setItem(`windsock.${name}`, value);
  } catch {
    // A browser may forbid to keep anything: then it counts until the page is left.
  }
  unkept.set(name, value);
  apply();
  for (const listener of listeners) listener(name);
}

/** @param {(name: string) => void} listener */
export const onChoice = (listener) => listeners.add(listener);

/** Show the theme that is chosen. */
export function apply() {
  const theme = setting("theme");
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const unkept = new Map();

function stored(name) {
  if (unkept.has(name)) return unkept.get(name);
  try {
    return localStorage.getItem(`windsock.${name}`);
  } catch {
    return null;
  }
}
