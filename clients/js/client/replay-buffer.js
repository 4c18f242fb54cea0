/** @import { ChunkBytes } from './types.js' */

import { Deferred } from './deferred.js';

/** The chunks that are not persisted, by their numbers: a new connection may need them again. */
export class ReplayBuffer {
  firstNumber = 0; // the number of the first unpersisted chunk
  bytes = 0;
  /** @type {ChunkBytes[]} */
  #chunks = [];
  #changed = new Deferred();

  /** @param {number} maxBytes */
  constructor(maxBytes) {
    this.maxBytes = maxBytes;
  }

  /** The number that the next chunk gets. */
  get nextNumber() {
    return this.firstNumber + this.#chunks.length;
  }

  /**
   * Whether `sizeBytes` may be added. The first chunk may be of any size.
   *
   * @param {number} sizeBytes
   */
  hasRoomFor(sizeBytes) {
    return this.bytes === 0 || this.bytes + sizeBytes <= this.maxBytes;
  }

  /**
   * Settles when there is room; rejects with the error of `close`.
   *
   * @param {number} sizeBytes
   */
  async waitForRoom(sizeBytes) {
    while (!this.hasRoomFor(sizeBytes)) await this.#changed.promise;
  }

  /**
   * Settles when all chunks before `number` are released; rejects with the error of `close`.
   *
   * @param {number} number
   */
  async waitForRelease(number) {
    while (this.firstNumber < number) await this.#changed.promise;
  }

  /**
   * Add a chunk and return its number.
   *
   * @param {ChunkBytes} chunk
   */
  add(chunk) {
    this.#chunks.push(chunk);
    this.bytes += chunk.byteLength;
    return this.nextNumber - 1;
  }

  /** @param {number} number */
  at(number) {
    return this.#chunks[number - this.firstNumber];
  }

  /**
   * Drop all chunks before `number`, which are persisted.
   *
   * @param {number} number
   */
  release(number) {
    const persisted = this.#chunks.splice(0, number - this.firstNumber);
    for (const chunk of persisted) this.bytes -= chunk.byteLength;
    this.firstNumber = number;
    this.#changed.resolve();
    this.#changed = new Deferred();
  }

  /**
   * Reject every waiting caller with `error`.
   *
   * @param {Error} error
   */
  close(error) {
    this.#changed.reject(error);
  }
}
