/** The key of the user, which all tabs of the page share until the last one is closed. */

const STORAGE_NAME = 'sercuescribe key';
const CHANNEL_NAME = 'sercuescribe sign-in';
const ANSWER_TIMEOUT_MS = 300; // other tabs answer within milliseconds, unless they are frozen

/** @typedef {{ type: 'ask' } | { type: 'key', key: string } | { type: 'sign-out' }} Message */

/**
 * Keeps the key in the tab's `sessionStorage`, and passes it on to other tabs of the origin.
 *
 * It dispatches `change` when another tab has signed in or out. See `docs/security.md`.
 */
export class SessionKey extends EventTarget {
  #channel = new BroadcastChannel(CHANNEL_NAME);
  #value = sessionStorage.getItem(STORAGE_NAME);

  constructor() {
    super();
    this.#channel.addEventListener('message', ({ data }) => this.#receive(data));
  }

  /** The key, or null. */
  get value() {
    return this.#value;
  }

  /**
   * Set the key in all tabs.
   *
   * @param {string} key
   */
  set(key) {
    this.#store(key);
    this.#send({ type: 'key', key });
  }

  /** Remove the key from all tabs. */
  clear() {
    this.#store(null);
    this.#send({ type: 'sign-out' });
  }

  /**
   * Ask the other tabs for a key that differs from `refused`; return it, or null.
   *
   * @param {string | null} refused
   * @returns {Promise<string | null>}
   */
  async askOtherTabs(refused) {
    this.#send({ type: 'ask' });
    await new Promise((resolve) => {
      setTimeout(resolve, ANSWER_TIMEOUT_MS);
      this.addEventListener('change', resolve, { once: true });
    });
    return this.#value === refused ? null : this.#value;
  }

  /** @param {Message} message */
  #receive(message) {
    if (message.type === 'ask') {
      if (this.#value !== null) this.#send({ type: 'key', key: this.#value });
      return;
    }
    const key = message.type === 'key' ? message.key : null;
    if (key === this.#value) return;
    this.#store(key);
    this.dispatchEvent(new Event('change'));
  }

  /** @param {string | null} key */
  #store(key) {
    this.#value = key;
    if (key === null) sessionStorage.removeItem(STORAGE_NAME);
    else sessionStorage.setItem(STORAGE_NAME, key);
  }

  /** @param {Message} message */
  #send(message) {
    this.#channel.postMessage(message);
  }
}
