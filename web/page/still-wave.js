/** wavesurfer.js, where it was put beside this page; it paints what is here otherwise. */
const library = import(new URL('../vendor/wavesurfer.js', import.meta.url)).then(
  (module) => module.default,
  () => null,
);
const FULL_SCALE = 32768;
const HEIGHT = 72;

/** The waveform of a finished recording, with what was played of it. */
export class StillWave {
  #container;
  #audio;
  #seconds;
  #surfer = null;

  constructor(container, audio, seconds) {
    this.#container = container;
    this.#audio = audio;
    this.#seconds = seconds;
  }

  /** Paint what the service's waveform has; gives whether the position is painted, too. */
  async show({ channels, length, data }) {
    const { tops, bottoms } = outline(channels, length, data);
    const WaveSurfer = await library;
    if (WaveSurfer) this.#surfer = this.#create(WaveSurfer, [tops, bottoms]);
    else this.#paint(tops, bottoms);
    return this.#surfer !== null;
  }

  /** Show another position than that which is played. */
  place(seconds) {
    this.#surfer?.setTime(seconds);
  }

  destroy() {
    this.#surfer?.destroy();
  }

  #create(WaveSurfer, peaks) {
    const style = getComputedStyle(this.#container);
    return WaveSurfer.create({
      container: this.#container,
      media: this.#audio,
      peaks,
      duration: this.#seconds,
      height: HEIGHT,
      maxPeak: 1,
      barWidth: 2,
      barGap: 1,
      waveColor: style.getPropertyValue('--wave'),
      progressColor: style.getPropertyValue('--accent'),
      cursorWidth: 2,
      interact: false, // the slider in front of it takes mouse, touch and keys
      cspNonce: document.getElementById('main').nonce,
    });
  }

  #paint(tops, bottoms) {
    const canvas = document.createElement('canvas');
    canvas.width = tops.length;
    canvas.height = HEIGHT;
    this.#container.append(canvas);
    const context = canvas.getContext('2d');
    context.fillStyle = getComputedStyle(this.#container).getPropertyValue('--wave');
    const middle = HEIGHT / 2;
    tops.forEach((top, x) => {
      const high = middle - top * middle;
      const low = middle - bottoms[x] * middle;
      context.fillRect(x, high, 1, Math.max(1, low - high));
    });
  }
}

/** Of all channels together, from -1 to 1. */
function outline(channels, length, data) {
  const [tops, bottoms] = [new Float32Array(length), new Float32Array(length)];
  for (let pixel = 0; pixel < length; pixel++) {
    const values = data.slice(pixel * channels * 2, (pixel + 1) * channels * 2);
    tops[pixel] = Math.max(...values) / FULL_SCALE;
    bottoms[pixel] = Math.min(...values) / FULL_SCALE;
  }
  return { tops, bottoms };
}
