/** @import { SessionError } from './errors.js' */
/** @import {
  Action, ConnectionOwner, ReconnectingSocketOptions, ServerMessage
} from './types.js' */

import { errorFromMessage } from './errors.js';

const GREETING_TIMEOUT_MS = 10_000;
const STATUS_INTERVAL_MS = 1_000; // only answers carry persisted_chunk_count
const KEEP_ALIVE_INTERVAL_MS = 15_000; // well below CONNECTION_TIMEOUT_SECONDS
const CHECK_INTERVAL_MS = 500;
const OPEN = 1; // the value of WebSocket.OPEN
const ABNORMAL_CLOSURE = 1006; // RFC 6455, 7.4.1: the connection ended without a close frame

/**
 * One WebSocket to the service, with timeouts, keep-alives and status requests.
 *
 * A lost network sends nothing, and a browser waits for minutes: after `answerTimeoutMs` without an
 * answer, the connection counts as lost. After `onClose` or `disconnect()`, the owner is not called
 * again.
 */
export class Connection {
  #socket;
  #owner;
  /** @type {SessionError | null} */
  #lastError = null; // of the last error message; it gives the reason of the close code after it
  #sentAt = Date.now();
  /** @type {number | null} */
  #unansweredSince = null;
  #answerTimeoutMs;
  #checkTimer;
  #greetingTimer;

  /**
   * @param {URL} url
   * @param {Pick<ReconnectingSocketOptions, 'token' | 'answerTimeoutMs' | 'WebSocket'>} options
   * @param {ConnectionOwner} owner
   */
  constructor(url, { token, answerTimeoutMs, WebSocket = globalThis.WebSocket }, owner) {
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#owner = owner;
    this.#socket = new WebSocket(url, token ? ['bearer', token] : []);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    this.#socket.onclose = (event) => this.#handleClose(event.code);
    const onGreetingTimeout = () => this.#handleClose(ABNORMAL_CLOSURE);
    this.#greetingTimer = setTimeout(onGreetingTimeout, GREETING_TIMEOUT_MS);
    this.#checkTimer = setInterval(() => this.#checkLiveness(), CHECK_INTERVAL_MS);
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  /** @param {string | Uint8Array<ArrayBuffer>} data */
  send(data) {
    this.#sentAt = Date.now();
    this.#unansweredSince ??= this.#sentAt;
    // While it closes, a browser would drop the data and log an error; the next connection resends.
    if (this.#socket.readyState === OPEN) this.#socket.send(data);
  }

  /** @param {Action} action */
  sendControl(action) {
    this.send(JSON.stringify({ type: 'control', action }));
  }

  /** Close the socket and stop calling the owner, without waiting for the close handshake. */
  disconnect() {
    clearTimeout(this.#greetingTimer);
    clearInterval(this.#checkTimer);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    clearTimeout(this.#greetingTimer);
    this.#unansweredSince = null;
    if (message.type === 'error') this.#lastError = errorFromMessage(message);
    this.#owner.onMessage(message);
  }

  #checkLiveness() {
    const now = Date.now();
    if (this.#socket.readyState !== OPEN) return;
    if (this.#unansweredSince !== null) {
      if (now - this.#unansweredSince > this.#answerTimeoutMs) this.#handleClose(ABNORMAL_CLOSURE);
    } else if (this.#owner.hasUnpersisted() && now - this.#sentAt > STATUS_INTERVAL_MS) {
      this.sendControl('status');
    } else if (now - this.#sentAt > KEEP_ALIVE_INTERVAL_MS) {
      this.sendControl('keep_alive');
    }
  }

  /** @param {number} code */
  #handleClose(code) {
    this.disconnect();
    this.#owner.onClose(code, this.#lastError);
  }
}
