const DATABASE = 'sercuescribe';
const SESSIONS = 'sessions';
const CHUNKS = 'chunks';

/**
 * What a session has not finished, in IndexedDB: it outlives the page that wrote it.
 *
 * The lock says that a page still works on it, and ends with the page, however that ends.
 */
export class Journal {
  #release;

  constructor(about, release) {
    this.about = about;
    this.#release = release;
  }

  /** A new one; `about` can be cloned and says what a page needs to finish the session. */
  static async begin(about) {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), hexadecimal).join('');
    const journal = new Journal({ ...about, id, first: 0, createdAt: new Date() }, await claim(id));
    await journal.write({});
    return journal;
  }

  /** One that a page has left; null if there is none, or another page is at it. */
  static async take(id) {
    const release = await claim(id);
    if (!release) return null;
    const about = await run(SESSIONS, 'readonly', (sessions) => sessions.get(id));
    if (about) return new Journal(about, release);
    release();
    return null;
  }

  /** What those are about that no page works on. */
  static async list() {
    const all = await run(SESSIONS, 'readonly', (sessions) => sessions.getAll());
    const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {};
    const names = new Set(held.map((lock) => lock.name));
    return all.filter(({ id }) => !names.has(lockOf(id)));
  }

  /** Add to what it is about. */
  async write(changes) {
    Object.assign(this.about, changes);
    await run(SESSIONS, 'readwrite', (sessions) => sessions.put(this.about));
  }

  /** Settles when the browser has the chunk. */
  async put(number, chunk) {
    await run(CHUNKS, 'readwrite', (chunks) => chunks.put(chunk, [this.about.id, number]));
  }

  /** Its chunks from `about.first` on, up to the first that is missing. */
  async chunks() {
    const keys = await run(CHUNKS, 'readonly', (chunks) => chunks.getAllKeys(this.#range()));
    const chunks = await run(CHUNKS, 'readonly', (chunks) => chunks.getAll(this.#range()));
    const gap = keys.findIndex(([, number], index) => number !== this.about.first + index);
    return gap < 0 ? chunks : chunks.slice(0, gap);
  }

  /** Let go of the chunks before `first`. */
  async trim(first) {
    this.about.first = first;
    await run([SESSIONS, CHUNKS], 'readwrite', (sessions, chunks) => {
      chunks.delete(this.#range(first));
      return sessions.put(this.about);
    });
  }

  /** Let go of everything. */
  async remove() {
    await run([SESSIONS, CHUNKS], 'readwrite', (sessions, chunks) => {
      chunks.delete(this.#range());
      return sessions.delete(this.about.id);
    });
    this.leave();
  }

  /** Leave it for another page. */
  leave() {
    this.#release();
  }

  #range(stop = Infinity) {
    return IDBKeyRange.bound([this.about.id, 0], [this.about.id, stop], false, true);
  }
}

function hexadecimal(byte) {
  return byte.toString(16).padStart(2, '0');
}

function lockOf(id) {
  return `sercuescribe ${id}`;
}

/** Hold the lock of a session until the function is called; null if another page has it. */
function claim(id) {
  const locks = globalThis.navigator?.locks;
  if (!locks) return Promise.resolve(() => {}); // older browsers, and pages without TLS
  return new Promise((resolve, reject) => {
    const whileHeld = (lock) => {
      if (!lock) return resolve(null);
      return new Promise((release) => resolve(release));
    };
    locks.request(lockOf(id), { ifAvailable: true }, whileHeld).catch(reject);
  });
}

let database = null;

function open() {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(SESSIONS, { keyPath: 'id' });
      request.result.createObjectStore(CHUNKS);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  database.catch(() => (database = null)); // the next one tries again
  return database;
}

/** Do `work` on the stores in one transaction; settles when that is complete. */
async function run(names, mode, work) {
  const transaction = (await open()).transaction(names, mode);
  const stores = [names].flat().map((name) => transaction.objectStore(name));
  const request = work(...stores);
  return await new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}
