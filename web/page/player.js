import { nameOf } from './errors.js';
import { texts } from './texts.js';

/** @type {Player | null} */
let playingPlayer = null; // only one recording plays at a time

/** Plays one recording of the service. */
export class Player {
  audio = new Audio();
  #getUrl;
  #onError;
  /** @type {Promise<void> | null} */
  #loaded = null;
  #isUrlRenewed = false;

  /**
   * @param {() => Promise<string>} getUrl called again when a URL has expired
   * @param {(error: unknown) => void} onError
   */
  constructor(getUrl, onError) {
    this.#getUrl = getUrl;
    this.#onError = onError;
    this.audio.preload = 'none';
    this.audio.addEventListener('error', () => this.#retryWithNewUrl());
    this.audio.addEventListener('playing', () => (this.#isUrlRenewed = false));
    this.audio.addEventListener('play', () => {
      if (playingPlayer !== this) playingPlayer?.audio.pause();
      playingPlayer = this;
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

  /** @param {number} seconds */
  async seek(seconds) {
    await this.#load();
    this.audio.currentTime = seconds;
  }

  /**
   * Play faster or slower from now on, at the same pitch.
   *
   * @param {number} factor
   */
  setSpeed(factor) {
    this.audio.defaultPlaybackRate = factor; // of the next source
    this.audio.playbackRate = factor;
  }

  dispose() {
    this.audio.pause();
    this.audio.removeAttribute('src');
    if (playingPlayer === this) playingPlayer = null;
  }

  /** Settles when the source is set. After a failure, the next call tries again. */
  #load() {
    this.#loaded ??= this.#setSource().catch((error) => {
      this.#loaded = null;
      throw error;
    });
    return this.#loaded;
  }

  async #setSource() {
    const url = await this.#getUrl();
    const seconds = this.audio.currentTime;
    this.audio.src = url;
    this.audio.currentTime = seconds;
  }

  async #play() {
    try {
      await this.audio.play();
    } catch (error) {
      // AbortError: paused before it started. NotSupportedError: the `error` event handles it.
      if (!['AbortError', 'NotSupportedError'].includes(nameOf(error))) throw error;
    }
  }

  async #retryWithNewUrl() {
    if (!this.audio.hasAttribute('src')) return;
    const wasPlaying = !this.audio.paused;
    this.#loaded = null;
    try {
      if (this.#isUrlRenewed) throw new Error(texts.errors.cannotPlay);
      this.#isUrlRenewed = true;
      await this.#load();
      if (wasPlaying) await this.#play();
    } catch (error) {
      this.audio.pause();
      this.#onError(error);
    }
  }
}
