/** @import { ApiClient } from './api-client.js' */
/** @import { Session } from './types.js' */

import { findParts, setText } from './elements.js';
import { formatClock, formatName, formatSpokenDuration } from './format.js';
import { fill } from './localize.js';
import { showError, withErrorNotice } from './notices.js';
import { Player } from './player.js';
import { texts } from './texts.js';
import { timelineEvents } from './timeline-events.js';
import { TimelineList } from './timeline-list.js';
import { WaveformView } from './waveform-view.js';

const SKIP_SECONDS = 10;
const WITHOUT_WAVEFORM = 'without-waveform'; // a class
/** @type {Record<string, number>} */
const SECONDS_BY_KEY = {
  ArrowLeft: -5,
  ArrowDown: -5,
  ArrowRight: 5,
  ArrowUp: 5,
  PageDown: -30,
  PageUp: 30,
  Home: -Infinity,
  End: Infinity,
};
const PART_TYPES = {
  play: HTMLButtonElement,
  player: HTMLElement,
  wave: HTMLCanvasElement,
  seek: HTMLInputElement,
  position: HTMLElement,
  duration: HTMLElement,
  back: HTMLButtonElement,
  forward: HTMLButtonElement,
  speed: HTMLSelectElement,
  zoomIn: HTMLButtonElement,
  zoomOut: HTMLButtonElement,
};

/** @type {PlaybackPanel | null} */
let lastUsedPanel = null;

/** Return the panel that the user used last, or else the first one of the page. */
export function currentPanel() {
  return lastUsedPanel ?? firstPanel();
}

/** @type {WeakMap<Element, PlaybackPanel>} */
const panels = new WeakMap();

function firstPanel() {
  const element = document.querySelector('#list [data-part=player]:not([hidden])');
  return (element && panels.get(element)) ?? null;
}

/** The player of a completed recording: play, seek, skip, speed, and zoom into the waveform. */
export class PlaybackPanel {
  #root;
  #parts;
  #api;
  #session;
  #player;
  #waveform;
  #timeline;

