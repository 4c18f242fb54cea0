/** @import {
  ReconnectingSocketOptions, ReconnectingSocketOwner, ServerMessage
} from './types.js' */

import { Connection } from './connection.js';
import { asSessionError, SessionError } from './errors.js';
import { RetryTimer } from './retry-timer.js';

// After these close codes, another attempt would end the same way.
/** @type {Record<number, string>} */
const ERROR_CODE_BY_FINAL_CLOSE_CODE = {
  1000: 'closed',
  1008: 'refused',
  1009: 'chunk_too_large',
  4103: 'connection_replaced',
};

/** A WebSocket that connects again, with backoff, until it is closed or refused for good. */
export class ReconnectingSocket {
  /** @type {Connection | null} */
  connection = null;
  #getUrl;
  #token;
  #refreshToken;
  #connectionOptions;
  #maxAttempts;
  #attempts = 0; // in a row that ended without an answer
  #owner;
  #retryTimer = new RetryTimer();
  #isStarted = false;
  #isClosed = false;

  /**
   * @param {ReconnectingSocketOptions} options
   * @param {ReconnectingSocketOwner} owner
   */
  constructor({ getUrl, token, refreshToken, maxAttempts, ...connectionOptions }, owner) {
    this.#getUrl = getUrl;
    this.#token = token;
    this.#refreshToken = refreshToken;
    this.#maxAttempts = maxAttempts;
    this.#connectionOptions = connectionOptions;
    this.#owner = owner;
  }

  get token() {
    return this.#token;
  }

  /** Connect, and keep reconnecting until `close`. */
  start() {
    if (!this.#isStarted) this.#connect();
    this.#isStarted = true;
  }

  /** Connect now if an attempt is scheduled. */
  retryNow() {
    this.#retryTimer.skip();
  }

  close() {
    this.#isClosed = true;
    this.#retryTimer.cancel();
    this.connection?.disconnect();
    this.connection = null;
  }

  async #connect() {
    try {
      this.#token ??= (await this.#refreshToken?.()) ?? null;
    } catch (error) {
      const failure = asSessionError(error, 'refresh_failed');
      this.#owner.onError(failure);
      this.#scheduleRetry(failure);
      return;
    }
    if (!this.#isClosed) this.#openConnection();
  }

  #openConnection() {
    const options = { token: this.#token, ...this.#connectionOptions };
    try {
      this.connection = new Connection(this.#getUrl(), options, {
        onMessage: (message) => this.#receive(message),
        onClose: (code, error) => this.#handleClose(code, error),
        hasUnpersisted: () => this.#owner.hasUnpersisted(),
      });
    } catch (error) {
      // `new WebSocket` throws for an invalid URL or token.
      this.#owner.onFailed(asSessionError(error, 'invalid_address'), false);
    }
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    // A greeting does not reset the backoff: a service with failing storage still sends one.
    if (message.type === 'chunk' || message.type === 'control') {
      this.#attempts = 0;
      this.#retryTimer.reset();
    }
    this.#owner.onMessage(message);
  }

  /**
   * @param {number} code
   * @param {SessionError | null} messageError
   */
  #handleClose(code, messageError) {
    this.connection = null;
    const isExpired = messageError?.code === 'credentials_expired' && this.#refreshToken;
    if (isExpired) this.#token = null;
    const finalErrorCode = ERROR_CODE_BY_FINAL_CLOSE_CODE[code];
    if (finalErrorCode !== undefined && !isExpired) {
      const error = messageError ?? new SessionError(finalErrorCode, `closed with ${code}`);
      this.#owner.onFailed(error, messageError !== null);
    } else {
      this.#owner.onDisconnect();
      this.#scheduleRetry(messageError ?? new SessionError('unreachable', `closed with ${code}`));
    }
  }

  /** @param {SessionError} cause */
  #scheduleRetry(cause) {
    if (this.#isClosed) return;
    this.#attempts += 1;
    if (this.#attempts < this.#maxAttempts) {
      this.#retryTimer.schedule(() => this.#connect());
      return;
    }
    const text = `gave up after ${this.#attempts} attempts: ${cause.message}`;
    this.#owner.onFailed(new SessionError('gave_up', text, cause), false);
  }
}
