const BASE_MS = 250;
const LONGEST_MS = 5_000;

/**
 * When to try again: any moment of a span that doubles each time (full jitter), so that the
 * clients of a service that was away do not all come back at once.
 */
export class Retry {
  #attempts = 0;
  #timer = null;
  #action = null;

  /** Call `action` later, or as soon as the browser says that there is a network again. */
  schedule(action) {
    const span = Math.min(LONGEST_MS, BASE_MS * 2 ** this.#attempts++);
    this.#action = action;
    this.#timer = setTimeout(this.#now, Math.random() * span);
    globalThis.addEventListener?.('online', this.#now);
  }

  /** It worked: the next span is short again. */
  reset() {
    this.#attempts = 0;
  }

  cancel() {
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('online', this.#now);
  }

  #now = () => {
    this.cancel();
    this.#action();
  };
}
