import { get2dContext } from './elements.js';

const BAR_PIXELS = 2; // CSS pixels, like the gap
const GAP_PIXELS = 1;
const MAX_COLUMNS = 4096; // no screen is wider; hidden tabs do not draw and trim the list

/** A scrolling waveform with the newest column on the right. */
export class LiveWaveform {
  #canvas;
  /** @type {number[]} */
  #peaks = []; // from 0 to 1, one per column
  #isDrawScheduled = false;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#scheduleDraw()).observe(canvas);
  }

  /**
   * Add a column.
   *
   * @param {number} peak of its samples, from 0 to 1
   */
  push(peak) {
    this.#peaks.push(Math.min(1, peak));
    if (this.#peaks.length > 2 * MAX_COLUMNS) this.#peaks.splice(0, MAX_COLUMNS);
    this.#scheduleDraw();
  }

  clear() {
    this.#peaks = [];
    this.#scheduleDraw();
  }

  #scheduleDraw() {
    if (this.#isDrawScheduled) return;
    this.#isDrawScheduled = true;
    requestAnimationFrame(() => {
      this.#isDrawScheduled = false;
      this.#draw();
    });
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const columns = Math.ceil(width / (BAR_PIXELS + GAP_PIXELS));
    this.#peaks.splice(0, this.#peaks.length - columns);
    const context = get2dContext(this.#canvas);
    context.scale(scale, scale);
    context.fillStyle = getComputedStyle(this.#canvas).color;
    const left = width - this.#peaks.length * (BAR_PIXELS + GAP_PIXELS);
    this.#peaks.forEach((peak, index) => {
      const barHeight = Math.max(1, peak * height);
      const x = left + index * (BAR_PIXELS + GAP_PIXELS);
      context.fillRect(x, (height - barHeight) / 2, BAR_PIXELS, barHeight);
    });
  }
}
