/** @import { ApiClient } from './api-client.js' */
/** @import { Session } from './types.js' */

import { confirmAction } from './dialogs.js';
import { findElement, findParts, setText } from './elements.js';
import { formatBytes, formatClock, formatDateTime } from './format.js';
import { LivePanel } from './live-panel.js';
import { fill } from './localize.js';
import { withErrorNotice } from './notices.js';
import { PlaybackPanel } from './playback-panel.js';
import { texts } from './texts.js';

const FORMATS = ['wav', 'flac', 'mp3', 'opus'];
const PART_TYPES = {
  select: HTMLInputElement,
  play: HTMLButtonElement,
  title: HTMLElement,
  status: HTMLElement,
  facts: HTMLElement,
  watch: HTMLButtonElement,
  finish: HTMLButtonElement,
  downloads: HTMLDetailsElement,
  copy: HTMLButtonElement,
  delete: HTMLButtonElement,
  interruption: HTMLElement,
  warning: HTMLElement,
};

/**
 * @typedef {object} CardListener
 * @property {() => void} onDeleted called after the user deleted the session with this card
 * @property {(isSelected: boolean) => void} onSelected
 */

/** The content of the row of one session: its facts and its controls. */
export class RecordingCard {
  #root;
  #parts;
  #api;
  #listener;
  #session;
  #live;
  /** @type {PlaybackPanel | null} */
  #playback = null; // null: active, or empty

  /**
   * @param {HTMLElement} root the row, which is filled
   * @param {ApiClient} api
   * @param {Session} session
   * @param {CardListener} listener
   */
  constructor(root, api, session, listener) {
    this.#root = root;
    this.#api = api;
    this.#session = session;
    this.#listener = listener;
    const template = findElement(document, '#recording', HTMLTemplateElement);
    root.replaceChildren(document.importNode(template.content, true));
    this.#parts = findParts(root, PART_TYPES);
    this.#live = new LivePanel(root, api, session.session_id, () => this.#setAccessibleNames());
    this.#addEventListeners();
    this.#showSession();
    this.#showStatus();
  }

