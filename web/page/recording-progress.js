/** @import { Progress } from '../client.js' */

/** The elapsed, acknowledged and persisted durations of a recording. */
export class RecordingProgress {
  receivedSeconds = 0; // by the service
  persistedSeconds = 0;
  /** @type {Progress[]} */
  #acks = []; // not persisted
  #elapsedMs; // until `#startedAt`
  /** @type {number | null} */
  #startedAt = null; // null: no sound arrives

  /** @param {number} elapsedSeconds of a recording that is continued */
  constructor(elapsedSeconds = 0) {
    this.#elapsedMs = elapsedSeconds * 1000;
    this.receivedSeconds = this.persistedSeconds = elapsedSeconds;
  }

  /**
   * Count time from now on, if it is not counted yet.
   *
   * @param {number} nowMs
   */
  start(nowMs) {
    this.#startedAt ??= nowMs;
  }

  /**
   * Count no time from a moment on.
   *
   * @param {number} atMs
   */
  stop(atMs) {
    if (this.#startedAt === null) return;
    this.#elapsedMs += Math.max(0, atMs - this.#startedAt);
    this.#startedAt = null;
  }

  /**
   * Return for how many seconds sound has arrived.
   *
   * @param {number} nowMs
   */
  elapsedSeconds(nowMs) {
    const runningMs = this.#startedAt === null ? 0 : nowMs - this.#startedAt;
    return (this.#elapsedMs + runningMs) / 1000;
  }

  /** @param {Progress} progress */
  ack(progress) {
    this.receivedSeconds = progress.durationSeconds;
    this.#acks.push(progress);
  }

  /** @param {Pick<Progress, 'chunkCount'>} progress */
  persist({ chunkCount }) {
    while (this.#acks.length > 0 && this.#acks[0].chunkCount <= chunkCount) {
      this.persistedSeconds = this.#acks[0].durationSeconds;
      this.#acks.shift();
    }
  }

  /** @param {number} seconds */
  complete(seconds) {
    this.receivedSeconds = seconds;
    this.persistedSeconds = seconds;
    this.#acks = [];
  }
}
