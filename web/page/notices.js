/** @import { SessionWarning } from '../client.js' */

import { createElement, findElement } from './elements.js';
import { messageOf } from './errors.js';
import { texts } from './texts.js';
import { describeWarning } from './warnings.js';

/** The action of a notice that the user only reads. */
export const DISMISS_ACTION = { [texts.errors.dismiss]: () => {} };

/**
 * Show a notice at the top of the page; return a function that removes it.
 *
 * @param {string} text
 * @param {{ actions?: Record<string, () => unknown>, kind?: 'info' | 'error' }} options
 */
export function showNotice(text, { actions = {}, kind = 'info' } = {}) {
  const notices = findElement(document, '#notices', HTMLElement);
  // A failure that repeats is shown once.
  const children = /** @type {HTMLCollectionOf<HTMLElement>} */ (notices.children);
  const shown = [...children].find((other) => other.dataset.notice === text);
  if (shown) return () => shown.remove();
  const content = createElement('span', { textContent: text });
  const notice = createElement('p', { className: `notice ${kind}` }, [content]);
  notice.dataset.notice = text;
  for (const [label, action] of Object.entries(actions)) {
    const button = createElement('button', { type: 'button', textContent: label });
    button.addEventListener('click', () => {
      notice.remove();
      action();
    });
    notice.append(button);
  }
  notices.append(notice);
  return () => notice.remove();
}

/**
 * Show an error as a notice that can be dismissed.
 *
 * @param {unknown} error
 */
export function showError(error) {
  showNotice(messageOf(error), { kind: 'error', actions: DISMISS_ACTION });
}

/**
 * Show each warning of a session as a notice, once.
 *
 * @param {SessionWarning[]} warnings
 */
export function showWarnings(warnings) {
  for (const warning of warnings) {
    showError(new Error(`${describeWarning(warning)} ${warning.message}`));
  }
}

/**
 * Return an event handler that shows the error of `action`.
 *
 * @param {() => Promise<void>} action
 */
export function withErrorNotice(action) {
  return async () => {
    try {
      await action();
    } catch (error) {
      showError(error);
    }
  };
}
