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

  constructor(maxBytes, reportError) {
    this.buffer = new ReplayBuffer(maxBytes);
    this.#reportError = reportError;
  }

  async createStoredSession(fields) {
    await this.#tryStore(async () => (this.#storedSession = await StoredSession.create(fields)));
  }

  /** Load the chunks that another page has stored. */
  async restore(storedSession) {
    this.#storedSession = storedSession;
    this.buffer.release(storedSession.fields.first);
    for (const chunk of await storedSession.readChunks()) this.buffer.add(chunk);
  }

  async updateStoredSession(changes) {
    await this.#tryStore(() => this.#storedSession?.update(changes));
  }

  /** Add the chunk to the buffer at once; settles when IndexedDB has it. */
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

  /** Reject callers that wait for room, and let another page claim the stored session. */
  close(error) {
    this.buffer.close(error);
    this.#storedSession?.releaseLock();
  }

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
