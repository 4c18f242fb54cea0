import { toldBy } from './errors.js';

const GREETING_MS = 10_000;
const ASK_AFTER_MS = 1_000; // persisted_chunk_count comes with answers only
const KEEP_ALIVE_AFTER_MS = 15_000; // well below CONNECTION_TIMEOUT_SECONDS
const BEAT_MS = 500;
const LOST = 1006; // what browsers say of a connection that ended without a word

/**
 * One WebSocket as a session sees it.
 *
 * A network that went away says nothing, and WebSockets would wait for minutes: a connection that
 * leaves something unanswered for `silenceMs` is lost. `owner` has `heard(message)`,
 * `lost(code, error)` and `isWaiting()`: whether something that was sent is not persisted yet.
 * After `lost`, or `drop()`, the owner hears nothing more.
 */
export class Connection {
  #socket;
  #owner;
  #error = null; // the last one that the service told: the reason of the close code behind it
  #sentAt = Date.now();
  #unansweredSince = null;
  #silenceMs;
  #beat;
  #deadline;

  constructor(url, { token, silenceMs }, owner) {
    this.#silenceMs = silenceMs;
    this.#owner = owner;
    this.#socket = new WebSocket(url, token ? ['bearer', token] : []);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    this.#socket.onclose = (event) => this.#end(event.code);
    this.#deadline = setTimeout(() => this.#end(LOST), GREETING_MS);
    this.#beat = setInterval(() => this.#look(), BEAT_MS);
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  send(data) {
    this.#sentAt = Date.now();
    this.#unansweredSince ??= this.#sentAt;
    this.#socket.send(data);
  }

  control(action) {
    this.send(JSON.stringify({ type: 'control', action }));
  }

  /** Let go of it, without waiting for a network that may be gone. */
  drop() {
    clearTimeout(this.#deadline);
    clearInterval(this.#beat);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
  }

  #hear(message) {
    clearTimeout(this.#deadline);
    this.#unansweredSince = null;
    if (message.type === 'error') this.#error = toldBy(message);
    this.#owner.heard(message);
  }

  #look() {
    const now = Date.now();
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#unansweredSince !== null) {
      if (now - this.#unansweredSince > this.#silenceMs) this.#end(LOST);
    } else if (this.#owner.isWaiting() && now - this.#sentAt > ASK_AFTER_MS) {
      this.control('status');
    } else if (now - this.#sentAt > KEEP_ALIVE_AFTER_MS) {
      this.control('keep_alive');
    }
  }

  #end(code) {
    this.drop();
    this.#owner.lost(code, this.#error);
  }
}
