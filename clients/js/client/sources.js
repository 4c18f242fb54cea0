import { asSessionError, SessionError } from './errors.js';
import { MicrophoneSource } from './microphone.js';

/** Chunks that somebody else makes: an async iterable or a ReadableStream. */
class ChunkSource {
  #chunks;
  #ended = null;

  constructor(chunks) {
    this.#chunks = chunks;
  }

  async open() {
    return {};
  }

  async start(sink) {
    this.#ended = this.#pump(sink).catch((error) => sink.failed(error));
  }

  /** Its end is for its maker to say: it is read until then. */
  async stop() {
    await this.#ended;
  }

  async cancel() {
    await this.#chunks.return?.();
  }

  async #pump(sink) {
    let part = await this.#chunks.next();
    for (; !part.done; part = await this.#chunks.next()) await sink.chunk(part.value);
  }
}

/** Not every browser can iterate over a stream. */
async function* read(stream) {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel();
  }
}

/** What `SessionClient.start` was given, as a source. */
export function sourceOf(given) {
  if (typeof given.open === 'function' && typeof given.stop === 'function') return given;
  if (globalThis.MediaStream && given instanceof MediaStream) {
    return new MicrophoneSource({ stream: given });
  }
  if (typeof given.getReader === 'function') return new ChunkSource(read(given));
  if (given[Symbol.asyncIterator]) return new ChunkSource(given[Symbol.asyncIterator]());
  throw new SessionError('invalid_source', 'not a source, a MediaStream, or a stream of chunks');
}

/** End a source of which nobody takes anything any more. */
export async function cut(source, report) {
  try {
    await (source?.cancel ?? source?.stop)?.call(source);
  } catch (error) {
    report(asSessionError(error, 'source_failed'));
  }
}
