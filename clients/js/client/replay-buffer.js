import { deferred } from './deferred.js';

/** The chunks that the service may yet ask for again, by their numbers. Nothing is ever dropped. */
export class ReplayBuffer {
  first = 0; // the number of the first chunk kept: all before it are persisted
  bytes = 0;
  #chunks = [];
  #changed = deferred();

  constructor(maxBytes) {
    this.maxBytes = maxBytes;
  }

  /** The number that the next chunk gets. */
  get next() {
    return this.first + this.#chunks.length;
  }

  /** Whether `size` more bytes may be kept. One chunk always may, however large. */
  hasRoomFor(size) {
    return this.bytes === 0 || this.bytes + size <= this.maxBytes;
  }

  /** Settles when there is room, or rejects with what `close` was told. */
  async room(size) {
    while (!this.hasRoomFor(size)) await this.#changed.promise;
  }

  /** Settles when all chunks before `number` are let go of; rejects as `room` does. */
  async released(number) {
    while (this.first < number) await this.#changed.promise;
  }

  add(chunk) {
    this.#chunks.push(chunk);
    this.bytes += chunk.byteLength;
    return this.next - 1;
  }

  at(number) {
    return this.#chunks[number - this.first];
  }

  /** Let go of all chunks before `number`. */
  release(number) {
    for (const chunk of this.#chunks.splice(0, number - this.first)) this.bytes -= chunk.byteLength;
    this.first = number;
    this.#changed.resolve();
    this.#changed = deferred();
  }

  /** There will be no room any more: whoever waits for it is told why. */
  close(error) {
    this.#changed.reject(error);
  }
}
