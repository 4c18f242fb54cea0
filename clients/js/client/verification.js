/** @import { Receipt, Verification } from '../sercuescribe.js' */
/** @import { ChunkBytes } from './types.js' */

const BLOCK_BYTES = 1024 * 1024;

/**
 * The digest of all bytes sent so far: the SHA-256 over the SHA-256 digests of blocks of 1 MiB.
 *
 * Browsers hash in secure contexts only, and never continue a hash: so a block is kept until it is
 * whole.
 */
export class SentInput {
  bytes = 0;
  #block = new Uint8Array(BLOCK_BYTES);
  /** @type {Promise<ArrayBuffer>[]} */
  #digests = [];

  /** @param {ChunkBytes} chunk */
  add(chunk) {
    if (!canHash()) return;
    for (let start = 0; start < chunk.byteLength;) {
      const filled = this.bytes % BLOCK_BYTES;
      const part = chunk.subarray(start, start + BLOCK_BYTES - filled);
      this.#block.set(part, filled);
      start += part.byteLength;
      this.bytes += part.byteLength;
      if (this.bytes % BLOCK_BYTES === 0) this.#digests.push(sha256(this.#block.slice()));
    }
  }

  /** Return the digest in hexadecimal. */
  async digest() {
    const last = this.#block.slice(0, this.bytes % BLOCK_BYTES);
    const digests = await Promise.all(
      last.byteLength > 0 ? [...this.#digests, sha256(last)] : this.#digests,
    );
    return toHex(await sha256(new Uint8Array(await new Blob(digests).arrayBuffer())));
  }
}

/** Whether this page or program may hash. */
export function canHash() {
  return globalThis.crypto?.subtle !== undefined;
}

/**
 * Compare all that was sent to a session with its receipt.
 *
 * @param {SentInput} sent
 * @param {Receipt | null | undefined} receipt
 * @param {string | undefined} announcedDigest that of the final message, if it arrived
 * @returns {Promise<Verification>}
 */
export async function compare(sent, receipt, announcedDigest) {
  if (!receipt) return unknown('the service has made no receipt');
  if (announcedDigest !== undefined && announcedDigest !== await receiptDigest(receipt)) {
    return differs('the receipt is not the one that the service announced');
  }
  if (receipt.inputs === null) return unknown(receipt.inputs_unknown ?? '');
  if (receipt.inputs.length > 1) {
    return unknown(`the session has ${receipt.inputs.length} input streams`);
  }
  const [received] = receipt.inputs;
  const receivedBytes = received?.bytes ?? 0;
  if (receivedBytes !== sent.bytes) {
    return differs(`the service has received ${receivedBytes} bytes of ${sent.bytes}`);
  }
  if (received && received.digest !== await sent.digest()) {
    return differs('the service has received other bytes');
  }
  return { result: 'verified', reason: '' };
}

/**
 * @param {string} reason
 * @returns {Verification}
 */
export function unknown(reason) {
  return { result: 'unknown', reason };
}

/**
 * @param {string} reason
 * @returns {Verification}
 */
function differs(reason) {
  return { result: 'differs', reason };
}

/**
 * Return the SHA-256 of the canonical JSON (RFC 8785) of a receipt without its signature.
 *
 * @param {Receipt} receipt
 */
export async function receiptDigest(receipt) {
  const fields = Object.entries(receipt).filter(([name]) => name !== 'signature');
  const signed = Object.fromEntries(fields);
  return toHex(await sha256(new TextEncoder().encode(canonical(signed))));
}

/**
 * The numbers of a receipt are integers and its keys ASCII, so sorted keys are all that is needed.
 *
 * @param {unknown} value
 * @returns {string}
 */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`;
}

/** @param {ChunkBytes} bytes */
function sha256(bytes) {
  return globalThis.crypto.subtle.digest('SHA-256', bytes);
}

/** @param {ArrayBuffer} bytes */
function toHex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
