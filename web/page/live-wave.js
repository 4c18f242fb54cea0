const BAR = 2; // pixels of the page, as is the gap
const GAP = 1;
const MOST_COLUMNS = 4096; // no screen is wider; tabs that nobody looks at do not draw

/** A waveform that moves: the newest column on the right. */
export class LiveWave {
  #canvas;
  #peaks = []; // from 0 to 1, as many as there is room for
  #isDue = false;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#soon()).observe(canvas);
  }

  /** Add a column: the highest sample of some time, from 0 to 1. */
  push(peak) {
    this.#peaks.push(Math.min(1, peak));
    if (this.#peaks.length > 2 * MOST_COLUMNS) this.#peaks.splice(0, MOST_COLUMNS);
    this.#soon();
  }

  clear() {
    this.#peaks = [];
    this.#soon();
  }

  #soon() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const columns = Math.ceil(width / (BAR + GAP));
    this.#peaks.splice(0, this.#peaks.length - columns);
    const context = this.#canvas.getContext('2d');
    context.scale(scale, scale);
    context.fillStyle = getComputedStyle(this.#canvas).color;
    const left = width - this.#peaks.length * (BAR + GAP);
    this.#peaks.forEach((peak, index) => {
      const bar = Math.max(1, peak * height);
      context.fillRect(left + index * (BAR + GAP), (height - bar) / 2, BAR, bar);
    });
  }
}
