import { asSessionError } from './errors.js';
import { Journal } from './journal.js';
import { ReplayBuffer } from './replay-buffer.js';

/**
 * Keeps chunks in memory and, where there is a journal, there as well.
 *
 * The journal is a second line: when it fails, `report` is told, and the recording goes on.
 */
export class Keeper {
  buffer;
  #journal = null;
  #isStoring = true; // until a chunk could not be stored: after a gap the rest is worth nothing
  #report;

  constructor(maxBytes, report) {
    this.buffer = new ReplayBuffer(maxBytes);
    this.#report = report;
  }

  async begin(about) {
    await this.#try(async () => (this.#journal = await Journal.begin(about)));
  }

  /** Go on with what another page has left. */
  async restore(journal) {
    this.#journal = journal;
    this.buffer.release(journal.about.first);
    for (const chunk of await journal.chunks()) this.buffer.add(chunk);
  }

  async note(changes) {
    await this.#try(() => this.#journal?.write(changes));
  }

  /** Takes the chunk at once; settles when the journal has it. */
  async add(chunk) {
    const number = this.buffer.add(chunk);
    if (!this.#isStoring) return;
    const isStored = await this.#try(() => this.#journal?.put(number, chunk));
    this.#isStoring &&= isStored;
  }

  /** Let go in the journal of what the buffer has let go of. */
  async trim() {
    await this.#try(() => this.#journal?.trim(this.buffer.first));
  }

  /** Let go of everything. */
  async remove() {
    await this.#try(() => this.#journal?.remove());
  }

  /** No chunk is taken any more; another page may have the rest. */
  close(error) {
    this.buffer.close(error);
    this.#journal?.leave();
  }

  async #try(work) {
    try {
      await work();
      return true;
    } catch (error) {
      this.#report(asSessionError(error, 'store_failed'));
      return false;
    }
  }
}
