import { confirmAction } from './dialogs.js';
import { findParts, setText } from './elements.js';
import { formatBytes, formatClock, formatDateTime, formatSpokenDuration } from './format.js';
import { LiveMonitor } from './live-monitor.js';
import { LiveWaveform } from './live-waveform.js';
import { showError, withErrorNotice } from './notices.js';
import { Player } from './player.js';
import { RecordedWaveform } from './recorded-waveform.js';

const WAVEFORM_PIXELS = 1200;
const STATUS_TEXTS = { active: 'Being recorded', completed: 'Finished', error: 'Damaged' };

/** The card of one session in the list. */
export class RecordingCard {
  element;
  #parts;
  #api;
  #onDeleted;
  #session = {};
  #player = null;
  #waveform = null;
  #monitor = null;
  #liveWaveform = null;
  #observer = null;

  /** `onDeleted()` is called after the user deleted the session with this card. */
  constructor(api, onDeleted) {
    this.#api = api;
    this.#onDeleted = onDeleted;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('recording'));
    const content = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLElement} */ (content.firstElementChild);
    this.#parts = findParts(this.element);
    this.#addEventListeners();
  }

  get isActive() {
    return this.#session.status === 'active';
  }

  /** Show the session's new state. */
  update(session) {
    const before = this.#session;
    this.#session = session;
    const { activeElement: focused } = document;
    const isActive = session.status === 'active';
    const { title, status, facts, warning, watch, finish, downloads } = this.#parts;
    this.element.dataset.status = session.status;
    setText(title, formatDateTime(session.created_at));
    setText(status, STATUS_TEXTS[session.status]);
    setText(facts, formatFacts(session));
    const warningText = `Part of the audio could not be decoded: ${session.error}`;
    setText(warning, session.error ? warningText : '');
    warning.hidden = !session.error;
    watch.hidden = !isActive;
    finish.hidden = !isActive;
    downloads.hidden = isActive;
    if (before.status === session.status) return;
    this.#setAccessibleNames();
    this.#parts.play.hidden = isActive || session.duration_seconds === 0;
    if (!isActive) this.#showPlayer();
    // If the focused button is hidden now, focus another one.
    if (this.element.contains(focused) && !focused.checkVisibility()) {
      (this.#parts.play.hidden ? this.#parts.delete : this.#parts.play).focus();
    }
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
    play.addEventListener('click', withErrorNotice(() => this.#player.toggle()));
    seek.addEventListener('input', withErrorNotice(() => this.#seek(seek.valueAsNumber)));
    watch.addEventListener('click', () => this.#toggleMonitor());
    hear.addEventListener('click', withErrorNotice(() => this.#toggleSound()));
    finish.addEventListener('click', withErrorNotice(() => this.#finish()));
    this.#parts.delete.addEventListener('click', withErrorNotice(() => this.#delete()));
    copy.addEventListener('click', withErrorNotice(() => this.#copy()));
    for (const button of downloads.querySelectorAll('[data-format]')) {
      const { format } = button.dataset;
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
    downloads.firstElementChild.setAttribute('aria-label', `Download ${name}`);
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
    seek.max = seconds;
    setText(duration, formatClock(seconds));
    this.#player = new Player(() => this.#getAudioUrl({ redirect: false }), showError);
    for (const event of ['play', 'pause', 'ended']) {
      this.#player.audio.addEventListener(event, () => this.#showPlaying());
    }
    this.#player.audio.addEventListener('timeupdate', () => this.#showPosition());
    this.#showPosition();
    // Request the waveform only when the card is visible.
    this.#observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.#drawWaveform();
    });
    this.#observer.observe(this.element);
  }

  async #drawWaveform() {
    this.#observer.disconnect();
    const { session_id: id, duration_seconds: seconds } = this.#session;
    try {
      const waveform = await this.#api.waveform(id, WAVEFORM_PIXELS);
      if (!this.element.isConnected) return; // removed from the list meanwhile
      this.#waveform = new RecordedWaveform(this.#parts.wave, this.#player.audio, seconds);
      const hasPosition = await this.#waveform.show(waveform);
      this.element.classList.toggle('shows-position', hasPosition);
    } catch {
      this.element.classList.add('without-waveform'); // the recording can still be played
    }
  }

  async #seek(seconds) {
    this.#showPosition(seconds);
    this.#waveform?.setPosition(seconds);
    await this.#player.seek(seconds);
  }

  #showPlaying() {
    const isPlaying = this.#player !== null && !this.#player.audio.paused;
    this.element.classList.toggle('playing', isPlaying);
    const name = formatDateTime(this.#session.created_at);
    this.#parts.play.setAttribute('aria-label', `${isPlaying ? 'Pause' : 'Play'} ${name}`);
  }

  #showPosition(seconds = this.#player.audio.currentTime) {
    const { seek, position } = this.#parts;
    seek.value = seconds;
    seek.setAttribute('aria-valuetext', formatSpokenDuration(seconds));
    setText(position, formatClock(seconds));
  }

  async #download(format) {
    this.#parts.downloads.open = false;
    const { session_id: id } = this.#session;
    const link = document.createElement('a');
    link.href =
      format === 'wav' ? await this.#api.downloadUrl(id) : await this.#getAudioUrl({ format });
    link.download = ''; // the service names the file
    // While it records, this page would ask for confirmation before a link to the store opens.
    if (link.origin !== location.origin) link.target = '_blank';
    link.click();
  }

  async #copy() {
    this.#parts.downloads.open = false;
    await navigator.clipboard.writeText(this.#session.session_id);
  }

  #getAudioUrl(query) {
    return this.#api.audioUrl(this.#session.session_id, query);
  }

  // --- an active session

  #toggleMonitor() {
    const { watch, watcher, live, watching } = this.#parts;
    const isWatching = this.#monitor === null;
    watcher.hidden = !isWatching;
    watch.setAttribute('aria-expanded', isWatching);
    setText(watch, isWatching ? 'Stop watching' : 'Watch');
    this.#setAccessibleNames();
    if (!isWatching) {
      this.#monitor.stop();
      this.#monitor = null;
      this.#showSound(false);
      return;
    }
    this.#liveWaveform ??= new LiveWaveform(live);
    this.#liveWaveform.clear();
    this.#monitor = new LiveMonitor(this.#api, this.#session.session_id, {
      onPeak: (peak) => this.#liveWaveform.push(peak),
      onState: (text) => setText(watching, text),
    });
    this.#monitor.start();
  }

  async #toggleSound() {
    const isHeard = this.#parts.hear.getAttribute('aria-pressed') !== 'true';
    this.#showSound(isHeard);
    if (isHeard) await this.#monitor.unmute();
    else this.#monitor.mute();
  }

  #showSound(isHeard) {
    this.#parts.hear.setAttribute('aria-pressed', isHeard);
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

function formatFacts(session) {
  const { duration_seconds: seconds, size_bytes: bytes, user_id: user } = session;
  const kind = `${session.sample_rate / 1000} kHz ${session.channels === 1 ? 'mono' : 'stereo'}`;
  return [formatClock(seconds), formatBytes(bytes), kind, user].filter(Boolean).join(' · ');
}
