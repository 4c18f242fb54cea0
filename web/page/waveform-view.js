/** @import { ApiClient } from './api-client.js' */
/** @import { TimelineEvent, Waveform } from './types.js' */

import { get2dContext } from './elements.js';

const MAX_PIXELS = 1200; // of each request: at most 30 kB, however long the recording is
const MIN_VIEW_SECONDS = 1;
const ZOOM_FACTOR = 2;
const FULL_SCALE = 32768;
const LABEL_FONT = '12px system-ui, sans-serif';
const [LABEL_HEIGHT, LABEL_MARGIN, MAX_LABEL_WIDTH] = [16, 4, 160]; // in CSS pixels

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
  /** @type {TimelineEvent[]} */
  #events = [];
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

  /**
   * Show marks, pauses and gaps as lines, with the labels that fit.
   *
   * @param {TimelineEvent[]} events in their order
   */
  setEvents(events) {
    this.#events = events;
    this.#draw();
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
    this.#drawEvents(context, style, { width, height });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {CSSStyleDeclaration} style
   * @param {{ width: number, height: number }} size
   */
  #drawEvents(context, style, { width, height }) {
    const { startSeconds: start, endSeconds: end } = this;
    const shown = this.#events
      .filter(({ seconds }) => seconds >= start && seconds <= end)
      .map(({ seconds, kind, text }) => ({
        x: Math.min(width - 2, ((seconds - start) / (end - start)) * width),
        color: style.getPropertyValue(kind === 'mark' ? '--busy' : '--warn'),
        text,
      }));
    for (const { x, color } of shown) {
      context.fillStyle = color;
      context.fillRect(x, 0, 2, height);
    }
    context.font = LABEL_FONT;
    context.textBaseline = 'middle';
    let labelledTo = 0; // labels do not overlap
    for (const { x, color, text } of shown) {
      const labelWidth = context.measureText(text).width + 2 * LABEL_MARGIN;
      const isFitting = x >= labelledTo && x + labelWidth < width && labelWidth < MAX_LABEL_WIDTH;
      if (!isFitting) continue;
      context.fillStyle = style.getPropertyValue('--surface');
      context.fillRect(x + 2, 0, labelWidth, LABEL_HEIGHT);
      context.fillStyle = color;
      context.fillText(text, x + 2 + LABEL_MARGIN, LABEL_HEIGHT / 2);
      labelledTo = x + 2 + labelWidth;
    }
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
