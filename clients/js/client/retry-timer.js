const INITIAL_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;

/**
 * A timer with exponential backoff and full jitter, so that the clients of a restarted service do
 * not all reconnect at the same moment.
 */
export class RetryTimer {
  #attempts = 0;
  /** @type {number | undefined} */
  #timer;
  #action = () => {};
  #isScheduled = false;

  /**
   * Call `action` after a random delay, or when the browser reports that it is online.
   *
   * @param {() => void} action
   */
  schedule(action) {
    const maxDelayMs = Math.min(MAX_DELAY_MS, INITIAL_DELAY_MS * 2 ** this.#attempts++);
    this.#action = action;
    this.#isScheduled = true;
    this.#timer = setTimeout(this.#runNow, Math.random() * maxDelayMs);
    globalThis.addEventListener?.('online', this.#runNow);
  }

  /** Start again with the initial delay, after an attempt that succeeded. */
  reset() {
    this.#attempts = 0;
  }

  /** Call a scheduled action now. */
  skip() {
    if (this.#isScheduled) this.#runNow();
  }

  cancel() {
    this.#isScheduled = false;
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('online', this.#runNow);
  }

  #runNow = () => {
    this.cancel();
    this.#action();
  };
}
