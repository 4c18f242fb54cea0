/** @import { AudioInput, Chunk, Sink, Source } from '../sercuescribe.js' */

import { asSessionError, SessionError } from './errors.js';
import { MicrophoneSource } from './microphone-source.js';

/**
 * An async iterable or a ReadableStream of chunks as a source.
 *
 * @implements {Source}
 */
class ChunkSource {
  #chunks;
  /** @type {Promise<void> | null} */
  #ended = null;

  /** @param {AsyncIterator<Chunk>} chunks */
  constructor(chunks) {
    this.#chunks = chunks;
  }

  async open() {
    return {};
  }

  /** @param {Sink} sink */
  async start(sink) {
    this.#ended = this.#pump(sink).catch((error) => sink.failed(error));
  }

  /** Settles when the iterable has ended: it is read to its end. */
  async stop() {
    await this.#ended;
  }

  async cancel() {
    await this.#chunks.return?.();
  }

  /** @param {Sink} sink */
  async #pump(sink) {
    let part = await this.#chunks.next();
    for (; !part.done; part = await this.#chunks.next()) await sink.chunk(part.value);
  }
}

/**
 * Iterate over a stream. Not all browsers have `ReadableStream[Symbol.asyncIterator]`.
 *
 * @param {ReadableStream<Chunk>} stream
 */
async function* iterateStream(stream) {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel();
  }
}

/**
 * Return the argument of `SessionClient.start` as a source.
 *
 * @param {AudioInput} given
 * @returns {Source}
 */
export function toSource(given) {
  if (Object(given) !== given) throw invalidSourceError();
  if ('open' in given && 'stop' in given) return given;
  if (globalThis.MediaStream && given instanceof MediaStream) {
    return new MicrophoneSource({ stream: given });
  }
  if ('getReader' in given) return new ChunkSource(iterateStream(given));
  if (Symbol.asyncIterator in given) return new ChunkSource(given[Symbol.asyncIterator]());
  throw invalidSourceError();
}

/**
 * Cancel a source whose chunks are not needed any more.
 *
 * @param {Source | null} source
 * @param {(error: SessionError) => void} reportError
 */
export async function cancelSource(source, reportError) {
  try {
    if (source?.cancel) await source.cancel();
    else await source?.stop();
  } catch (error) {
    reportError(asSessionError(error, 'source_failed'));
  }
}

function invalidSourceError() {
  const text = 'expected a source, MediaStream, or stream of chunks';
  return new SessionError('invalid_source', text);
}
