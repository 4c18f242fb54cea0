/** @import { ApiClient } from './api-client.js' */
/** @import { Session, SessionPage } from './types.js' */

import { ApiError } from './api-client.js';
import { findElement } from './elements.js';
import { messageOf } from './errors.js';
import { showError, showNotice } from './notices.js';
import { RecordingCard } from './recording-card.js';

const PAGE_SIZE = 20;
const ACTIVE_POLL_INTERVAL_MS = 2_000; // while a session is active
const IDLE_POLL_INTERVAL_MS = 5_000;

/** The list of recordings, newest first. It polls the service for changes. */
export class RecordingList {
  #api;
  #list;
  #empty;
  #stale;
  #more;
  #filter;
  /** @type {Map<string, RecordingCard>} */
  #cards = new Map(); // by session id
  /** @type {string | null} */
  #cursor = null; // of the next page
  /** @type {number | undefined} */
  #timer;
  #lastPoll = Promise.resolve();

  /** @param {ApiClient} api */
  constructor(api) {
    this.#api = api;
    this.#list = findElement(document, '#list', HTMLElement);
    this.#empty = findElement(document, '#empty', HTMLElement);
    this.#stale = findElement(document, '#stale', HTMLElement);
    this.#more = findElement(document, '#more', HTMLButtonElement);
    this.#filter = findElement(document, '#filter', HTMLSelectElement);
    this.#filter.addEventListener('change', () => this.#reload());
    this.#more.addEventListener('click', () => this.#loadNextPage().catch(showError));
    document.addEventListener('visibilitychange', () => this.refresh());
    document.addEventListener('click', ({ target }) => {
      if (target instanceof Element) closeMenus(target.closest('.menu'));
    });
    document.addEventListener('keydown', ({ key }) => key === 'Escape' && closeMenus(null));
  }

  /** Poll the service now, after the current poll. */
  refresh() {
    this.#lastPoll = this.#lastPoll.then(() => this.#poll());
    return this.#lastPoll;
  }

  async #poll() {
    clearTimeout(this.#timer);
    if (document.hidden) return; // `visibilitychange` polls again
    let isBusy = false;
    try {
      isBusy = await this.#loadFirstPage();
      this.#stale.hidden = true;
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 401) this.#offerSignIn(messageOf(error));
      else if (status > 0 && status < 500) showError(error);
      else this.#stale.hidden = false;
      if (status === 401 || status === 403) return;
    }
    const intervalMs = isBusy ? ACTIVE_POLL_INTERVAL_MS : IDLE_POLL_INTERVAL_MS;
    this.#timer = setTimeout(() => this.refresh(), intervalMs);
  }

  /** Load and show the first page; return whether a shown session is active. */
  async #loadFirstPage() {
    const status = this.#filter.value;
    const page = await this.#api.list({ status, limit: PAGE_SIZE });
    if (status !== this.#filter.value) return true; // the filter has changed meanwhile
    this.#clearAfterGap(page);
    this.#removeMissing(page);
    // From the oldest to the newest: each one is prepended.
    for (const session of page.sessions.toReversed()) this.#showSession(session, 'prepend');
    if (this.#cards.size <= page.sessions.length) this.#cursor = page.next_cursor;
    this.#updateListState();
    await this.#updateOlderActive(page);
    return [...this.#cards.values()].some(({ isActive }) => isActive);
  }

  /**
   * Update the active sessions below the first page; completed ones do not change.
   *
   * @param {SessionPage} firstPage
   */
  async #updateOlderActive({ sessions }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    for (const [id, card] of this.#cards) {
      if (!card.isActive || listed.has(id)) continue;
      try {
        card.update(await this.#api.info(id));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        this.#remove(id);
      }
    }
  }

  #updateListState() {
    this.#empty.hidden = this.#cards.size > 0;
    this.#more.hidden = this.#cursor === null;
  }

  async #loadNextPage() {
    const [status, cursor] = [this.#filter.value, this.#cursor];
    const page = await this.#api.list({ status, cursor, limit: PAGE_SIZE });
    if (status !== this.#filter.value || cursor !== this.#cursor) return; // the list has changed
    for (const session of page.sessions) this.#showSession(session, 'append');
    this.#cursor = page.next_cursor;
    this.#updateListState();
  }

  /**
   * @param {Session} session
   * @param {'prepend' | 'append'} insert where a new one is inserted
   */
  #showSession(session, insert) {
    const { session_id: id } = session;
    const known = this.#cards.get(id);
    if (known) {
      known.update(session);
      return;
    }
    const card = new RecordingCard(this.#api, session, () => this.#remove(id));
    this.#cards.set(id, card);
    this.#list[insert](card.element);
  }

  /**
   * Remove the sessions that are in the range of the first page, but no longer on it.
   *
   * @param {SessionPage} firstPage
   */
  #removeMissing({ sessions, next_cursor: next }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const oldest = next === null ? '' : (sessions.at(-1)?.session_id ?? '');
    for (const id of this.#cards.keys()) {
      if (id >= oldest && !listed.has(id)) this.#remove(id);
    }
  }

  /**
   * Clear the list if no known session is on the page: sessions in between would be missing.
   *
   * @param {SessionPage} firstPage
   */
  #clearAfterGap({ sessions, next_cursor: next }) {
    const isKnown = sessions.some(({ session_id: id }) => this.#cards.has(id));
    if (next !== null && !isKnown) this.#clear();
  }

  /**
   * Remove the card of a session, unless a poll has removed it already.
   *
   * @param {string} id
   */
  #remove(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    const isFocused = card.element.contains(document.activeElement);
    card.dispose();
    this.#cards.delete(id);
    if (isFocused) findElement(document, '#recordings', HTMLElement).focus();
    this.#updateListState();
  }

  #clear() {
    for (const card of this.#cards.values()) card.dispose();
    this.#cards.clear();
    this.#cursor = null;
  }

  #reload() {
    this.#clear();
    this.refresh();
  }

  /** @param {string} text */
  #offerSignIn(text) {
    const signIn = () => this.#api.signIn().then(() => this.refresh(), showError);
    showNotice(text, { kind: 'error', actions: { 'Enter a key': signIn } });
  }
}

/** @param {Element | null} except */
function closeMenus(except) {
  /** @type {NodeListOf<HTMLDetailsElement>} */
  const open = document.querySelectorAll('.menu[open]');
  for (const menu of open) {
    if (menu !== except) menu.open = false;
  }
}
