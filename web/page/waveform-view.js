/** @import { ApiClient } from './api-client.js' */
/** @import { Waveform } from './types.js' */

import { get2dContext } from './elements.js';

const MAX_PIXELS = 1200; // of each request: at most 30 kB, however long the recording is
const MIN_VIEW_SECONDS = 1;
const ZOOM_FACTOR = 2;
const FULL_SCALE = 32768;

/** The waveform of a completed recording, or of a part of it, with the position of the player. */
export class WaveformView {
  startSeconds = 0;
  endSeconds;
  #canvas;
  #api;
  #id;
  #durationSeconds;
  #positionSeconds = 0;
  /** @type {{ tops: Float32Array, bottoms: Float32Array } | null} */
  #peaks = null;
  #loadedRange = ''; // of the last request
  #resizes = new ResizeObserver(() => this.#draw());

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {ApiClient} api
   * @param {{ id: string, seconds: number }} recording
   */
  constructor(canvas, api, { id, seconds }) {
    this.#canvas = canvas;
    this.#api = api;
    this.#id = id;
    this.#durationSeconds = seconds;
    this.endSeconds = seconds;
    this.#resizes.observe(canvas);
  }

  get isZoomed() {
    return this.endSeconds - this.startSeconds < this.#durationSeconds;
  }

  /** Load and draw the shown part, unless it is shown already. */
  async load() {
    const { startSeconds: start, endSeconds: end } = this;
    const range = `${start} ${end}`;
    if (range === this.#loadedRange) return;
    this.#loadedRange = range;
    try {
      const waveform = await this.#api.waveform(this.#id, { width: MAX_PIXELS, start, end });
      if (range !== this.#loadedRange) return; // another part is wanted meanwhile
      this.#peaks = combineChannels(waveform);
      this.#draw();
    } catch (error) {
      this.#loadedRange = '';
      throw error;
    }
  }

  /**
   * Show half of the time around the position, or twice as much.
   *
   * @param {'in' | 'out'} direction
   */
  async zoom(direction) {
    const shown = this.endSeconds - this.startSeconds;
    const wanted = direction === 'in' ? shown / ZOOM_FACTOR : shown * ZOOM_FACTOR;
    const length = Math.min(this.#durationSeconds, Math.max(MIN_VIEW_SECONDS, wanted));
    this.#show(this.#positionSeconds - length / 2, length);
    await this.load();
  }

  /**
   * Show the position; return whether the shown part has moved to it.
   *
   * @param {number} seconds
   */
  setPosition(seconds) {
    this.#positionSeconds = seconds;
    const isOutside = seconds < this.startSeconds || seconds > this.endSeconds;
    if (isOutside) this.#show(seconds, this.endSeconds - this.startSeconds);
    this.#draw();
    return isOutside;
  }

  dispose() {
    this.#loadedRange = ''; // an answer that is still on its way is not drawn
    this.#resizes.disconnect();
  }

  /**
   * @param {number} startSeconds
   * @param {number} length in seconds
   */
  #show(startSeconds, length) {
    const latest = this.#durationSeconds - length;
    this.startSeconds = Math.max(0, Math.min(latest, startSeconds));
    this.endSeconds = this.startSeconds + length;
  }

  #draw() {
    if (this.#peaks === null) return;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    this.#canvas.width = width * devicePixelRatio;
    this.#canvas.height = height * devicePixelRatio;
    const context = get2dContext(this.#canvas);
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(this.#canvas);
    const { tops, bottoms } = this.#peaks;
    const shown = this.endSeconds - this.startSeconds;
    const positionX = ((this.#positionSeconds - this.startSeconds) / shown) * width;
    const pixel = width / tops.length;
    const [accent, wave] = [style.getPropertyValue('--accent'), style.getPropertyValue('--wave')];
    tops.forEach((top, index) => {
      const x = index * pixel;
      context.fillStyle = x < positionX ? accent : wave;
      const y = ((1 - top) * height) / 2;
      context.fillRect(x, y, pixel, Math.max(1, ((top - bottoms[index]) * height) / 2));
    });
    context.fillStyle = accent;
    context.fillRect(Math.max(0, positionX - 1), 0, 2, height);
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
