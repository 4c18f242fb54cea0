/** @import { ApiClient } from './api-client.js' */
/** @import { RecordingRow } from './recording-row.js' */
/** @import { Session, SessionPage } from './types.js' */

import { ApiError } from './api-client.js';
import { findElement, setText } from './elements.js';
import { messageOf } from './errors.js';
import { formatCount } from './format.js';
import { ListFilter } from './list-filter.js';
import { fill } from './localize.js';
import { showError } from './notices.js';
import { RecordingRow as Row } from './recording-row.js';
import { RecordingRows } from './recording-rows.js';
import { Selection } from './selection.js';
import { texts } from './texts.js';

const PAGE_SIZE = 50;
const NEXT_PAGE_MARGIN = '1200px 0px'; // the next page is loaded before its rows come into view
const MAX_PAGE_SIZE = 1000;
const ACTIVE_POLL_INTERVAL_MS = 2_000; // while a session is active
const IDLE_POLL_INTERVAL_MS = 5_000;
// For a filtered page of a bucket, the service reads hundreds of manifests.
const SCAN_POLL_INTERVAL_MS = 60_000;

/** The list of recordings. It polls the service for changes. */
export class RecordingList {
  #api;
  #empty;
  #count;
  #stale;
  #more;
  #filter;
  #selection;
  #rows;
  #onSignedOut;
  #isOutdated = false; // the rows are those of the filter before
  /** @type {string | null} */
  #cursor = null; // of the next page
  /** @type {string | null} */
  #lastCursor = null; // of the last page that was loaded; null: of the first
  /** @type {number | null} */
  #total = null; // null: the service does not count them
  /** @type {number | undefined} */
  #timer;
  #lastPoll = Promise.resolve();
  #atEnd = new IntersectionObserver(([{ isIntersecting }]) => {
    if (isIntersecting) this.#loadNextPage().catch(showError);
  }, { rootMargin: NEXT_PAGE_MARGIN });

  /**
   * @param {ApiClient} api
   * @param {(text: string) => void} onSignedOut called when the service requires a key
   */
  constructor(api, onSignedOut) {
    this.#api = api;
    this.#onSignedOut = onSignedOut;
    this.#selection = new Selection({
      onChange: (id, isSelected) => this.#rows.get(id)?.showSelected(isSelected),
      onDelete: (id) => this.#delete(id),
      onSelectAll: () => this.#rows.ids,
    });
    this.#rows = new RecordingRows(
      findElement(document, '#list', HTMLElement),
      (session) => this.#createRow(session),
      (id) => this.#selection.toggle(id, false),
    );
    this.#empty = findElement(document, '#empty', HTMLElement);
    this.#count = findElement(document, '#count', HTMLElement);
    this.#stale = findElement(document, '#stale', HTMLElement);
    this.#more = findElement(document, '#more', HTMLButtonElement);
    this.#filter = new ListFilter(() => this.#reload());
    this.#more.addEventListener('click', () => this.#loadNextPage().catch(showError));
    this.#atEnd.observe(this.#more);
    api.addEventListener('key', () => this.#handleKeyChange());
    document.addEventListener('visibilitychange', () => this.refresh());
  }

  /** Poll the service now, after the current poll. */
  refresh() {
    this.#lastPoll = this.#lastPoll.then(() => this.#poll());
    return this.#lastPoll;
  }

  async #poll() {
    clearTimeout(this.#timer);
    if (document.hidden) return; // `visibilitychange` polls again
    try {
      await this.#loadFirstPage();
      this.#stale.hidden = true;
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 401) this.#onSignedOut(messageOf(error));
      else if (status > 0 && status < 500) showError(error);
      else this.#stale.hidden = false;
      if (status === 401 || status === 403) return;
    }
    this.#timer = setTimeout(() => this.refresh(), this.#pollIntervalMs);
  }

  get #pollIntervalMs() {
    if (this.#filter.isActive && this.#total === null) return SCAN_POLL_INTERVAL_MS;
    return this.#rows.active.length > 0 ? ACTIVE_POLL_INTERVAL_MS : IDLE_POLL_INTERVAL_MS;
  }

  /** Load and show the first page, and what has changed below it. */
  async #loadFirstPage() {
    const { query } = this.#filter;
    const page = await this.#api.list({ query, limit: PAGE_SIZE });
    if (query !== this.#filter.query) return; // the next poll has the new filter
    if (this.#isOutdated) this.#clear();
    this.#rows.showFirstPage(page);
    if (page.next_cursor === null) this.#lastCursor = null;
    if (this.#lastCursor === null) this.#cursor = page.next_cursor;
    this.#total = page.total;
    this.#updateListState();
    await this.#updateOlderActive(page);
    await this.#loadNewAtEnd();
  }

  /**
   * Update the active sessions below the first page; completed ones do not change.
   *
   * @param {SessionPage} firstPage
   */
  async #updateOlderActive({ sessions }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const older = this.#rows.active.filter(([id]) => !listed.has(id));
    if (older.length === 0) return;
    const page = await this.#api.list({ query: 'status=active', limit: MAX_PAGE_SIZE });
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

  /** With the oldest first, new sessions come after the last page, if the user has seen it. */
  async #loadNewAtEnd() {
    if (!this.#filter.isOldestFirst || this.#cursor !== null || this.#lastCursor === null) return;
    this.#cursor = this.#lastCursor;
    await this.#loadNextPage();
  }

  #handleKeyChange() {
    clearTimeout(this.#timer);
    this.#clear();
    this.#updateListState();
    if (this.#api.hasKey) this.refresh();
    else this.#onSignedOut(texts.account.signedOut);
  }

  #updateListState() {
    const isComplete = this.#cursor === null;
    const count = this.#total ?? (isComplete ? this.#rows.size : null);
    const text = this.#filter.isActive ? texts.list.found : texts.list.count;
    setText(this.#count, count === null ? '' : fill(text, { count, number: formatCount(count) }));
    this.#empty.hidden = this.#rows.size > 0 || !isComplete;
    setText(this.#empty, this.#filter.isActive ? texts.list.noneFound : texts.list.empty);
    setText(this.#more, texts.list[this.#filter.isOldestFirst ? 'moreNewer' : 'more']);
    this.#more.hidden = isComplete;
  }

  async #loadNextPage() {
    const { query } = this.#filter;
    const cursor = this.#cursor;
    if (cursor === null) return;
    const page = await this.#api.list({ query, cursor, limit: PAGE_SIZE });
    if (query !== this.#filter.query || cursor !== this.#cursor) return; // the list has changed
    this.#rows.append(page.sessions);
    this.#lastCursor = cursor;
    this.#cursor = page.next_cursor;
    this.#updateListState();
    // A short page leaves the button in view, of which the observer tells nothing new.
    this.#atEnd.unobserve(this.#more);
    this.#atEnd.observe(this.#more);
  }

  /** @param {Session} session */
  #createRow(session) {
    const { session_id: id } = session;
    return new Row(this.#api, session, {
      onDeleted: () => this.#remove(id),
      onSelected: (isSelected) => this.#selection.toggle(id, isSelected),
    });
  }

  /** @param {string} id */
  async #delete(id) {
    await this.#api.delete(id);
    this.#remove(id);
  }

  /** @param {string} id */
  #remove(id) {
    if (this.#rows.get(id) && this.#total !== null) this.#total -= 1;
    this.#rows.remove(id);
    this.#updateListState();
  }

  #clear() {
    this.#rows.clear();
    this.#isOutdated = false;
    this.#cursor = null;
    this.#lastCursor = null;
    this.#total = null;
  }

  /** Show what the filter lets through. The rows stay until the service has answered. */
  #reload() {
    this.#isOutdated = true;
    this.#cursor = null;
    this.refresh();
  }
}
