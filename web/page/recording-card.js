/** @import { ApiClient } from './api-client.js' */
/** @import { Session } from './types.js' */

import { confirmAction } from './dialogs.js';
import { findElement, findParts, setText } from './elements.js';
import { formatBytes, formatClock, formatDateTime, formatSpokenDuration } from './format.js';
import { LiveMonitor } from './live-monitor.js';
import { LiveWaveform } from './live-waveform.js';
import { showError, withErrorNotice } from './notices.js';
import { Player } from './player.js';
import { RecordedWaveform } from './recorded-waveform.js';

const WAVEFORM_PIXELS = 1200;
const FORMATS = ['wav', 'flac', 'mp3', 'opus'];
const PART_TYPES = {
  play: HTMLButtonElement,
  title: HTMLElement,
  status: HTMLElement,
  facts: HTMLElement,
  watch: HTMLButtonElement,
  finish: HTMLButtonElement,
  downloads: HTMLDetailsElement,
  copy: HTMLButtonElement,
  delete: HTMLButtonElement,
  warning: HTMLElement,
  player: HTMLElement,
  wave: HTMLElement,
  seek: HTMLInputElement,
  position: HTMLElement,
  duration: HTMLElement,
  watcher: HTMLElement,
  live: HTMLCanvasElement,
  hear: HTMLButtonElement,
  watching: HTMLElement,
};
const STATUS_TEXTS = { active: 'Being recorded', completed: 'Finished', error: 'Damaged' };

/** The card of one session in the list. */
export class RecordingCard {
  element;
  #parts;
  #api;
  #onDeleted;
  #session;
  /** @type {Player | null} */
  #player = null; // null: active, or empty
  /** @type {RecordedWaveform | null} */
  #waveform = null;
  /** @type {LiveMonitor | null} */
  #monitor = null; // null: not watched
  /** @type {LiveWaveform | null} */
  #liveWaveform = null;
  /** @type {IntersectionObserver | null} */
  #observer = null;

  /**
   * @param {ApiClient} api
   * @param {Session} session
   * @param {() => void} onDeleted called after the user deleted the session with this card
   */
  constructor(api, session, onDeleted) {
    this.#api = api;
    this.#session = session;
    this.#onDeleted = onDeleted;
    const template = findElement(document, '#recording', HTMLTemplateElement);
    const content = document.importNode(template.content, true);
    this.element = findElement(content, '.recording', HTMLElement);
    this.#parts = findParts(this.element, PART_TYPES);
    this.#addEventListeners();
    this.#showSession();
    this.#showStatus();
  }

  get isActive() {
    return this.#session.status === 'active';
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
    if (focused && this.element.contains(focused) && !focused.checkVisibility()) {
      (this.#parts.play.hidden ? this.#parts.delete : this.#parts.play).focus();
    }
  }

  #showSession() {
    const { isActive } = this;
    const session = this.#session;
    const { title, status, facts, warning, watch, finish, downloads } = this.#parts;
    this.element.dataset.status = session.status;
    setText(title, formatDateTime(session.created_at));
    setText(status, STATUS_TEXTS[session.status]);
    setText(facts, formatFacts(session));
    const warningText = formatWarnings(session);
    setText(warning, warningText);
    warning.hidden = !warningText;
    watch.hidden = !isActive;
    finish.hidden = !isActive;
    downloads.hidden = isActive;
  }