  /** Whether the card has nothing that is lost when it is made again. */
  get isIdle() {
    const { downloads } = this.#parts;
    const isFocused = this.#root.contains(document.activeElement);
    return !(isFocused || downloads.open || this.#live.isWatching || this.#playback?.isUsed);
  }

  /**
   * Show the session's new state.
   *
   * @param {Session} session
   */
  update(session) {
    const { status } = this.#session;
    this.#session = session;
    const { activeElement: focused } = document;
    this.#showSession();
    if (status === session.status) return;
    this.#showStatus();
    // If the focused button is hidden now, focus another one.
    if (focused && this.#root.contains(focused) && !focused.checkVisibility()) {
      (this.#parts.play.hidden ? this.#parts.delete : this.#parts.play).focus();
    }
  }

  /** @param {boolean} isSelected */
  showSelected(isSelected) {
    this.#parts.select.checked = isSelected;
  }

  loadWaveform() {
    this.#playback?.loadWaveform();
  }

  /** Stop playing and monitoring, and empty the row. */
  dispose() {
    this.#playback?.dispose();
    this.#live.stop();
    this.#root.replaceChildren();
  }

  #showSession() {
    const session = this.#session;
    const isActive = session.status === 'active';
    const { title, status, facts, interruption, warning } = this.#parts;
    this.#root.dataset.status = session.status;
    setText(title, formatDateTime(session.created_at));
    setText(status, texts.recording.states[stateOf(session)]);
    setText(facts, formatFacts(session));
    for (const { element, text } of [
      { element: interruption, text: formatInterruption(session) },
      { element: warning, text: formatWarnings(session) },
    ]) {
      setText(element, text);
      element.hidden = !text;
    }
    this.#parts.watch.hidden = !isActive;
    this.#parts.finish.hidden = !isActive;
    this.#parts.downloads.hidden = isActive;
  }

  /** Show the controls for the session's status. */
  #showStatus() {
    const isActive = this.#session.status === 'active';
    this.#parts.play.hidden = isActive || this.#session.duration_seconds === 0;
    this.#setAccessibleNames();
    if (isActive) return;
    this.#live.stop();
    if (this.#session.duration_seconds === 0) return;
    this.#playback = new PlaybackPanel(this.#root, this.#api, this.#session);
    this.loadWaveform();
  }

  #addEventListeners() {
    const { select, finish, copy, downloads } = this.#parts;
    select.addEventListener('change', () => this.#listener.onSelected(select.checked));
    finish.addEventListener('click', withErrorNotice(() => this.#finish()));
    this.#parts.delete.addEventListener('click', withErrorNotice(() => this.#delete()));
    copy.addEventListener('click', withErrorNotice(() => this.#copy()));
    for (const format of FORMATS) {
      const button = findElement(downloads, `[data-format=${format}]`, HTMLButtonElement);
      button.addEventListener('click', withErrorNotice(() => this.#download(format)));
    }
  }

  /** Name the recording in the label of each control, for screen readers. */
  #setAccessibleNames() {
    const name = formatDateTime(this.#session.created_at);
    const { select, watch, finish, downloads, delete: remove } = this.#parts;
    select.setAttribute('aria-label', fill(texts.recording.select, { name }));
    const menu = findElement(downloads, 'summary', HTMLElement);
    for (const element of [watch, finish, remove, menu]) {
      const action = element.textContent ?? '';
      element.setAttribute('aria-label', fill(texts.recording.named, { action, name }));
    }
  }

  /** @param {string} format */
  async #download(format) {
    this.#parts.downloads.open = false;
    const { session_id: id } = this.#session;
    const link = document.createElement('a');
    link.href =
      format === 'wav'
        ? (await this.#api.downloadLink(id)).url
        : await this.#api.audioUrl(id, { format });
    link.download = ''; // the service names the file
    // While it records, this page would ask for confirmation before a link to the store opens.
    if (link.origin !== location.origin) link.target = '_blank';
    link.click();
  }

  async #copy() {
    this.#parts.downloads.open = false;
    await navigator.clipboard.writeText(this.#session.session_id);
  }

  async #finish() {
    const { finishTitle: title, finishText: text, finish: yes } = texts.recording;
    if (!(await confirmAction({ title, text, yes }))) return;
    this.update((await this.#api.close(this.#session.session_id)).session);
  }

  async #delete() {
    const { created_at: createdAt, duration_seconds: seconds } = this.#session;
    const { deleteTitle: title, deleteText, delete: yes } = texts.recording;
    const values = { name: formatDateTime(createdAt), duration: formatClock(seconds) };
    if (!(await confirmAction({ title, text: fill(deleteText, values), yes }))) return;
    await this.#api.delete(this.#session.session_id);
    this.#listener.onDeleted();
  }
}

/**
 * @param {Session} session
 * @returns {keyof typeof texts.recording.states}
 */
function stateOf({ status, disconnected_at: disconnectedAt }) {
  return status === 'active' && disconnectedAt !== null ? 'interrupted' : status;
}

/** @param {Session} session */
function formatFacts(session) {
  const { duration_seconds: seconds, size_bytes: bytes, user_id: user } = session;
  const { kind, mono, stereo } = texts.recording;
  const channels = session.channels === 1 ? mono : stereo;
  const format = fill(kind, { rate: session.sample_rate / 1000, channels });
  return [formatClock(seconds), formatBytes(bytes), format, user].filter(Boolean).join(' · ');
}

/**
 * Say since when an active session has no client, and when it ends; '' if it has one.
 *
 * @param {Session} session
 */
function formatInterruption({ disconnected_at: since, idle_until: end }) {
  if (since === null || end === null) return '';
  const values = { since: formatDateTime(since), end: formatDateTime(end) };
  return fill(texts.recording.interruption, values);
}

/**
 * Say what of the session was not recorded; '' if everything was.
 *
 * @param {Session} session
 */
function formatWarnings({ warnings, warning_count: count }) {
  if (!count) return '';
  const messages = warnings.map(({ message }) => message);
  const more = count - warnings.length;
  if (more > 0) messages.push(fill(texts.errors.more, { count: more }));
  return fill(texts.errors.notRecorded, { messages: messages.join('; ') });
}
