const LARGEST_BYTES = 64 * 1024; // far below every limit of the service; it takes any cut

/** The bytes of `chunk`: a copy, made at once, so that its owner may use the buffer again. */
export function bytesOf(chunk) {
  if (chunk instanceof Blob) return chunk.arrayBuffer().then((bytes) => new Uint8Array(bytes));
  if (chunk instanceof Uint8Array) return chunk.slice();
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice();
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk.slice(0));
  throw new TypeError('a chunk is an ArrayBuffer, a view of one, or a Blob');
}

/** `bytes` in pieces that the service takes; an empty chunk is one piece. */
export function* pieces(bytes) {
  if (bytes.byteLength <= LARGEST_BYTES) {
    yield bytes;
    return;
  }
  for (let start = 0; start < bytes.byteLength; start += LARGEST_BYTES) {
    yield bytes.slice(start, start + LARGEST_BYTES);
  }
}
