/** @import { ApiClient } from './api-client.js' */

import { findParts, setText } from './elements.js';
import { LiveMonitor } from './live-monitor.js';
import { LiveWaveform } from './live-waveform.js';
import { withErrorNotice } from './notices.js';
import { texts } from './texts.js';

const PART_TYPES = {
  watch: HTMLButtonElement,
  watcher: HTMLElement,
  live: HTMLCanvasElement,
  hear: HTMLButtonElement,
  watching: HTMLElement,
};

/** Watch an active session, and hear it. */
export class LivePanel {
  #parts;
  #api;
  #id;
  #waveform;
  /** @type {LiveMonitor | null} */
  #monitor = null; // null: not watched
  #isHeard = false;
  #onToggled;

  /**
   * @param {HTMLElement} root the card
   * @param {ApiClient} api
   * @param {string} id of the session
   * @param {() => void} onToggled
   */
  constructor(root, api, id, onToggled) {
    this.#parts = findParts(root, PART_TYPES);
    this.#api = api;
    this.#id = id;
    this.#onToggled = onToggled;
    this.#waveform = new LiveWaveform(this.#parts.live);
    this.#parts.watch.addEventListener('click', () => this.#toggle());
    this.#parts.hear.addEventListener('click', withErrorNotice(() => this.#toggleSound()));
  }

  get isWatching() {
    return this.#monitor !== null;
  }

  stop() {
    if (this.isWatching) this.#toggle();
  }

  #toggle() {
    const isWatching = !this.isWatching;
    const { watch, watcher } = this.#parts;
    watcher.hidden = !isWatching;
    watch.setAttribute('aria-expanded', String(isWatching));
    setText(watch, isWatching ? texts.recording.stopWatching : texts.recording.watch);
    this.#setHeard(false);
    this.#monitor?.stop();
    this.#monitor = isWatching ? this.#startMonitor() : null;
    this.#onToggled();
  }

  #startMonitor() {
    this.#waveform.clear();
    const monitor = new LiveMonitor(this.#api, this.#id, {
      onPeak: (peak) => this.#waveform.push(peak),
      onState: (text) => setText(this.#parts.watching, text),
    });
    monitor.start();
    return monitor;
  }

  async #toggleSound() {
    this.#setHeard(!this.#isHeard);
    if (this.#isHeard) await this.#monitor?.unmute();
    else this.#monitor?.mute();
  }

  /** @param {boolean} isHeard */
  #setHeard(isHeard) {
    this.#isHeard = isHeard;
    setText(this.#parts.hear, isHeard ? texts.recording.mute : texts.recording.listen);
  }
}
