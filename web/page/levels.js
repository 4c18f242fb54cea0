import { decibels } from './text.js';
import { write } from './elements.js';

const FLOOR_DECIBELS = -60;
const CLIPPED = 0.999;
const FALL_DECIBELS = 1.2; // of the held peak, with each level
const SPOKEN_MS = 1000;
const PERIOD_MS = 50;
const WINDOW_FRAMES = 2048;

/** Calls `heard(peak)` for what a MediaStream carries, until the function it gives is called. */
export function measure(stream, heard) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: WINDOW_FRAMES });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(WINDOW_FRAMES);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    heard(samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0));
  }, PERIOD_MS);
  return () => {
    clearInterval(timer);
    context.close();
  };
}

/** A meter in decibels below full scale, with the highest level of late, and a mark for clipping. */
export class LevelMeter {
  #parts;
  #held = FLOOR_DECIBELS;
  #spokenAt = 0;

  constructor({ meter, decibels: text, clip }) {
    this.#parts = { meter, text, clip };
  }

  show(peak) {
    const level = Math.max(FLOOR_DECIBELS, decibels(peak));
    this.#held = Math.max(level, this.#held - FALL_DECIBELS);
    const { meter, text, clip } = this.#parts;
    meter.style.setProperty('--level', share(level));
    meter.style.setProperty('--held', share(this.#held));
    write(text, this.#held > FLOOR_DECIBELS ? `${Math.round(this.#held)} dB` : '−∞ dB');
    if (peak >= CLIPPED) clip.hidden = false;
    if (performance.now() - this.#spokenAt > SPOKEN_MS) this.#speak(level);
  }

  /** Show that nothing is heard any more; that it was clipped stays. */
  rest() {
    this.#held = FLOOR_DECIBELS;
    this.#spokenAt = 0;
    this.show(0);
  }

  clear() {
    this.rest();
    this.#parts.clip.hidden = true;
  }

  #speak(level) {
    this.#spokenAt = performance.now();
    const { meter } = this.#parts;
    meter.setAttribute('aria-valuenow', Math.round(level));
    const isSilent = level === FLOOR_DECIBELS;
    meter.setAttribute('aria-valuetext', isSilent ? 'silence' : `${Math.round(level)} decibels`);
  }
}

function share(level) {
  return 1 - level / FLOOR_DECIBELS;
}