  /** Show the controls for the session's status. */
  #showStatus() {
    this.#setAccessibleNames();
    this.#parts.play.hidden = this.isActive || this.#session.duration_seconds === 0;
    if (!this.isActive) this.#showPlayer();
  }

  /** Stop playing and monitoring, and remove the card. */
  dispose() {
    this.#player?.dispose();
    this.#waveform?.destroy();
    this.#monitor?.stop();
    this.#observer?.disconnect();
    this.element.remove();
  }

  #addEventListeners() {
    const { play, seek, watch, hear, finish, copy, downloads } = this.#parts;
    play.addEventListener('click', withErrorNotice(async () => this.#player?.toggle()));
    seek.addEventListener('input', withErrorNotice(() => this.#seek(seek.valueAsNumber)));
    watch.addEventListener('click', () => this.#toggleMonitor());
    hear.addEventListener('click', withErrorNotice(() => this.#toggleSound()));
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
    const { watch, finish, seek, downloads } = this.#parts;
    watch.setAttribute('aria-label', `${watch.textContent} ${name}`);
    finish.setAttribute('aria-label', `Finish ${name}`);
    this.#parts.delete.setAttribute('aria-label', `Delete ${name}`);
    const menu = findElement(downloads, 'summary', HTMLElement);
    menu.setAttribute('aria-label', `Download ${name}`);
    seek.setAttribute('aria-label', `Position in ${name}`);
    this.#showPlaying();
  }

  // --- a completed recording

  #showPlayer() {
    const { duration_seconds: seconds } = this.#session;
    if (this.#monitor) this.#toggleMonitor();
    if (seconds === 0) return;
    const { player, seek, duration } = this.#parts;
    player.hidden = false;
    seek.max = String(seconds);
    setText(duration, formatClock(seconds));
    this.#player = new Player(() => this.#getAudioUrl({ redirect: 'false' }), showError);
    const { audio } = this.#player;
    for (const event of ['play', 'pause', 'ended']) {
      audio.addEventListener(event, () => this.#showPlaying());
    }
    audio.addEventListener('timeupdate', () => this.#showPosition(audio.currentTime));
    this.#showPosition(0);
    // Request the waveform only when the card is visible.
    this.#observer = new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      this.#drawWaveform(audio);
    });
    this.#observer.observe(this.element);
  }

  /** @param {HTMLAudioElement} audio */
  async #drawWaveform(audio) {
    const { session_id: id, duration_seconds: seconds } = this.#session;
    try {
      const waveform = await this.#api.waveform(id, WAVEFORM_PIXELS);
      if (!this.element.isConnected) return; // removed from the list meanwhile
      this.#waveform = new RecordedWaveform(this.#parts.wave, audio, seconds);
      const hasPosition = await this.#waveform.show(waveform);
      this.element.classList.toggle('shows-position', hasPosition);
    } catch {
      this.element.classList.add('without-waveform'); // the recording can still be played
    }
  }

  /** @param {number} seconds */
  async #seek(seconds) {
    this.#showPosition(seconds);
    this.#waveform?.setPosition(seconds);
    await this.#player?.seek(seconds);
  }

  #showPlaying() {
    const isPlaying = this.#player !== null && !this.#player.audio.paused;
    this.element.classList.toggle('playing', isPlaying);
    const name = formatDateTime(this.#session.created_at);
    this.#parts.play.setAttribute('aria-label', `${isPlaying ? 'Pause' : 'Play'} ${name}`);
  }

  /** @param {number} seconds */
  #showPosition(seconds) {
    const { seek, position } = this.#parts;
    seek.value = String(seconds);
    seek.setAttribute('aria-valuetext', formatSpokenDuration(seconds));
    setText(position, formatClock(seconds));
  }

  /** @param {string} format */
  async #download(format) {
    this.#parts.downloads.open = false;
    const { session_id: id } = this.#session;
    const link = document.createElement('a');
    link.href =
      format === 'wav'
        ? (await this.#api.downloadLink(id)).url
        : await this.#getAudioUrl({ format });
    link.download = ''; // the service names the file
    // While it records, this page would ask for confirmation before a link to the store opens.
    if (link.origin !== location.origin) link.target = '_blank';
    link.click();
  }

  async #copy() {
    this.#parts.downloads.open = false;
    await navigator.clipboard.writeText(this.#session.session_id);
  }

  /** @param {Record<string, string>} query */
  #getAudioUrl(query) {
    return this.#api.audioUrl(this.#session.session_id, query);
  }

  // --- an active session

  #toggleMonitor() {
    const { watch, watcher } = this.#parts;
    const isWatching = this.#monitor === null;
    watcher.hidden = !isWatching;
    watch.setAttribute('aria-expanded', String(isWatching));
    setText(watch, isWatching ? 'Stop watching' : 'Watch');
    this.#setAccessibleNames();
    this.#showSound(false);
    this.#monitor?.stop();
    this.#monitor = isWatching ? this.#startMonitor() : null;
  }

  #startMonitor() {
    const { live, watching } = this.#parts;
    this.#liveWaveform ??= new LiveWaveform(live);
    const waveform = this.#liveWaveform;
    waveform.clear();
    const monitor = new LiveMonitor(this.#api, this.#session.session_id, {
      onPeak: (peak) => waveform.push(peak),
      onState: (text) => setText(watching, text),
    });
    monitor.start();
    return monitor;
  }

  async #toggleSound() {
    const isHeard = this.#parts.hear.getAttribute('aria-pressed') !== 'true';
    this.#showSound(isHeard);
    if (isHeard) await this.#monitor?.unmute();
    else this.#monitor?.mute();
  }

  /** @param {boolean} isHeard */
  #showSound(isHeard) {
    this.#parts.hear.setAttribute('aria-pressed', String(isHeard));
  }

  async #finish() {
    const isConfirmed = await confirmAction({
      title: 'Finish this recording?',
      text: 'The recording client is disconnected and cannot continue.',
      yes: 'Finish',
    });
    if (!isConfirmed) return;
    this.update((await this.#api.close(this.#session.session_id)).session);
  }

  async #delete() {
    const { created_at: createdAt, duration_seconds: seconds } = this.#session;
    const isConfirmed = await confirmAction({
      title: 'Delete this recording?',
      text: `${formatDateTime(createdAt)}, ${formatClock(seconds)}. It cannot be restored.`,
      yes: 'Delete',
    });
    if (!isConfirmed) return;
    await this.#api.delete(this.#session.session_id);
    this.#onDeleted();
  }
}

/** @param {Session} session */
function formatFacts(session) {
  const { duration_seconds: seconds, size_bytes: bytes, user_id: user } = session;
  const kind = `${session.sample_rate / 1000} kHz ${session.channels === 1 ? 'mono' : 'stereo'}`;
  return [formatClock(seconds), formatBytes(bytes), kind, user].filter(Boolean).join(' · ');
}

/**
 * Say what of the session was not recorded; an empty text if everything was.
 *
 * @param {Session} session
 */
function formatWarnings({ warnings, warning_count: count }) {
  if (!count) return '';
  const messages = warnings.map(({ message }) => message);
  const more = count - warnings.length;
  if (more > 0) messages.push(`and ${more} more`);
  return `Part of the audio was not recorded: ${messages.join('; ')}`;
}
