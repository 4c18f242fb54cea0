/** @import { ErrorMessage } from './types.js' */

/** An error: `code` for programs, `message` for people, `details` of the service or browser. */
export class SessionError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {unknown} details
   */
  constructor(code, message = code, details = null) {
    super(message);
    this.name = 'SessionError';
    this.code = code;
    this.details = details;
  }
}

/**
 * Return the error of an error message from the service.
 *
 * @param {ErrorMessage} message
 */
export function errorFromMessage(message) {
  return new SessionError(message.code, message.error, message);
}

/**
 * Return a thrown value as a `SessionError`; `code` applies if it is none.
 *
 * @param {unknown} error
 * @param {string} code
 */
export function asSessionError(error, code) {
  return error instanceof SessionError ? error : new SessionError(code, String(error), error);
}
