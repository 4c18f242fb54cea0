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
  #cards = new Map(); // by session id
  #cursor = null; // of the next page
  #timer = null;
  #lastPoll = Promise.resolve();

  constructor(api) {
    this.#api = api;
    this.#list = document.getElementById('list');
    this.#empty = document.getElementById('empty');
    this.#stale = document.getElementById('stale');
    this.#more = document.getElementById('more');
    this.#filter = document.getElementById('filter');
    this.#filter.addEventListener('change', () => this.#reload());
    this.#more.addEventListener('click', () => this.#loadNextPage().catch(showError));
    document.addEventListener('visibilitychange', () => this.refresh());
    document.addEventListener('click', ({ target }) => {
      closeMenus(/** @type {Element} */ (target).closest('.menu'));
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
      if (error.status === 401) this.#offerSignIn(error);
      else if (error.status > 0 && error.status < 500) showError(error);
      else this.#stale.hidden = false;
      if (error.status === 401 || error.status === 403) return;
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

  /** Update the active sessions below the first page; completed ones do not change. */
  async #updateOlderActive({ sessions }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    for (const [id, card] of this.#cards) {
      if (!card.isActive || listed.has(id)) continue;
      try {
        card.update(await this.#api.info(id));
      } catch (error) {
        if (error.status !== 404) throw error;
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

  #showSession(session, insert) {
    const { session_id: id } = session;
    let card = this.#cards.get(id);
    if (!card) {
      card = new RecordingCard(this.#api, () => this.#remove(id));
      this.#cards.set(id, card);
      this.#list[insert](card.element);
    }
    card.update(session);
  }

  /** Remove the sessions that are in the range of the first page, but no longer on it. */
  #removeMissing({ sessions, next_cursor: next }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const oldest = next === null ? '' : sessions.at(-1).session_id;
    for (const id of this.#cards.keys()) {
      if (id >= oldest && !listed.has(id)) this.#remove(id);
    }
  }

  /** Clear the list if no known session is on the page: sessions in between would be missing. */
  #clearAfterGap({ sessions, next_cursor: next }) {
    const isKnown = sessions.some(({ session_id: id }) => this.#cards.has(id));
    if (next !== null && !isKnown) this.#clear();
  }

  #remove(id) {
    const card = this.#cards.get(id);
    const isFocused = card.element.contains(document.activeElement);
    card.dispose();
    this.#cards.delete(id);
    if (isFocused) document.getElementById('recordings').focus();
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

  #offerSignIn(error) {
    const signIn = () => this.#api.signIn().then(() => this.refresh(), showError);
    showNotice(error.message, { kind: 'error', actions: { 'Enter a key': signIn } });
  }
}

function closeMenus(except) {
  /** @type {NodeListOf<HTMLDetailsElement>} */
  const open = document.querySelectorAll('.menu[open]');
  for (const menu of open) {
    if (menu !== except) menu.open = false;
  }
}
