/**
 * Shows a list that changes, and touches only what has changed: the focus, the selection and the place to which one has
 * scrolled stay.
 *
 *   const update = keyed(tbody, { key: (item) => item.id, render: (item) => h("tr", ...) })
 *   update(items)       // again and again
 */

/**
 * @template T
 * @param {Element} container whose children are then this list alone
 * @param {{ key: (item: T) => string, render: (item: T) => Element, sign?: (item: T) => string }} how items with one
 *   `key` are the same thing; it is rendered anew if its `sign`, by default its JSON, is another one
 * @returns {(items: T[]) => void}
 */
export function keyed(container, { key, render, sign = JSON.stringify }) {
  let shown = new Map();
  return (items) => {
    const next = new Map();
    for (const item of items) {
      const [name, signature] = [key(item), sign(item)];
      const old = shown.get(name);
      next.set(name, old?.signature === signature ? old : { signature, element: renewed(old?.element, render(item)) });
    }
    for (const [name, { element }] of shown) if (!next.has(name)) element.remove();
    shown = next;
    place(
      container,
      [...next.values()].map(({ element }) => element),
    );
  };
}

/** Puts the new element in the place of the old one; what had the focus is found again by its `data-focus`. */
function renewed(old, element) {
  if (!old?.isConnected) return element;
  const focused = old.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  old.replaceWith(element);
  if (focused !== undefined)
    element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  return element;
}

/** Moves only what is at a wrong place: an element that is moved loses the focus. */
function place(container, elements) {
  let next = container.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else container.insertBefore(element, next);
  }
}