  /**
   * @param {HTMLElement} root the card
   * @param {ApiClient} api
   * @param {Session} session with audio
   */
  constructor(root, api, session) {
    this.#root = root;
    this.#parts = findParts(root, PART_TYPES);
    this.#api = api;
    this.#session = session;
    const { session_id: id, duration_seconds: seconds } = session;
    this.#player = new Player(() => api.audioUrl(id, { redirect: 'false' }), showError);
    this.#waveform = new WaveformView(this.#parts.wave, api, { id, seconds });
    this.#timeline = new TimelineList(root, (chosen) => {
      withErrorNotice(() => this.#seek(chosen))();
    });
    this.#parts.player.hidden = false;
    panels.set(this.#parts.player, this);
    setText(this.#parts.duration, formatClock(seconds));
    this.#addEventListeners();
    this.#showPosition(0);
    this.#showPlaying();
  }

  get isPlaying() {
    return !this.#player.audio.paused;
  }

  /** Whether the panel has a state that the user would miss. */
  get isUsed() {
    return this.isPlaying || this.#player.audio.currentTime > 0 || this.#waveform.isZoomed;
  }

  /** Load the waveform and the timeline; without them, the recording can still be played. */
  async load() {
    await Promise.all([this.loadWaveform(), this.#loadTimeline().catch(() => {})]);
  }

  async #loadTimeline() {
    const { session_id: id, sample_rate: rate } = this.#session;
    const events = timelineEvents(await this.#api.timeline(id), rate);
    this.#timeline.show(events);
    this.#waveform.setEvents(events);
  }

  async loadWaveform() {
    const hasWaveform = await this.#waveform.load().then(() => true, () => false);
    this.#root.classList.toggle(WITHOUT_WAVEFORM, !hasWaveform);
  }

  /**
   * Show the recording's new name, and its waveform if it could not be loaded.
   *
   * @param {Session} session
   */
  update(session) {
    this.#session = session;
    this.#showPlaying();
    if (this.#root.classList.contains(WITHOUT_WAVEFORM)) this.loadWaveform();
  }

  async toggle() {
    lastUsedPanel = this;
    await this.#player.toggle();
  }

  /**
   * Move the position by some seconds.
   *
   * @param {number} seconds
   */
  async skip(seconds) {
    await this.#seek(this.#parts.seek.valueAsNumber + seconds);
  }

  /**
   * Choose the next slower or faster speed.
   *
   * @param {-1 | 1} step
   */
  changeSpeed(step) {
    const { speed } = this.#parts;
    const last = speed.options.length - 1;
    speed.selectedIndex = Math.max(0, Math.min(last, speed.selectedIndex + step));
    this.#setSpeed();
  }

  /** @param {'in' | 'out'} direction */
  async zoom(direction) {
    lastUsedPanel = this;
    await this.#waveform.zoom(direction);
    this.#showPosition(this.#player.audio.currentTime);
  }

  dispose() {
    this.#player.dispose();
    this.#waveform.dispose();
    if (lastUsedPanel === this) lastUsedPanel = null;
  }

  #addEventListeners() {
    const { play, seek, back, forward, speed, zoomIn, zoomOut } = this.#parts;
    play.addEventListener('click', withErrorNotice(() => this.toggle()));
    seek.addEventListener('input', withErrorNotice(() => this.#seek(seek.valueAsNumber)));
    seek.addEventListener('keydown', (event) => this.#handleKey(event));
    back.addEventListener('click', withErrorNotice(() => this.skip(-SKIP_SECONDS)));
    forward.addEventListener('click', withErrorNotice(() => this.skip(SKIP_SECONDS)));
    speed.addEventListener('change', () => this.#setSpeed());
    zoomIn.addEventListener('click', withErrorNotice(() => this.zoom('in')));
    zoomOut.addEventListener('click', withErrorNotice(() => this.zoom('out')));
    const { audio } = this.#player;
    for (const event of ['play', 'pause', 'ended']) {
      audio.addEventListener(event, () => this.#showPlaying());
    }
    audio.addEventListener('timeupdate', () => this.#showPosition(audio.currentTime));
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const { key, ctrlKey, altKey, metaKey } = event;
    if (ctrlKey || altKey || metaKey) return;
    const seconds = SECONDS_BY_KEY[key];
    if (seconds === undefined && key !== ' ') return;
    event.preventDefault(); // the slider would move by a hundredth of a second
    event.stopPropagation();
    withErrorNotice(() => (key === ' ' ? this.toggle() : this.skip(seconds)))();
  }

  /** @param {number} seconds */
  async #seek(seconds) {
    lastUsedPanel = this;
    const wanted = Math.max(0, Math.min(this.#session.duration_seconds, seconds));
    this.#showPosition(wanted);
    await this.#player.seek(wanted);
  }

  #setSpeed() {
    lastUsedPanel = this;
    this.#player.setSpeed(Number(this.#parts.speed.value));
  }

  #showPlaying() {
    this.#root.classList.toggle('playing', this.isPlaying);
    const name = formatName(this.#session);
    const { play, pause, position } = texts.recording;
    this.#parts.play.setAttribute('aria-label', fill(this.isPlaying ? pause : play, { name }));
    this.#parts.seek.setAttribute('aria-label', fill(position, { name }));
  }

  /** @param {number} seconds */
  #showPosition(seconds) {
    const { seek, position } = this.#parts;
    if (this.#waveform.setPosition(seconds)) this.loadWaveform();
    seek.min = String(this.#waveform.startSeconds);
    seek.max = String(this.#waveform.endSeconds);
    seek.value = String(seconds);
    seek.setAttribute('aria-valuetext', formatSpokenDuration(seconds));
    setText(position, formatClock(seconds));
  }
}
