/** @import { SessionClient, UnfinishedSession } from '../client.js' */
/** @import { ApiClient } from './api-client.js' */
/** @import { Delivery } from './outgoing-item.js' */

import { SessionClient as Client, SessionError } from '../client.js';
import { findElement } from './elements.js';
import { formatDateTime } from './format.js';
import { fill } from './localize.js';
import { DISMISS_ACTION, showError, showNotice } from './notices.js';
import { OutgoingItem } from './outgoing-item.js';
import { texts } from './texts.js';
import { startUpload } from './upload.js';

const UPDATE_INTERVAL_MS = 500;
const UPLOADS_AT_ONCE = 3;

/**
 * The list of what is not sent yet: recordings stopped without a connection, recordings that a
 * reload, a crash or a closed tab interrupted, and uploads.
 */
export class OutgoingList {
  #api;
  #root;
  #list;
  #onSent;
  /** @type {Set<OutgoingItem>} */
  #items = new Set();

  /**
   * @param {ApiClient} api
   * @param {() => void} onSent called when a session was completed
   */
  constructor(api, onSent) {
    this.#api = api;
    this.#onSent = onSent;
    this.#root = findElement(document, '#outgoing', HTMLElement);
    this.#list = findElement(this.#root, '[data-part=items]', HTMLElement);
    setInterval(() => this.#items.forEach((item) => item.update()), UPDATE_INTERVAL_MS);
    addEventListener('beforeunload', (event) => {
      if ([...this.#items].some((item) => item.needsPage)) event.preventDefault();
    });
  }

  /** Send what other pages have left in this browser. */
  async resumeUnfinished() {
    for (const session of await Client.unfinished()) await this.#resume(session);
  }

  /**
   * List a stopped recording until it is sent.
   *
   * @param {SessionClient} client
   * @param {Date} startedAt
   */
  async addRecording(client, startedAt) {
    const retry = async () => {
      const unfinished = await Client.unfinished();
      const found = unfinished.find(({ sessionId }) => sessionId === client.sessionId);
      return this.#restore(found?.id ?? '', startedAt);
    };
    await this.#add(describe(client, startedAt, retry));
  }

  /**
   * Upload files.
   *
   * @param {Iterable<File>} files
   */
  async upload(files) {
    const left = [...files];
    const uploadNext = async () => {
      for (let file = left.shift(); file; file = left.shift()) {
        try {
          await this.#add(await startUpload(file, this.#api));
        } catch (error) {
          showError(error);
        }
      }
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, uploadNext));
  }

  /** @param {UnfinishedSession} session */
  async #resume({ id, createdAt }) {
    try {
      const delivery = await this.#restore(id, createdAt);
      const { client } = delivery;
      // The page ended before the session began, or the user has refused the microphone.
      if (client.sessionId === null && client.bufferedBytes === 0) client.abandon();
      else this.#add(delivery);
    } catch (error) {
      // Another tab finished it, or is finishing it.
      if (!(error instanceof SessionError && error.code === 'not_unfinished')) showError(error);
    }
  }

  /**
   * @param {string} id
   * @param {Date} date
   * @returns {Promise<Delivery>}
   */
  async #restore(id, date) {
    const client = await Client.restore(id, this.#api.credentials);
    return describe(client, date, () => this.#restore(id, date));
  }

  /** @param {Delivery} delivery */
  async #add(delivery) {
    const item = new OutgoingItem(delivery);
    this.#items.add(item);
    this.#list.append(item.element);
    this.#root.hidden = false;
    const text = await item.finished();
    this.#items.delete(item);
    item.element.remove();
    this.#root.hidden = this.#items.size === 0;
    if (text !== null) showNotice(text, { actions: DISMISS_ACTION });
    this.#onSent();
  }
}

/**
 * @param {SessionClient} client
 * @param {Date} date
 * @param {() => Promise<Delivery>} retry
 * @returns {Delivery}
 */
function describe(client, date, retry) {
  const name = fill(texts.outgoing.recording, { date: formatDateTime(date) });
  const sentText = fill(texts.outgoing.sent, { date: formatDateTime(date) });
  const result = client.stop();
  result.catch(() => {}); // `OutgoingItem` handles it
  const discard = async () => client.abandon();
  return { name, sentText, client, result, file: null, retry, discard };
}
