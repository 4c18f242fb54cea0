import { measurePeaks } from './level-meter.js';

const DURATION_MS = 5000;
const SILENT_PEAK = 0.0005; // -66 dB: below the noise of any microphone
const QUIET_PEAK = 0.03; // -30 dB: speech at an arm's length is louder
const LOUD_PEAK = 0.999;

/** @typedef {'silent' | 'quiet' | 'good' | 'loud'} CheckResult */

/** A check of a microphone: the user speaks, and nothing is recorded. */
export class MicrophoneCheck {
  #peak = 0;
  #stop = () => {};

  /**
   * Measure for five seconds, or until `end`; return how loud it was at most.
   *
   * @param {MediaStream} stream its tracks are stopped at the end
   * @param {(peak: number) => void} onPeak
   * @returns {Promise<CheckResult>}
   */
  async run(stream, onPeak) {
    const stopMeasuring = measurePeaks(stream, (peak) => {
      this.#peak = Math.max(this.#peak, peak);
      onPeak(peak);
    });
    await new Promise((resolve) => {
      this.#stop = () => resolve(undefined);
      setTimeout(resolve, DURATION_MS);
    });
    stopMeasuring();
    for (const track of stream.getTracks()) track.stop();
    return checkResult(this.#peak);
  }

  /** End the check before its time. */
  end() {
    this.#stop();
  }
}

/**
 * Return what the highest peak of a check says about the microphone.
 *
 * @param {number} peak from 0 to 1
 * @returns {CheckResult}
 */
export function checkResult(peak) {
  if (peak < SILENT_PEAK) return 'silent';
  if (peak < QUIET_PEAK) return 'quiet';
  return peak >= LOUD_PEAK ? 'loud' : 'good';
}
