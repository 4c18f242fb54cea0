/** @import WaveSurfer from 'wavesurfer.js' */
/** @import { Waveform } from './types.js' */

import { findElement, get2dContext } from './elements.js';

/**
 * wavesurfer.js, or null if `make assets` has not copied it: then a canvas shows the waveform.
 *
 * @type {Promise<typeof WaveSurfer | null>}
 */
const waveSurferModule = import(new URL('../vendor/wavesurfer.js', import.meta.url).href).then(
  (module) => module.default,
  () => null,
);
const FULL_SCALE = 32768;
const HEIGHT_PIXELS = 72;

/** The waveform of a completed recording, with the position of the player. */
export class RecordedWaveform {
  #container;
  #audio;
  #durationSeconds;
  /** @type {WaveSurfer | null} */
  #waveSurfer = null;

  /**
   * @param {HTMLElement} container
   * @param {HTMLMediaElement} audio
   * @param {number} durationSeconds
   */
  constructor(container, audio, durationSeconds) {
    this.#container = container;
    this.#audio = audio;
    this.#durationSeconds = durationSeconds;
  }

  /**
   * Draw the service's waveform; return whether it also shows the position.
   *
   * @param {Waveform} waveform
   */
  async show(waveform) {
    const { tops, bottoms } = combineChannels(waveform);
    const library = await waveSurferModule;
    if (library) this.#waveSurfer = this.#createWaveSurfer(library, [tops, bottoms]);
    else this.#drawCanvas(tops, bottoms);
    return this.#waveSurfer !== null;
  }

  /**
   * Show a position before the player has reached it.
   *
   * @param {number} seconds
   */
  setPosition(seconds) {
    this.#waveSurfer?.setTime(seconds);
  }

  destroy() {
    this.#waveSurfer?.destroy();
  }

  /**
   * @param {typeof WaveSurfer} library
   * @param {Float32Array[]} peaks
   */
  #createWaveSurfer(library, peaks) {
    const style = getComputedStyle(this.#container);
    return library.create({
      container: this.#container,
      media: this.#audio,
      peaks,
      duration: this.#durationSeconds,
      height: HEIGHT_PIXELS,
      maxPeak: 1,
      barWidth: 2,
      barGap: 1,
      waveColor: style.getPropertyValue('--wave'),
      progressColor: style.getPropertyValue('--accent'),
      cursorWidth: 2,
      interact: false, // the slider above it handles mouse, touch and keys
      cspNonce: findElement(document, '#main', HTMLScriptElement).nonce,
    });
  }

  /**
   * @param {Float32Array} tops
   * @param {Float32Array} bottoms
   */
  #drawCanvas(tops, bottoms) {
    const canvas = document.createElement('canvas');
    canvas.width = tops.length;
    canvas.height = HEIGHT_PIXELS;
    this.#container.append(canvas);
    const context = get2dContext(canvas);
    context.fillStyle = getComputedStyle(this.#container).getPropertyValue('--wave');
    const middle = HEIGHT_PIXELS / 2;
    tops.forEach((top, x) => {
      const high = middle - top * middle;
      const low = middle - bottoms[x] * middle;
      context.fillRect(x, high, 1, Math.max(1, low - high));
    });
  }
}

/**
 * Return the highest and lowest samples of all channels together, from -1 to 1.
 *
 * @param {Waveform} waveform
 */
function combineChannels({ channels, length, data }) {
  const [tops, bottoms] = [new Float32Array(length), new Float32Array(length)];
  for (let pixel = 0; pixel < length; pixel++) {
    const values = data.slice(pixel * channels * 2, (pixel + 1) * channels * 2);
    tops[pixel] = Math.max(...values) / FULL_SCALE;
    bottoms[pixel] = Math.min(...values) / FULL_SCALE;
  }
  return { tops, bottoms };
}
