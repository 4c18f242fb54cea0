import { setText } from './elements.js';
import { toDecibels } from './format.js';
import { fill } from './localize.js';
import { texts } from './texts.js';

const FLOOR_DECIBELS = -60;
const CLIPPING_PEAK = 0.999;
const HELD_PEAK_FALL_DECIBELS = 1.2; // with each level
const ANNOUNCE_INTERVAL_MS = 1000;
const MEASURE_INTERVAL_MS = 50;
const WINDOW_FRAMES = 2048;

/**
 * Call `onPeak` with the peaks of a MediaStream; return a function that stops it.
 *
 * @param {MediaStream} stream
 * @param {(peak: number) => void} onPeak
 */
export function measurePeaks(stream, onPeak) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: WINDOW_FRAMES });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(WINDOW_FRAMES);
  context.resume().catch(() => {}); // it may have been created before a click
  const timer = setInterval(() => {
    if (context.state !== 'running') return; // it would measure silence
    analyser.getFloatTimeDomainData(samples);
    onPeak(samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0));
  }, MEASURE_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    context.close();
  };
}

/** A meter in decibels below full scale, with a held peak and a mark for clipping. */
export class LevelMeter {
  #parts;
  #heldDecibels = FLOOR_DECIBELS;
  #announcedAt = 0;

  /** @param {Record<'meter' | 'decibels' | 'clip', HTMLElement>} parts */
  constructor({ meter, decibels: text, clip }) {
    this.#parts = { meter, text, clip };
    this.showSilence();
  }

  /** @param {number} peak from 0 to 1 */
  show(peak) {
    const level = Math.max(FLOOR_DECIBELS, toDecibels(peak));
    this.#heldDecibels = Math.max(level, this.#heldDecibels - HELD_PEAK_FALL_DECIBELS);
    const { meter, text, clip } = this.#parts;
    meter.style.setProperty('--level', String(toFraction(level)));
    meter.style.setProperty('--held', String(toFraction(this.#heldDecibels)));
    const isSilent = this.#heldDecibels === FLOOR_DECIBELS;
    setText(text, isSilent ? '−∞ dB' : `${Math.round(this.#heldDecibels)} dB`);
    if (peak >= CLIPPING_PEAK) clip.hidden = false;
    if (performance.now() - this.#announcedAt > ANNOUNCE_INTERVAL_MS) this.#announce(level);
  }

  /** Show the lowest level; keep the mark for clipping. */
  showSilence() {
    this.#heldDecibels = FLOOR_DECIBELS;
    this.#announcedAt = 0;
    this.show(0);
  }

  reset() {
    this.showSilence();
    this.#parts.clip.hidden = true;
  }

  /** @param {number} level in decibels */
  #announce(level) {
    this.#announcedAt = performance.now();
    const { meter } = this.#parts;
    meter.setAttribute('aria-valuenow', String(Math.round(level)));
    const isSilent = level === FLOOR_DECIBELS;
    const text = fill(texts.recorder.decibels, { count: Math.round(level) });
    meter.setAttribute('aria-valuetext', isSilent ? texts.recorder.silence : text);
  }
}

/** @param {number} level in decibels */
function toFraction(level) {
  return 1 - level / FLOOR_DECIBELS;
}
