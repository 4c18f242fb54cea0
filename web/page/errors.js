/** Read thrown values. Anything can be thrown; Firefox throws objects that are no `Error`. */

/**
 * Return the message for the user.
 *
 * @param {unknown} error
 */
export function messageOf(error) {
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
