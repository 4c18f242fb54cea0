/** The elapsed, acknowledged and persisted durations of a recording. */
export class RecordingProgress {
  receivedSeconds = 0; // by the service
  persistedSeconds = 0;
  #acks = []; // acknowledged and not persisted: [chunk count, seconds]
  #startedAt = null;
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

  ack({ chunkCount, durationSeconds }) {
    this.receivedSeconds = durationSeconds;
    this.#acks.push([chunkCount, durationSeconds]);
  }

  persist({ chunkCount }) {
    while (this.#acks.length > 0 && this.#acks[0][0] <= chunkCount) {
      [, this.persistedSeconds] = this.#acks.shift();
    }
  }

  complete(seconds) {
    this.receivedSeconds = seconds;
    this.persistedSeconds = seconds;
    this.#acks = [];
  }
}
