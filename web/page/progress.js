/** How far a recording is: here, at the service, and safe there. */
export class Progress {
  received = 0; // seconds
  safe = 0;
  #acks = []; // what was received and is not safe yet: [chunk count, seconds]
  #beganAt = null;
  #endedAt = null;

  begin() {
    this.#beganAt = performance.now();
  }

  end() {
    this.#endedAt = performance.now();
  }

  /** Seconds since it began. */
  get elapsed() {
    if (this.#beganAt === null) return 0;
    return ((this.#endedAt ?? performance.now()) - this.#beganAt) / 1000;
  }

  ack({ chunkCount, durationSeconds }) {
    this.received = durationSeconds;
    this.#acks.push([chunkCount, durationSeconds]);
  }

  persist({ chunkCount }) {
    while (this.#acks.length > 0 && this.#acks[0][0] <= chunkCount) {
      [, this.safe] = this.#acks.shift();
    }
  }

  complete(seconds) {
    this.received = seconds;
    this.safe = seconds;
    this.#acks = [];
  }
}
