/** @import { SessionWarning } from '../client.js' */
/** @import { Session } from './types.js' */

import { createElement } from './elements.js';
import { formatClock } from './format.js';
import { fill } from './localize.js';
import { texts } from './texts.js';

/** @type {Record<string, string>} */
const TEXT_BY_CODE = texts.warnings.codes;

/**
 * Say in plain words what a warning means.
 *
 * @param {SessionWarning} warning
 */
export function describeWarning({ code }) {
  return TEXT_BY_CODE[code] ?? texts.warnings.other;
}

/**
 * Return elements that say what of a session was not recorded, where, and in the words of the
 * service why.
 *
 * @param {Session} session
 */
export function warningElements({ warnings, warning_count: count, sample_rate: rate }) {
  const items = warnings.map((warning) => {
    const position = formatClock(warning.frame / rate);
    const text = warning.frame > 0 ? texts.warnings.at : texts.warnings.atStart;
    const values = { text: describeWarning(warning), position };
    return createElement('li', { textContent: fill(text, values) });
  });
  const more = count - warnings.length;
  if (more > 0) {
    items.push(createElement('li', { textContent: fill(texts.warnings.more, { count: more }) }));
  }
  const reasons = warnings.map(({ message }) => createElement('li', { textContent: message }));
  const details = createElement('details', {}, [
    createElement('summary', { className: 'inline', textContent: texts.warnings.details }),
    createElement('ul', {}, reasons),
  ]);
  return [createElement('ul', {}, items), details];
}
