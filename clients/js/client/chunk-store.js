/** @import { SessionError } from './errors.js' */
/** @import { ChunkBytes, NewStoredFields, StoredFields } from './types.js' */

import { asSessionError } from './errors.js';
import { ReplayBuffer } from './replay-buffer.js';
import { StoredSession } from './stored-session.js';

/**
 * The unpersisted chunks of a session: in memory, and in IndexedDB if there is a stored session.
 *
 * If IndexedDB fails, the error goes to `reportError`, and the recording continues in memory.
 */
export class ChunkStore {
  buffer;
  /** @type {StoredSession | null} */
  #storedSession = null;
  #isStoreComplete = true; // false after a failed chunk: chunks after a gap cannot be used
  #reportError;

  /**
   * @param {number} maxBytes
   * @param {(error: SessionError) => void} reportError
   */
  constructor(maxBytes, reportError) {
    this.buffer = new ReplayBuffer(maxBytes);
    this.#reportError = reportError;
  }

  /** @param {NewStoredFields} fields */
  async createStoredSession(fields) {
    await this.#tryStore(async () => (this.#storedSession = await StoredSession.create(fields)));
  }

  /**
   * Load the chunks that another page has stored.
   *
   * @param {StoredSession} storedSession
   */
  async restore(storedSession) {
    this.#storedSession = storedSession;
    this.buffer.release(storedSession.fields.first);
    for (const chunk of await storedSession.readChunks()) this.buffer.add(chunk);
  }

  /** @param {Partial<StoredFields>} changes */
  async updateStoredSession(changes) {
    await this.#tryStore(() => this.#storedSession?.update(changes));
  }

  /**
   * Add the chunk to the buffer at once; settles when IndexedDB has it.
   *
   * @param {ChunkBytes} chunk
   */
  async add(chunk) {
    const number = this.buffer.add(chunk);
    if (!this.#isStoreComplete) return;
    const isStored = await this.#tryStore(() => this.#storedSession?.putChunk(number, chunk));
    this.#isStoreComplete &&= isStored;
  }

  /** Delete the persisted chunks from IndexedDB. */
  async deletePersisted() {
    await this.#tryStore(() => this.#storedSession?.deleteChunksBefore(this.buffer.firstNumber));
  }

  /** Delete the stored session with its chunks. */
  async delete() {
    await this.#tryStore(() => this.#storedSession?.delete());
  }

  /**
   * Reject callers that wait for room, and let another page claim the stored session.
   *
   * @param {SessionError} error
   */
  close(error) {
    this.buffer.close(error);
    this.#storedSession?.releaseLock();
  }

  /** @param {() => Promise<unknown> | undefined} operation */
  async #tryStore(operation) {
    try {
      await operation();
      return true;
    } catch (error) {
      this.#reportError(asSessionError(error, 'store_failed'));
      return false;
    }
  }
}
