/** @typedef {'muted' | 'suspended' | 'silent'} SoundProblem */

const LIMIT_MS = 2000;

/** Notices when no sound arrives from a microphone, and why. */
export class SoundWatch {
  hasArrived = false;
  /** When the last sound arrived, in milliseconds of `performance.now()`. */
  lastArrivalMs;
  #track;
  #context;

  /**
   * @param {Pick<MediaStreamTrack, 'muted'>} track
   * @param {Pick<AudioContext, 'state'> | null} context that the sound passes through
   * @param {number} nowMs
   */
  constructor(track, context, nowMs) {
    this.#track = track;
    this.#context = context;
    this.lastArrivalMs = nowMs;
  }

  /**
   * Note that sound has arrived. What a muted track delivers is no sound.
   *
   * @param {number} nowMs
   */
  note(nowMs) {
    if (this.#track.muted) return;
    this.hasArrived = true;
    this.lastArrivalMs = nowMs;
  }

  /**
   * Return why no sound arrives; null while it does, and for two seconds after.
   *
   * @param {number} nowMs
   * @returns {SoundProblem | null}
   */
  problem(nowMs) {
    if (nowMs - this.lastArrivalMs <= LIMIT_MS) return null;
    if (this.#track.muted) return 'muted';
    return this.#context && this.#context.state !== 'running' ? 'suspended' : 'silent';
  }
}
