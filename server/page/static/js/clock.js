/**
 * What changes with the time alone: one timer for the whole page, which stops while the page is hidden or nothing ticks.
 */

const ticking = new Map();
let timer = null;

/**
 * Call `update` now, and once a second for as long as the element is on the page.
 * @template {Element} T
 * @param {T} element
 * @param {(element: T) => void} update
 * @returns {T} the element
 */
export function everySecond(element, update) {
  update(element);
  ticking.set(element, { update, shown: false });
  start();
  return element;
}

function tick() {
  for (const [element, entry] of ticking) {
    if (element.isConnected) {
      entry.shown = true;
      entry.update(element);
    } else if (entry.shown) {
      ticking.delete(element);
    } else {
      // It has not been put on the page yet; at the next look it must be there.
      entry.shown = true;
    }
  }
  if (ticking.size === 0) stop();
}

function start() {
  if (timer === null && !document.hidden && ticking.size > 0) timer = setInterval(tick, 1000);
}

function stop() {
  clearInterval(timer);
  timer = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
  } else {
    tick();
    start();
  }
});

/**
 * Call `action` every so often, for what no event tells; while the page is hidden it waits, and then makes up for it once.
 * @param {() => unknown} action
 * @param {number} seconds
 * @param {AbortSignal} signal ends it
 */
export function regularly(action, seconds, signal) {
  let timer = null;
  let due = false;
  const run = () => {
    due = document.hidden;
    if (!due) action();
  };
  const look = () => {
    if (!document.hidden && due) run();
  };
  timer = setInterval(run, seconds * 1000);
  document.addEventListener("visibilitychange", look, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
}
