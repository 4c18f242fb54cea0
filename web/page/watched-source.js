/** @import { Chunk, Parameters, Sink, Source } from '../client.js' */

/**
 * A source that reports when audio arrives from another source, and can drop it.
 *
 * @implements {Source}
 */
export class WatchedSource {
  /** Whether chunks are dropped. Only raw PCM stays decodable then. */
  isDropping = false;
  #source;
  #onArrival;

  /**
   * @param {Source} source
   * @param {() => void} onArrival called for each chunk that is not empty
   */
  constructor(source, onArrival) {
    this.#source = source;
    this.#onArrival = onArrival;
  }

  /** @param {Parameters} wanted */
  open(wanted) {
    return this.#source.open(wanted);
  }

  /** @param {Sink} sink */
  start(sink) {
    /** @param {Chunk} chunk */
    const takeChunk = (chunk) => {
      if (('size' in chunk ? chunk.size : chunk.byteLength) > 0) this.#onArrival();
      if (this.isDropping) return Promise.resolve();
      return sink.chunk(chunk);
    };
    return this.#source.start({ ...sink, chunk: takeChunk });
  }

  stop() {
    return this.#source.stop();
  }
}
