/** @import { ChunkBytes, NewStoredFields, StoredFields } from './types.js' */

import { Deferred } from './deferred.js';

const DATABASE = 'sercuescribe';
const SESSIONS = 'sessions';
const CHUNKS = 'chunks';

/**
 * An unfinished session with its unpersisted chunks in IndexedDB, where it survives the page.
 *
 * The page that records it holds a Web Lock, which the browser releases when the page ends.
 */
export class StoredSession {
  #releaseLock;

  /**
   * @param {StoredFields} fields
   * @param {() => void} releaseLock
   */
  constructor(fields, releaseLock) {
    this.fields = fields;
    this.#releaseLock = releaseLock;
  }

  /**
   * Store a new session.
   *
   * @param {NewStoredFields} fields
   */
  static async create(fields) {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), toHex).join('');
    const allFields = { ...fields, id, first: 0, createdAt: new Date() };
    const releaseLock = await acquireLock(id);
    if (!releaseLock) throw new Error('another page has a session with the same random id');
    const storedSession = new StoredSession(allFields, releaseLock);
    await storedSession.update({});
    return storedSession;
  }

  /**
   * Take over a session whose page has ended; null if there is none or a page still has it.
   *
   * @param {string} id
   */
  static async claim(id) {
    const releaseLock = await acquireLock(id);
    if (!releaseLock) return null;
    /** @type {StoredFields | undefined} */
    const fields = await runTransaction(SESSIONS, 'readonly', (sessions) => sessions.get(id));
    if (fields) return new StoredSession(fields, releaseLock);
    releaseLock();
    return null;
  }

  /** Return the fields of the sessions that no page has. */
  static async listUnclaimed() {
    /** @type {StoredFields[]} */
    const all = await runTransaction(SESSIONS, 'readonly', (sessions) => sessions.getAll());
    const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {};
    const names = new Set(held.map((lock) => lock.name));
    return all.filter(({ id }) => !names.has(lockName(id)));
  }

  /**
   * Change some fields.
   *
   * @param {Partial<StoredFields>} changes
   */
  async update(changes) {
    Object.assign(this.fields, changes);
    await runTransaction(SESSIONS, 'readwrite', (sessions) => sessions.put(this.fields));
  }

  /**
   * Settles when the browser has stored the chunk.
   *
   * @param {number} number
   * @param {ChunkBytes} chunk
   */
  async putChunk(number, chunk) {
    const key = [this.fields.id, number];
    await runTransaction(CHUNKS, 'readwrite', (store) => store.put(chunk, key));
  }

  /**
   * Return the chunks from `fields.first` on, up to the first that is missing.
   *
   * @returns {Promise<ChunkBytes[]>}
   */
  async readChunks() {
    const { id, first } = this.fields;
    const range = this.#keyRange();
    const keys = await runTransaction(CHUNKS, 'readonly', (store) => store.getAllKeys(range));
    const chunks = await runTransaction(CHUNKS, 'readonly', (store) => store.getAll(range));
    const gap = keys.findIndex((key, index) => indexedDB.cmp(key, [id, first + index]) !== 0);
    return gap < 0 ? chunks : chunks.slice(0, gap);
  }

  /**
   * Delete the chunks before number `first`.
   *
   * @param {number} first
   */
  async deleteChunksBefore(first) {
    this.fields.first = first;
    await runTransaction([SESSIONS, CHUNKS], 'readwrite', (sessions, chunks) => {
      chunks.delete(this.#keyRange(first));
      return sessions.put(this.fields);
    });
  }

  /** Delete the session with its chunks, and release its lock. */
  async delete() {
    await runTransaction([SESSIONS, CHUNKS], 'readwrite', (sessions, chunks) => {
      chunks.delete(this.#keyRange());
      return sessions.delete(this.fields.id);
    });
    this.releaseLock();
  }

  /** Let another page claim the session. */
  releaseLock() {
    this.#releaseLock();
  }

  #keyRange(stop = Infinity) {
    return IDBKeyRange.bound([this.fields.id, 0], [this.fields.id, stop], false, true);
  }
}

/** @param {number} byte */
function toHex(byte) {
  return byte.toString(16).padStart(2, '0');
}

/** @param {string} id */
function lockName(id) {
  return `sercuescribe ${id}`;
}

/**
 * Return a function that releases the lock of a session; null if another page has the lock.
 *
 * @param {string} id
 * @returns {Promise<(() => void) | null>}
 */
function acquireLock(id) {
  const locks = globalThis.navigator?.locks;
  if (!locks) return Promise.resolve(() => {}); // older browsers, and pages without TLS
  const released = new Deferred();
  return new Promise((resolve, reject) => {
    const request = locks.request(lockName(id), { ifAvailable: true }, async (lock) => {
      resolve(lock && released.resolve);
      if (lock) await released.promise;
    });
    request.catch(reject);
  });
}

/** @type {Promise<IDBDatabase> | null} */
let database = null;

/** @returns {Promise<IDBDatabase>} */
function openDatabase() {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(SESSIONS, { keyPath: 'id' });
      request.result.createObjectStore(CHUNKS);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  database.catch(() => (database = null)); // so that the next call tries again
  return database;
}

/**
 * Run `operation` on the stores in one transaction; settles when the transaction is complete.
 *
 * @template Result
 * @param {string | string[]} names
 * @param {IDBTransactionMode} mode
 * @param {(...stores: IDBObjectStore[]) => IDBRequest<Result>} operation
 * @returns {Promise<Result>}
 */
async function runTransaction(names, mode, operation) {
  const transaction = (await openDatabase()).transaction(names, mode);
  const stores = [names].flat().map((name) => transaction.objectStore(name));
  const request = operation(...stores);
  return await new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}
