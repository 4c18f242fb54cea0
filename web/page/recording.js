import { confirmed } from './dialogs.js';
import { complain, complaining, partsOf, write } from './elements.js';
import { LiveWave } from './live-wave.js';
import { Player } from './player.js';
import { StillWave } from './still-wave.js';
import { clock, moment, size, spoken } from './text.js';
import { Watcher } from './watcher.js';

const WAVE_PIXELS = 1200;
const STATUS = { active: 'Being recorded', completed: 'Finished', error: 'Damaged' };

/** One session in the list. */
export class Recording {
  element;
  #parts;
  #service;
  #deleted;
  #session = {};
  #player = null;
  #wave = null;
  #watcher = null;
  #live = null;
  #observer = null;

  /** `deleted()` is called after the session was deleted here. */
  constructor(service, deleted) {
    this.#service = service;
    this.#deleted = deleted;
    const { content } = document.getElementById('recording');
    this.element = content.cloneNode(true).firstElementChild;
    this.#parts = partsOf(this.element);
    this.#connect();
  }

  get isActive() {
    return this.#session.status === 'active';
  }

  /** Show the session as it is now. */
  update(session) {
    const before = this.#session;
    this.#session = session;
    const { activeElement: focused } = document;
    const isActive = session.status === 'active';
    const { title, status, facts, warning, watch, finish, downloads } = this.#parts;
    this.element.dataset.status = session.status;
    write(title, moment(session.created_at));
    write(status, STATUS[session.status]);
    write(facts, factsOf(session));
    write(warning, session.error ? `Some of it could not be decoded: ${session.error}` : '');
    warning.hidden = !session.error;
    watch.hidden = !isActive;
    finish.hidden = !isActive;
    downloads.hidden = isActive;
    if (before.status === session.status) return;
    this.#name();
    this.#parts.play.hidden = isActive || session.duration_seconds === 0;
    if (!isActive) this.#settle();
    // What had the focus may be gone.
    if (this.element.contains(focused) && !focused.checkVisibility()) {
      (this.#parts.play.hidden ? this.#parts.delete : this.#parts.play).focus();
    }
  }

  /** Let go of everything that goes on. */
  end() {
    this.#player?.end();
    this.#wave?.destroy();
    this.#watcher?.stop();
    this.#observer?.disconnect();
    this.element.remove();
  }

  #connect() {
    const { play, seek, watch, hear, finish, copy, downloads } = this.#parts;
    play.addEventListener('click', complaining(() => this.#player.toggle()));
    seek.addEventListener('input', complaining(() => this.#seek(seek.valueAsNumber)));
    watch.addEventListener('click', () => this.#toggleWatching());
    hear.addEventListener('click', complaining(() => this.#toggleHearing()));
    finish.addEventListener('click', complaining(() => this.#finish()));
    this.#parts.delete.addEventListener('click', complaining(() => this.#delete()));
    copy.addEventListener('click', complaining(() => this.#copy()));
    for (const button of downloads.querySelectorAll('[data-format]')) {
      button.addEventListener('click', complaining(() => this.#download(button.dataset.format)));
    }
  }

  /** Say to those who do not see the list which recording a button is about. */
  #name() {
    const name = moment(this.#session.created_at);
    const { watch, finish, seek, downloads } = this.#parts;
    watch.setAttribute('aria-label', `${watch.textContent} ${name}`);
    finish.setAttribute('aria-label', `Finish ${name}`);
    this.#parts.delete.setAttribute('aria-label', `Delete ${name}`);
    downloads.firstElementChild.setAttribute('aria-label', `Download ${name}`);
    seek.setAttribute('aria-label', `Position in ${name}`);
    this.#showPlaying();
  }

  // --- a finished recording

  #settle() {
    const { duration_seconds: seconds } = this.#session;
    if (this.#watcher) this.#toggleWatching();
    if (seconds === 0) return;
    const { player, seek, duration } = this.#parts;
    player.hidden = false;
    seek.max = seconds;
    write(duration, clock(seconds));
    this.#player = new Player(() => this.#address({ redirect: false }), complain);
    for (const event of ['play', 'pause', 'ended']) {
      this.#player.audio.addEventListener(event, () => this.#showPlaying());
    }
    this.#player.audio.addEventListener('timeupdate', () => this.#showPosition());
    this.#showPosition();
    // A long list asks for the waveforms that are looked at.
    this.#observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.#draw();
    });
    this.#observer.observe(this.element);
  }

  async #draw() {
    this.#observer.disconnect();
    const { session_id: id, duration_seconds: seconds } = this.#session;
    try {
      const waveform = await this.#service.waveform(id, WAVE_PIXELS);
      if (!this.element.isConnected) return; // deleted, or out of the list, meanwhile
      this.#wave = new StillWave(this.#parts.wave, this.#player.audio, seconds);
      const isSurfed = await this.#wave.show(waveform);
      this.element.classList.toggle('surfed', isSurfed);
    } catch {
      this.element.classList.add('waveless'); // it can be played all the same
    }
  }

  async #seek(seconds) {
    this.#showPosition(seconds);
    this.#wave?.place(seconds);
    await this.#player.seek(seconds);
  }

  #showPlaying() {
    const isPlaying = this.#player !== null && !this.#player.audio.paused;
    this.element.classList.toggle('playing', isPlaying);
    const name = moment(this.#session.created_at);
    this.#parts.play.setAttribute('aria-label', `${isPlaying ? 'Pause' : 'Play'} ${name}`);
  }

  #showPosition(seconds = this.#player.audio.currentTime) {
    const { seek, position } = this.#parts;
    seek.value = seconds;
    seek.setAttribute('aria-valuetext', spoken(seconds));
    write(position, clock(seconds));
  }

  async #download(format) {
    this.#parts.downloads.open = false;
    const { session_id: id, created_at: createdAt } = this.#session;
    const link = document.createElement('a');
    link.href =
      format === 'wav' ? await this.#service.downloadUrl(id) : await this.#address({ format });
    link.download = `${createdAt.slice(0, 19).replaceAll(':', '-')} ${id}.${format}`;
    // Leading to the store, this page would ask whether it may be left while it records.
    if (link.origin !== location.origin) link.target = '_blank';
    link.click();
  }

  async #copy() {
    this.#parts.downloads.open = false;
    await navigator.clipboard.writeText(this.#session.session_id);
  }

  #address(query) {
    return this.#service.audioUrl(this.#session.session_id, query);
  }

  // --- one that is being recorded

  #toggleWatching() {
    const { watch, watcher, live, watching } = this.#parts;
    const isWatching = this.#watcher === null;
    watcher.hidden = !isWatching;
    watch.setAttribute('aria-expanded', isWatching);
    write(watch, isWatching ? 'Stop watching' : 'Watch');
    this.#name();
    if (!isWatching) {
      this.#watcher.stop();
      this.#watcher = null;
      this.#showHearing(false);
      return;
    }
    this.#live ??= new LiveWave(live);
    this.#live.clear();
    this.#watcher = new Watcher(this.#service, this.#session.session_id, {
      peak: (peak) => this.#live.push(peak),
      state: (text) => write(watching, text),
    });
    this.#watcher.start();
  }

  async #toggleHearing() {
    const isHeard = this.#parts.hear.getAttribute('aria-pressed') !== 'true';
    this.#showHearing(isHeard);
    if (isHeard) await this.#watcher.unmute();
    else this.#watcher.mute();
  }

  #showHearing(isHeard) {
    this.#parts.hear.setAttribute('aria-pressed', isHeard);
  }

  async #finish() {
    const isSure = await confirmed({
      title: 'Finish this recording?',
      text: 'Whoever records it is told, and cannot go on.',
      yes: 'Finish',
    });
    if (!isSure) return;
    this.update((await this.#service.close(this.#session.session_id)).session);
  }

  async #delete() {
    const isSure = await confirmed({
      title: 'Delete this recording?',
      text: `${moment(this.#session.created_at)}, ${clock(this.#session.duration_seconds)}. It cannot be brought back.`,
      yes: 'Delete',
    });
    if (!isSure) return;
    await this.#service.delete(this.#session.session_id);
    this.#deleted();
  }
}

function factsOf({ duration_seconds: seconds, size_bytes: bytes, sample_rate: rate, channels, user_id: user }) {
  const kind = `${rate / 1000} kHz ${channels === 1 ? 'mono' : 'stereo'}`;
  return [clock(seconds), size(bytes), kind, user].filter(Boolean).join(' · ');
}
