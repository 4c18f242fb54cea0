/** @import { SessionClient, UnfinishedSession } from '../client.js' */
/** @import { ApiClient } from './api-client.js' */
/** @import { Delivery } from './outgoing-item.js' */
/** @import { PausedRecording, Session } from './types.js' */

import { SessionClient as Client, SessionError } from '../client.js';
import { findElement } from './elements.js';
import { formatDateTime } from './format.js';
import { fill } from './localize.js';
import { DISMISS_ACTION, showError, showNotice } from './notices.js';
import { OutgoingItem } from './outgoing-item.js';
import { PausedItem } from './paused-item.js';
import { texts } from './texts.js';
import { startUpload } from './upload.js';

const UPDATE_INTERVAL_MS = 500;
const UPLOADS_AT_ONCE = 3;

/**
 * The list of what is not finished yet: recordings stopped without a connection, recordings that a
 * reload, a crash or a closed tab interrupted, and uploads.
 */
export class OutgoingList {
  #api;
  #root;
  #list;
  #onSent;
  #onResume;
  /** @type {Set<OutgoingItem>} */
  #items = new Set();

  /**
   * @param {ApiClient} api
   * @param {() => void} onSent called when a session was completed
   * @param {(recording: PausedRecording) => Promise<void>} onResume called to continue a recording
   *   that was paused when its page ended; throws if that fails
   */
  constructor(api, onSent, onResume) {
    this.#api = api;
    this.#onSent = onSent;
    this.#onResume = onResume;
    this.#root = findElement(document, '#outgoing', HTMLElement);
    this.#list = findElement(this.#root, '[data-part=items]', HTMLElement);
    setInterval(() => this.#items.forEach((item) => item.update()), UPDATE_INTERVAL_MS);
    addEventListener('beforeunload', (event) => {
      if ([...this.#items].some((item) => item.needsPage)) event.preventDefault();
    });
  }

  /** Send what other pages have left in this browser; offer to continue what is paused. */
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
    await this.#add(describe(client, startedAt, () => this.#retry(client, startedAt)));
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
  async #resume({ id, createdAt, sessionId }) {
    try {
      const paused = await this.#findPaused(sessionId);
      if (paused) {
        this.#offer(await Client.restore(id, this.#api.credentials), createdAt, paused);
        return;
      }
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
   * @param {SessionClient} client that has failed
   * @param {Date} date
   */
  async #retry(client, date) {
    const unfinished = await Client.unfinished();
    const found = unfinished.find(({ sessionId }) => sessionId === client.sessionId);
    return this.#restore(found?.id ?? '', date);
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

  /**
   * Return a session if it is paused; null if it is not, or the service does not say.
   *
   * @param {string | null} id
   * @returns {Promise<Session | null>}
   */
  async #findPaused(id) {
    const session = id === null ? null : await this.#api.info(id).catch(() => null);
    return session?.status === 'active' && session.paused ? session : null;
  }

  /**
   * List a recording that is paused, until the user resumes or finishes it.
   *
   * @param {SessionClient} client
   * @param {Date} startedAt
   * @param {Session} session
   */
  async #offer(client, startedAt, session) {
    const isCompressed = session.format !== 'pcm_s16le';
    const settings = { channels: session.channels, isCompressed };
    const item = new PausedItem({ client, startedAt, session, settings });
    this.#show(item.element);
    const decision = await item.decided(this.#onResume);
    this.#hide(item.element);
    if (decision === 'ended') await this.resumeUnfinished();
    if (decision !== 'finish') return;
    const finished = fill(texts.outgoing.finished, { date: formatDateTime(startedAt) });
    const delivery = describe(client, startedAt, () => this.#retry(client, startedAt));
    await this.#add({ ...delivery, sentText: finished });
  }

  /** @param {Delivery} delivery */
  async #add(delivery) {
    const item = new OutgoingItem(delivery);
    this.#items.add(item);
    this.#show(item.element);
    const text = await item.finished();
    this.#items.delete(item);
    this.#hide(item.element);
    if (text !== null) showNotice(text, { actions: DISMISS_ACTION });
    this.#onSent();
  }

  /** @param {HTMLElement} element */
  #show(element) {
    this.#list.append(element);
    this.#root.hidden = false;
  }

  /** @param {HTMLElement} element */
  #hide(element) {
    element.remove();
    this.#root.hidden = this.#list.children.length === 0;
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
