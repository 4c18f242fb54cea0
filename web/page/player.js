let current = null; // one recording is heard at a time

/** Plays one recording of the service. */
export class Player {
  audio = new Audio();
  #address; // () => Promise<string>: links end, and are made again
  #failed;
  #loading = null;
  #isRenewed = false;

  constructor(address, failed) {
    this.#address = address;
    this.#failed = failed;
    this.audio.preload = 'none';
    this.audio.addEventListener('error', () => this.#renew());
    this.audio.addEventListener('playing', () => (this.#isRenewed = false));
    this.audio.addEventListener('play', () => {
      if (current !== this) current?.audio.pause();
      current = this;
    });
  }

  async toggle() {
    if (!this.audio.paused) {
      this.audio.pause();
      return;
    }
    await this.#load();
    await this.#play();
  }

  async seek(seconds) {
    await this.#load();
    this.audio.currentTime = seconds;
  }

  end() {
    this.audio.pause();
    this.audio.removeAttribute('src');
    if (current === this) current = null;
  }

  /** Settles when there is an address; where there was none, the next one asks again. */
  #load() {
    this.#loading ??= this.#open().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  async #open() {
    const address = await this.#address();
    const from = this.audio.currentTime;
    this.audio.src = address;
    this.audio.currentTime = from;
  }

  async #play() {
    try {
      await this.audio.play();
    } catch (error) {
      // Paused before it began; what cannot be played is told by an event.
      if (error.name !== 'AbortError' && error.name !== 'NotSupportedError') throw error;
    }
  }

  async #renew() {
    if (!this.audio.hasAttribute('src')) return;
    const isWanted = !this.audio.paused;
    this.#loading = null;
    try {
      if (this.#isRenewed) throw new Error('This recording cannot be played.');
      this.#isRenewed = true;
      await this.#load();
      if (isWanted) await this.#play();
    } catch (error) {
      this.audio.pause();
      this.#failed(error);
    }
  }
}
