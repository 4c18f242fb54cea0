/** @import { ApiClient } from './api-client.js' */
/** @import { Session, SessionPage } from './types.js' */

import { ApiError } from './api-client.js';
import { findElement } from './elements.js';
import { messageOf } from './errors.js';
import { fill } from './localize.js';
import { showError } from './notices.js';
import { RecordingRow } from './recording-row.js';
import { Selection } from './selection.js';
import { texts } from './texts.js';

const PAGE_SIZE = 50;
const DELETIONS_AT_ONCE = 4;
const NEXT_PAGE_MARGIN = '1200px 0px'; // the next page is loaded before its rows come into view
const MAX_PAGE_SIZE = 1000;
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
  #selection;
  #onSignedOut;
  /** @type {Map<string, RecordingRow>} */
  #rows = new Map(); // by session id
  /** @type {string | null} */
  #cursor = null; // of the next page
  /** @type {number | undefined} */
  #timer;
  #lastPoll = Promise.resolve();

  /**
   * @param {ApiClient} api
   * @param {(text: string) => void} onSignedOut called when the service requires a key
   */
  constructor(api, onSignedOut) {
    this.#api = api;
    this.#onSignedOut = onSignedOut;
    this.#selection = new Selection({
      onChange: (id, isSelected) => this.#rows.get(id)?.showSelected(isSelected),
      onDelete: () => this.#deleteSelected(),
      onSelectAll: () => [...this.#rows.keys()],
    });
    api.addEventListener('key', () => this.#handleKeyChange());
    this.#list = findElement(document, '#list', HTMLElement);
    this.#empty = findElement(document, '#empty', HTMLElement);
    this.#stale = findElement(document, '#stale', HTMLElement);
    this.#more = findElement(document, '#more', HTMLButtonElement);
    this.#filter = findElement(document, '#filter', HTMLSelectElement);
    this.#filter.addEventListener('change', () => this.#reload());
    this.#more.addEventListener('click', () => this.#loadNextPage().catch(showError));
    const atEnd = new IntersectionObserver(([{ isIntersecting }]) => {
      if (isIntersecting) this.#loadNextPage().catch(showError);
    }, { rootMargin: NEXT_PAGE_MARGIN });
    atEnd.observe(this.#more);
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
      if (status === 401) this.#onSignedOut(messageOf(error));
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
    if (this.#rows.size <= page.sessions.length) this.#cursor = page.next_cursor;
    this.#updateListState();
    await this.#updateOlderActive(page);
    return [...this.#rows.values()].some(({ isActive }) => isActive);
  }

  /**
   * Update the active sessions below the first page; completed ones do not change.
   *
   * @param {SessionPage} firstPage
   */
  async #updateOlderActive({ sessions }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const older = [...this.#rows].filter(([id, row]) => row.isActive && !listed.has(id));
    if (older.length === 0) return;
    const page = await this.#api.list({ status: 'active', limit: MAX_PAGE_SIZE });
    const active = new Map(page.sessions.map((session) => [session.session_id, session]));
    for (const [id, row] of older) {
      const session = active.get(id);
      if (session) row.update(session);
      else await this.#updateEnded(id, row);
    }
  }

  /**
   * Show a session that is not active any more, once.
   *
   * @param {string} id
   * @param {RecordingRow} row
   */
  async #updateEnded(id, row) {
    try {
      row.update(await this.#api.info(id));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      this.#remove(id);
    }
  }

  #handleKeyChange() {
    clearTimeout(this.#timer);
    this.#clear();
    this.#updateListState();
    if (this.#api.hasKey) this.refresh();
    else this.#onSignedOut(texts.account.signedOut);
  }

  #updateListState() {
    this.#empty.hidden = this.#rows.size > 0;
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
    const known = this.#rows.get(id);
    if (known) {
      known.update(session);
      return;
    }
    const row = new RecordingRow(this.#api, session, {
      onDeleted: () => this.#remove(id),
      onSelected: (isSelected) => this.#selection.toggle(id, isSelected),
    });
    this.#rows.set(id, row);
    this.#list[insert](row.element);
  }

  /**
   * Remove the sessions that are in the range of the first page, but no longer on it.
   *
   * @param {SessionPage} firstPage
   */
  #removeMissing({ sessions, next_cursor: next }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const oldest = next === null ? '' : (sessions.at(-1)?.session_id ?? '');
    for (const id of this.#rows.keys()) {
      if (id >= oldest && !listed.has(id)) this.#remove(id);
    }
  }

  /**
   * Clear the list if no known session is on the page: sessions in between would be missing.
   *
   * @param {SessionPage} firstPage
   */
  #clearAfterGap({ sessions, next_cursor: next }) {
    const isKnown = sessions.some(({ session_id: id }) => this.#rows.has(id));
    if (next !== null && !isKnown) this.#clear();
  }

  /**
   * Remove the row of a session, unless a poll has removed it already.
   *
   * @param {string} id
   */
  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    const isFocused = row.element.contains(document.activeElement);
    row.dispose();
    this.#rows.delete(id);
    this.#selection.toggle(id, false);
    if (isFocused) findElement(document, '#recordings', HTMLElement).focus();
    this.#updateListState();
  }

  #clear() {
    for (const row of this.#rows.values()) row.dispose();
    this.#rows.clear();
    this.#selection.clear();
    this.#cursor = null;
  }

  #reload() {
    this.#clear();
    this.refresh();
  }

  /** Delete the selected sessions; say how many could not be deleted. */
  async #deleteSelected() {
    /** @type {unknown[]} */
    const errors = [];
    const ids = this.#selection.ids;
    const deleteNext = async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        try {
          await this.#api.delete(id);
          this.#remove(id);
        } catch (error) {
          errors.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: DELETIONS_AT_ONCE }, deleteNext));
    if (errors.length === 0) return;
    const values = { count: errors.length, message: messageOf(errors[0]) };
    showError(new Error(fill(texts.list.notDeleted, values)));
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
