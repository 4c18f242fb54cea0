/** Fill in texts, and set the texts of the elements of a page. */

import { texts } from './texts.js';

/** @typedef {string | { one: string, other: string }} Text */

/**
 * The user's variant of the language of the texts, for dates and numbers.
 *
 * @type {string}
 */
export const LOCALE =
  globalThis.navigator?.languages?.find((tag) => tag.split('-')[0] === texts.language) ??
  texts.language;
const PLURAL_RULES = new Intl.PluralRules(LOCALE);

/**
 * Return a text with its values; the value `count` decides between `one` and `other`.
 *
 * @param {Text} text
 * @param {Record<string, string | number>} values
 */
export function fill(text, values = {}) {
  const isOne = PLURAL_RULES.select(Number(values.count)) === 'one';
  const chosen = typeof text === 'string' ? text : text[isOne ? 'one' : 'other'];
  return chosen.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Set the language of the page and the texts of its elements, also in templates. */
export function localizePage() {
  document.documentElement.lang = texts.language;
  document.documentElement.dir = texts.direction;
  localize(document);
  for (const template of document.querySelectorAll('template')) localize(template.content);
}

/**
 * Set the texts of elements with `data-text` (content), `data-label` (name for screen readers) or
 * `data-hint` (title), which name a text as in `recorder.start`.
 *
 * @param {ParentNode} root
 */
export function localize(root) {
  for (const element of elementsWith(root, 'text')) element.textContent = find(element, 'text');
  for (const element of elementsWith(root, 'label')) {
    element.setAttribute('aria-label', find(element, 'label'));
  }
  for (const element of elementsWith(root, 'hint')) element.title = find(element, 'hint');
}

/**
 * @param {ParentNode} root
 * @param {string} name
 * @returns {NodeListOf<HTMLElement>}
 */
function elementsWith(root, name) {
  return root.querySelectorAll(`[data-${name}]`);
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @returns {string}
 */
function find(element, name) {
  const path = element.dataset[name] ?? '';
  /** @type {unknown} */
  let found = texts;
  for (const part of path.split('.')) found = /** @type {any} */ (found)?.[part];
  if (typeof found !== 'string') throw new TypeError(`there is no text ${path}`);
  return found;
}
