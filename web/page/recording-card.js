/** @import { ApiClient } from './api-client.js' */
/** @import { Session } from './types.js' */

import { confirmAction } from './dialogs.js';
import { copyTemplate, findElement, findParts, setText } from './elements.js';
import { formatClock, formatDateTime, formatFacts, formatName } from './format.js';
import { LivePanel } from './live-panel.js';
import { fill } from './localize.js';
import { withErrorNotice } from './notices.js';
import { PlaybackPanel } from './playback-panel.js';
import { showReceipt } from './receipt-dialog.js';
import { showSharing } from './share-dialog.js';
import { texts } from './texts.js';
import { TitleEditor } from './title-editor.js';
import { warningElements } from './warnings.js';

const WAVEFORM_DELAY_MS = 150; // rows that are scrolled past load none
const FORMATS = ['wav', 'flac', 'mp3', 'opus'];
const PART_TYPES = {
  select: HTMLInputElement,
  play: HTMLButtonElement,
  status: HTMLElement,
  facts: HTMLElement,
  rename: HTMLButtonElement,
  titleText: HTMLInputElement,
  watch: HTMLButtonElement,
  finish: HTMLButtonElement,
  share: HTMLButtonElement,
  downloads: HTMLDetailsElement,
  copy: HTMLButtonElement,
  receipt: HTMLButtonElement,
  delete: HTMLButtonElement,
  interruption: HTMLElement,
  warning: HTMLElement,
};

/**
 * @typedef {object} CardListener
 * @property {() => void} onDeleted called after the user deleted the session with this card
 * @property {(isSelected: boolean) => void} onSelected
 * @property {(session: Session) => void} onChanged called after the user changed the session
 */

/** The content of the row of one session: its facts and its controls. */
export class RecordingCard {
  #root;
  #parts;
  #api;
  #listener;
  #session;
  #live;
  #title;
  /** @type {PlaybackPanel | null} */
  #playback = null; // null: active, or empty
  #shownWarnings = '';
  /** @type {number | undefined} */
  #waveformTimer;

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
    root.replaceChildren(copyTemplate('#recording'));
    this.#parts = findParts(root, PART_TYPES);
    this.#live = new LivePanel(root, api, session.session_id, () => this.#setAccessibleNames());
    this.#title = new TitleEditor(root, (title) => this.#rename(title));
    this.#addEventListeners();
    this.#showSession();
    this.#showStatus();
  }

  /** Whether the card has nothing that is lost when it is made again. */
  get isIdle() {
    const { downloads } = this.#parts;
    const isFocused = this.#root.contains(document.activeElement);
    const isUsed = this.#title.isOpen || this.#live.isWatching || this.#playback?.isUsed;
    return !(isFocused || downloads.open || isUsed);
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
    this.#playback?.update(session);
    this.#setAccessibleNames();
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

  /** Stop playing and monitoring, and empty the row. */
  dispose() {
    clearTimeout(this.#waveformTimer);
    this.#playback?.dispose();
    this.#live.stop();
    this.#root.replaceChildren();
  }

  #showSession() {
    const session = this.#session;
    const isActive = session.status === 'active';
    const { status, facts, interruption, receipt } = this.#parts;
    this.#root.dataset.status = session.status;
    this.#title.show(session);
    setText(status, texts.recording.states[stateOf(session)]);
    setText(facts, formatFacts(session));
    setText(interruption, formatInterruption(session));
    interruption.hidden = interruption.textContent === '';
    this.#showWarnings();
    receipt.hidden = !session.receipt;
    this.#parts.watch.hidden = !isActive;
    this.#parts.finish.hidden = !isActive;
    this.#parts.downloads.hidden = isActive;
    this.#parts.share.hidden = isActive || session.duration_seconds === 0;
  }

  #showWarnings() {
    const { warning } = this.#parts;
    const { warnings, warning_count: count } = this.#session;
    warning.hidden = count === 0;
    const shown = JSON.stringify([warnings, count]);
    if (shown === this.#shownWarnings) return; // details that the user has opened stay open
    this.#shownWarnings = shown;
    warning.replaceChildren(...(count > 0 ? warningElements(this.#session) : []));
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
    this.#waveformTimer = setTimeout(() => this.#playback?.load(), WAVEFORM_DELAY_MS);
  }

  #addEventListeners() {
    const { select, finish, copy, receipt, downloads } = this.#parts;
    select.addEventListener('change', () => this.#listener.onSelected(select.checked));
    finish.addEventListener('click', withErrorNotice(() => this.#finish()));
    this.#parts.delete.addEventListener('click', withErrorNotice(() => this.#delete()));
    this.#parts.share.addEventListener('click', () => showSharing(this.#session, this.#api));
    copy.addEventListener('click', withErrorNotice(() => this.#copy()));
    receipt.addEventListener('click', () => this.#showReceipt());
    for (const format of FORMATS) {
      const button = findElement(downloads, `[data-format=${format}]`, HTMLButtonElement);
      button.addEventListener('click', withErrorNotice(() => this.#download(format)));
    }
  }

  /** Name the recording in the label of each control, for screen readers. */
  #setAccessibleNames() {
    const name = formatName(this.#session);
    const { select, rename, titleText, watch, finish, share, downloads } = this.#parts;
    const { delete: remove } = this.#parts;
    select.setAttribute('aria-label', fill(texts.recording.select, { name }));
    titleText.setAttribute('aria-label', fill(texts.recording.titleOf, { name }));
    const menu = findElement(downloads, 'summary', HTMLElement);
    for (const element of [rename, watch, finish, share, remove, menu]) {
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

  #showReceipt() {
    this.#parts.downloads.open = false;
    showReceipt(this.#session);
  }

  /** @param {string} title */
  async #rename(title) {
    this.#listener.onChanged(await this.#api.rename(this.#session.session_id, title));
  }

  async #finish() {
    const { finishTitle: title, finishText: text, finish: yes } = texts.recording;
    if (!(await confirmAction({ title, text, yes }))) return;
    this.#listener.onChanged((await this.#api.close(this.#session.session_id)).session);
  }

  async #delete() {
    const { duration_seconds: seconds } = this.#session;
    const { deleteTitle: title, deleteText, delete: yes } = texts.recording;
    const values = { name: formatName(this.#session), duration: formatClock(seconds) };
    if (!(await confirmAction({ title, text: fill(deleteText, values), yes }))) return;
    await this.#api.delete(this.#session.session_id);
    this.#listener.onDeleted();
  }
}

/**
 * @param {Session} session
 * @returns {keyof typeof texts.recording.states}
 */
function stateOf({ status, disconnected_at: disconnectedAt, paused }) {
  if (status !== 'active') return status;
  if (disconnectedAt !== null) return 'interrupted';
  return paused ? 'paused' : 'active';
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
