/** @import { FinalMessage, SessionClient } from '../client.js' */

import { confirmAction } from './dialogs.js';
import { copyTemplate, findElement, findParts, setText } from './elements.js';
import { codeOf, messageOf } from './errors.js';
import { formatBytes } from './format.js';
import { fill } from './localize.js';
import { withErrorNotice } from './notices.js';
import { texts } from './texts.js';
import { isVerified } from './verification.js';

// After one of these, what was not sent can never be sent.
const FINAL_CODES = ['session_not_found', 'session_deleted', 'session_completed'];

/**
 * @typedef {object} Delivery
 * @property {string} name for the user
 * @property {string} sentText shown when everything is sent
 * @property {SessionClient} client
 * @property {Promise<FinalMessage>} result of the client's `stop`
 * @property {{ sizeBytes: number, readBytes: () => number } | null} file null for a recording
 * @property {() => Promise<Delivery>} retry after a failure
 * @property {() => Promise<void>} discard
 */

/** One recording or file that is not sent yet, with its size: it can be sent or discarded. */
export class OutgoingItem {
  element;
  #parts;
  #delivery;
  /** @type {unknown} */
  #error = null; // why sending has failed

  /** @param {Delivery} delivery */
  constructor(delivery) {
    this.#delivery = delivery;
    this.element = findElement(copyTemplate('#outgoing-item'), 'li', HTMLElement);
    this.#parts = findParts(this.element, {
      name: HTMLElement,
      state: HTMLElement,
      send: HTMLButtonElement,
      discard: HTMLButtonElement,
    });
    setText(this.#parts.name, delivery.name);
    if (delivery.file) setText(this.#parts.discard, texts.outgoing.cancelUpload);
    this.#parts.send.addEventListener('click', withErrorNotice(() => this.#send()));
    this.#parts.discard.addEventListener('click', withErrorNotice(() => this.#discard()));
    this.update();
  }

  /** Whether closing the page loses something: a file cannot be read again by a later page. */
  get needsPage() {
    return this.#delivery.file !== null && this.#error === null;
  }

  /** Settles when everything is sent, with the text to show, or discarded, with null. */
  async finished() {
    while (true) {
      const { client, result, sentText } = this.#delivery;
      try {
        isVerified(await result);
        return sentText;
      } catch (error) {
        if (codeOf(error) === 'abandoned') return null;
        await this.#fail(error);
        if (client === this.#delivery.client) return null; // discarded after the failure
      }
    }
  }

  /** Show what is left. */
  update() {
    const { client, file } = this.#delivery;
    const { outgoing } = texts;
    const left = fill(outgoing.left, { size: formatBytes(client.bufferedBytes) });
    this.#parts.send.hidden = this.#error === null && client.isConnected;
    if (this.#error !== null) {
      const isGone = FINAL_CODES.includes(codeOf(this.#error));
      const message = messageOf(this.#error);
      const reason = isGone ? outgoing.gone : fill(outgoing.failed, { message });
      this.#parts.send.hidden = isGone;
      setText(this.#parts.state, `${left} ${reason}`);
    } else if (!client.isConnected) setText(this.#parts.state, `${left} ${outgoing.waiting}`);
    else if (file === null) setText(this.#parts.state, `${left} ${outgoing.sending}`);
    else {
      const sent = formatBytes(Math.max(0, file.readBytes() - client.bufferedBytes));
      const size = formatBytes(file.sizeBytes);
      setText(this.#parts.state, fill(outgoing.uploading, { sent, size }));
    }
  }

  /** @param {unknown} error */
  async #fail(error) {
    this.#error = error;
    this.update();
    await new Promise((resolve) => (this.#onDecided = resolve));
    this.#error = null;
  }

  /** @type {(value: unknown) => void} */
  #onDecided = () => {};

  async #send() {
    const { client, retry } = this.#delivery;
    if (this.#error === null) {
      client.retryNow();
      return;
    }
    this.#delivery = await retry();
    this.#onDecided(null);
  }

  async #discard() {
    const { name, file, discard } = this.#delivery;
    const { outgoing } = texts;
    const isConfirmed = await confirmAction({
      title: file ? outgoing.cancelTitle : outgoing.discardTitle,
      text: fill(file ? outgoing.cancelText : outgoing.discardText, { name }),
      yes: file ? outgoing.cancelUpload : outgoing.discard,
    });
    if (!isConfirmed) return;
    await discard();
    this.#onDecided(null);
  }
}
