import { Connection } from './connection.js';
import { asSessionError, SessionError } from './errors.js';
import { Retry } from './retry.js';

// Another attempt would end the same way: complete, refused, too large, somebody else goes on.
const FINAL = {
  1000: 'closed',
  1008: 'refused',
  1009: 'chunk_too_large',
  4103: 'connection_replaced',
};

/**
 * One connection after another, each as soon as it may be.
 *
 * `owner` has `heard(message)`, `dropped()` (another attempt follows), `ended(error, isTold)` (none
 * does), `troubled(error)` and `isWaiting()`.
 */
export class Line {
  connection = null;
  #address;
  #token;
  #refresh;
  #silenceMs;
  #owner;
  #retry = new Retry();
  #isStarted = false;
  #isClosed = false;

  /** `address()` gives the URL of the next connection, `refreshToken()` another token. */
  constructor({ address, token, refreshToken, silenceMs }, owner) {
    this.#address = address;
    this.#token = token;
    this.#refresh = refreshToken;
    this.#silenceMs = silenceMs;
    this.#owner = owner;
  }

  /** Begin; it goes on by itself until it is closed. */
  start() {
    if (!this.#isStarted) this.#connect();
    this.#isStarted = true;
  }

  close() {
    this.#isClosed = true;
    this.#retry.cancel();
    this.connection?.drop();
    this.connection = null;
  }

  async #connect() {
    try {
      this.#token ??= (await this.#refresh?.()) ?? null;
    } catch (error) {
      this.#owner.troubled(asSessionError(error, 'refresh_failed'));
      this.#again();
      return;
    }
    if (!this.#isClosed) this.#open();
  }

  #open() {
    const given = { token: this.#token, silenceMs: this.#silenceMs };
    try {
      this.connection = new Connection(this.#address(), given, {
        heard: (message) => this.#hear(message),
        lost: (code, error) => this.#lose(code, error),
        isWaiting: () => this.#owner.isWaiting(),
      });
    } catch (error) {
      // A URL or a token that a WebSocket cannot have.
      this.#owner.ended(asSessionError(error, 'invalid_address'), false);
    }
  }

  #hear(message) {
    // A greeting is not enough: a service whose storage fails greets, and then fails.
    if (message.type === 'chunk' || message.type === 'control') this.#retry.reset();
    this.#owner.heard(message);
  }

  #lose(code, told) {
    this.connection = null;
    const isExpired = told?.code === 'credentials_expired' && this.#refresh;
    if (isExpired) this.#token = null;
    if (code in FINAL && !isExpired) {
      const error = told ?? new SessionError(FINAL[code], `closed with ${code}`);
      this.#owner.ended(error, told !== null);
    } else {
      this.#owner.dropped();
      this.#again();
    }
  }

  #again() {
    if (!this.#isClosed) this.#retry.schedule(() => this.#connect());
  }
}
