/** What went wrong: `code` for programs, `message` for people, `details` what the service said. */
export class SessionError extends Error {
  constructor(code, message = code, details = null) {
    super(message);
    this.name = 'SessionError';
    this.code = code;
    this.details = details;
  }
}

/** The service's error message, as an error. */
export function toldBy(message) {
  return new SessionError(message.code, message.error, message);
}

/** Whatever was thrown, as an error with a code. */
export function asSessionError(error, code) {
  return error instanceof SessionError ? error : new SessionError(code, String(error), error);
}
