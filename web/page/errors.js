/** Read thrown values. Anything can be thrown; Firefox throws objects that are no `Error`. */

import { texts } from './texts.js';

/** @type {Record<string, string>} */
const TEXT_BY_CODE = {
  ...texts.errors,
  session_deleted: texts.errors.session_not_found,
};

/**
 * Return the message for the user: the page's own text for the error's code, if it has one.
 *
 * @param {unknown} error
 */
export function messageOf(error) {
  const text = TEXT_BY_CODE[codeOf(error)];
  if (text !== undefined) return text;
  const message = error instanceof Object && 'message' in error ? error.message : '';
  return String(message || error);
}

/**
 * Return the name, such as `NotFoundError`.
 *
 * @param {unknown} error
 */
export function nameOf(error) {
  return error instanceof Object && 'name' in error ? String(error.name) : '';
}

/**
 * Return the code of an error of the service or of its client; '' for others.
 *
 * @param {unknown} error
 */
export function codeOf(error) {
  return error instanceof Object && 'code' in error ? String(error.code) : '';
}
