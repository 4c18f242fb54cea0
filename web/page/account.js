/** @import { ApiClient } from './api-client.js' */

import { findElement, findParts, setText } from './elements.js';
import { fill } from './localize.js';
import { showError, showNotice, withErrorNotice } from './notices.js';
import { texts } from './texts.js';

/** The user of the key in the header of a page, with the button to sign out. */
export class Account {
  #api;
  #root;
  #parts;
  #hideNotice = () => {};

  /**
   * @param {ApiClient} api
   * @param {{ canSignOut?: () => boolean }} options
   */
  constructor(api, { canSignOut = () => true } = {}) {
    this.#api = api;
    this.#root = findElement(document, '#account', HTMLElement);
    this.#parts = findParts(this.#root, { user: HTMLElement, signOut: HTMLButtonElement });
    this.#parts.signOut.addEventListener('click', () => {
      if (canSignOut()) api.signOut();
      else showError(new Error(texts.account.stopFirst));
    });
    api.addEventListener('key', () => this.update());
  }

  /** Show the user of the key, if there is one. */
  async update() {
    this.#root.hidden = !this.#api.hasKey;
    if (!this.#api.hasKey) return;
    this.#hideNotice();
    try {
      const { user_id: user } = await this.#api.identity();
      this.#root.hidden = user === null; // authentication is off
      setText(this.#parts.user, fill(texts.account.signedInAs, { user: user ?? '' }));
    } catch {
      this.#root.hidden = !this.#api.hasKey; // the list of the page shows the error
    }
  }

  /**
   * Offer to sign in.
   *
   * @param {string} text
   */
  offerSignIn(text) {
    this.#hideNotice();
    const signIn = withErrorNotice(async () => void (await this.#api.signIn()));
    const actions = { [texts.account.enterKey]: signIn };
    this.#hideNotice = showNotice(text, { kind: 'error', actions });
  }
}
