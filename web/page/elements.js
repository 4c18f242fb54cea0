/** Return the parts of an element by their `data-part`. */
export function findParts(root) {
  const found = [...root.querySelectorAll('[data-part]')];
  return Object.fromEntries(found.map((part) => [part.dataset.part, part]));
}

/** Set a text if it differs: screen readers announce a text again when it is set. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
