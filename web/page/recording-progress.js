/** @import { Progress } from '../client.js' */

/** The elapsed, acknowledged and persisted durations of a recording. */
export class RecordingProgress {
  receivedSeconds = 0; // by the service
  persistedSeconds = 0;
  /** @type {Progress[]} */
  #acks = []; // not persisted
  /** @type {number | null} */
  #startedAt = null;
  /** @type {number | null} */
  #stoppedAt = null;

  start() {
    this.#startedAt = performance.now();
  }

  stop() {
    this.#stoppedAt = performance.now();
  }

  /** Seconds since the start. */
  get elapsedSeconds() {
    if (this.#startedAt === null) return 0;
    return ((this.#stoppedAt ?? performance.now()) - this.#startedAt) / 1000;
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
