/** @import { Chunk } from '../sercuescribe.js' */
/** @import { ChunkBytes } from './types.js' */

const MAX_CHUNK_BYTES = 64 * 1024; // far below the limits of the service; audio may be cut anywhere

/**
 * Copy the bytes of `chunk` before returning, so that the caller may reuse the buffer.
 *
 * @param {Chunk} chunk
 * @returns {ChunkBytes | Promise<ChunkBytes>}
 */
export function copyBytes(chunk) {
  if (chunk instanceof Blob) return chunk.arrayBuffer().then((bytes) => new Uint8Array(bytes));
  if (chunk instanceof Uint8Array) return chunk.slice();
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice();
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk.slice(0));
  throw new TypeError('a chunk is an ArrayBuffer, a view of one, or a Blob');
}

/**
 * Split `bytes` into chunks of at most 64 KiB. An empty chunk stays one chunk.
 *
 * @param {ChunkBytes} bytes
 */
export function* splitChunk(bytes) {
  if (bytes.byteLength <= MAX_CHUNK_BYTES) {
    yield bytes;
    return;
  }
  for (let start = 0; start < bytes.byteLength; start += MAX_CHUNK_BYTES) {
    yield bytes.slice(start, start + MAX_CHUNK_BYTES);
  }
}
