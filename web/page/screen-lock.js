/** Keeps the screen on: a sleeping phone does not record. */
export class ScreenLock {
  #isNeeded;
  /** @type {WakeLockSentinel | null} */
  #lock = null;

  /** @param {() => boolean} isNeeded */
  constructor(isNeeded) {
    this.#isNeeded = isNeeded;
    // A hidden page loses the lock.
    document.addEventListener('visibilitychange', () => {
      if (isNeeded() && !document.hidden) this.request();
    });
  }

  async request() {
    const lock = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
    this.#lock?.release();
    this.#lock = lock;
    if (!this.#isNeeded()) this.release();
  }

  release() {
    this.#lock?.release();
    this.#lock = null;
  }
}
