import { complain, notice } from './elements.js';
import { Recording } from './recording.js';

const PAGE = 20;
const SOON_MS = 2_000; // while something is being recorded
const LATER_MS = 5_000;

/** The list of recordings, newest first. It follows what other tabs and clients do. */
export class Library {
  #service;
  #list;
  #empty;
  #stale;
  #more;
  #filter;
  #recordings = new Map(); // by session id
  #cursor = null; // of what is not shown yet
  #timer = null;
  #loading = Promise.resolve();

  constructor(service) {
    this.#service = service;
    this.#list = document.getElementById('list');
    this.#empty = document.getElementById('empty');
    this.#stale = document.getElementById('stale');
    this.#more = document.getElementById('more');
    this.#filter = document.getElementById('filter');
    this.#filter.addEventListener('change', () => this.#restart());
    this.#more.addEventListener('click', () => this.#showMore().catch(complain));
    document.addEventListener('visibilitychange', () => this.refresh());
    document.addEventListener('click', ({ target }) => closeMenus(target.closest('.menu')));
    document.addEventListener('keydown', ({ key }) => key === 'Escape' && closeMenus(null));
  }

  /** Look again now, one look after another. */
  refresh() {
    this.#loading = this.#loading.then(() => this.#look());
    return this.#loading;
  }

  async #look() {
    clearTimeout(this.#timer);
    if (document.hidden) return; // and again as soon as somebody looks
    let isBusy = false;
    try {
      isBusy = await this.#load();
      this.#stale.hidden = true;
    } catch (error) {
      if (error.status === 401) this.#offerSignIn(error);
      else if (error.status > 0 && error.status < 500) complain(error);
      else this.#stale.hidden = false;
      if (error.status === 401 || error.status === 403) return;
    }
    this.#timer = setTimeout(() => this.refresh(), isBusy ? SOON_MS : LATER_MS);
  }

  /** Show the first page as it is; gives whether something of it will change soon. */
  async #load() {
    const status = this.#filter.value;
    const page = await this.#service.list({ status, limit: PAGE });
    if (status !== this.#filter.value) return true; // of another list
    this.#closeGap(page);
    this.#forget(page);
    // Newest first: each goes in front of what is there already.
    for (const session of page.sessions.toReversed()) this.#show(session, 'prepend');
    if (this.#recordings.size <= page.sessions.length) this.#cursor = page.next_cursor;
    this.#tell();
    await this.#loadOlder(page);
    return [...this.#recordings.values()].some(({ isActive }) => isActive);
  }

  /** What is below the first page changes while it is being recorded only. */
  async #loadOlder({ sessions }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    for (const [id, recording] of this.#recordings) {
      if (!recording.isActive || listed.has(id)) continue;
      try {
        recording.update(await this.#service.info(id));
      } catch (error) {
        if (error.status !== 404) throw error;
        this.#drop(id);
      }
    }
  }

  #tell() {
    this.#empty.hidden = this.#recordings.size > 0;
    this.#more.hidden = this.#cursor === null;
  }

  async #showMore() {
    const [status, cursor] = [this.#filter.value, this.#cursor];
    const page = await this.#service.list({ status, cursor, limit: PAGE });
    if (status !== this.#filter.value || cursor !== this.#cursor) return; // of another list
    for (const session of page.sessions) this.#show(session, 'append');
    this.#cursor = page.next_cursor;
    this.#tell();
  }

  #show(session, place) {
    const { session_id: id } = session;
    let recording = this.#recordings.get(id);
    if (!recording) {
      recording = new Recording(this.#service, () => this.#drop(id));
      this.#recordings.set(id, recording);
      this.#list[place](recording.element);
    }
    recording.update(session);
  }

  /** Let go of what is gone: of the first page's time, and not in it. */
  #forget({ sessions, next_cursor: next }) {
    const listed = new Set(sessions.map(({ session_id: id }) => id));
    const oldest = next === null ? '' : sessions.at(-1).session_id;
    for (const id of this.#recordings.keys()) {
      if (id >= oldest && !listed.has(id)) this.#drop(id);
    }
  }

  /** More came at once than a page holds: what is shown does not join on. */
  #closeGap({ sessions, next_cursor: next }) {
    const isKnown = sessions.some(({ session_id: id }) => this.#recordings.has(id));
    if (next !== null && !isKnown) this.#clear();
  }

  #drop(id) {
    const recording = this.#recordings.get(id);
    const isFocused = recording.element.contains(document.activeElement);
    recording.end();
    this.#recordings.delete(id);
    if (isFocused) document.getElementById('recordings').focus();
    this.#tell();
  }

  #clear() {
    for (const recording of this.#recordings.values()) recording.end();
    this.#recordings.clear();
    this.#cursor = null;
  }

  #restart() {
    this.#clear();
    this.refresh();
  }

  #offerSignIn(error) {
    const signIn = () => this.#service.signIn().then(() => this.refresh(), complain);
    notice(error.message, { kind: 'error', actions: { 'Enter a key': signIn } });
  }
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll('.menu[open]')) {
    if (menu !== except) menu.open = false;
  }
}
