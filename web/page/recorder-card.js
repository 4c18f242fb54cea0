/** @import { SessionError, State } from '../client.js' */
/** @import { ApiClient } from './api-client.js' */
/** @import { RecorderSettings } from './types.js' */

import { MediaRecorderSource, MicrophoneSource, SessionClient } from '../client.js';
import { SERVICE_URL } from './api-client.js';
import { findElement, findParts, setText } from './elements.js';
import { formatBytes, formatClock } from './format.js';
import { LevelMeter, measurePeaks } from './level-meter.js';
import { LiveWaveform } from './live-waveform.js';
import { listMicrophones, openMicrophone } from './microphones.js';
import { DISMISS_ACTION, showError, showNotice, showWarnings } from './notices.js';
import { RecordingProgress } from './recording-progress.js';

const UPDATE_INTERVAL_MS = 100;
const PART_TYPES = {
  button: HTMLButtonElement,
  label: HTMLElement,
  clock: HTMLElement,
  state: HTMLElement,
  received: HTMLElement,
  safe: HTMLElement,
  waiting: HTMLElement,
  wave: HTMLCanvasElement,
  meter: HTMLElement,
  decibels: HTMLElement,
  clip: HTMLElement,
  settings: HTMLFormElement,
};
const STATE_TEXTS = {
  idle: 'Ready',
  asking: 'Waiting for the microphone…',
  connecting: 'Connecting…',
  live: 'Recording',
  reconnecting: 'Connection lost. Recording continues in this browser.',
  finishing: 'Sending the remaining audio…',
  completed: 'Saved',
  failed: 'Stopped',
};
const BUSY_STATES = new Set(['asking', 'connecting', 'live', 'reconnecting', 'finishing']);

/** The card of the page that records the microphone. */
export class RecorderCard {
  #root;
  #parts;
  #fields;
  #api;
  #onSessionsChanged;
  #waveform;
  #meter;
  /** @type {keyof typeof STATE_TEXTS} */
  #state = 'idle';
  /** @type {SessionClient | null} */
  #client = null;
  /** @type {MediaStream | null} */
  #stream = null;
  #progress = new RecordingProgress();
  #stopMeasuring = () => {};
  /** @type {number | undefined} */
  #timer;
  /** @type {WakeLockSentinel | null} */
  #wakeLock = null;
  #isStopping = false;
  #onFailed;

  /**
   * @param {HTMLElement} root
   * @param {ApiClient} api
   * @param {{ onSessionsChanged: () => void, onFailed: () => void }} listener
   *   `onSessionsChanged` is called when the list of recordings has changed, `onFailed` when a
   *   recording failed and may be unfinished.
   */
  constructor(root, api, { onSessionsChanged, onFailed }) {
    this.#root = root;
    this.#parts = findParts(root, PART_TYPES);
    this.#fields = findFields(this.#parts.settings);
    this.#api = api;
    this.#onSessionsChanged = onSessionsChanged;
    this.#onFailed = onFailed;
    this.#waveform = new LiveWaveform(this.#parts.wave);
    this.#meter = new LevelMeter(this.#parts);
    this.#parts.button.addEventListener('click', () => this.#toggle());
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#listMicrophones());
    this.#listMicrophones();
    addEventListener('beforeunload', (event) => {
      if (this.isBusy) event.preventDefault();
    });
    document.addEventListener('visibilitychange', () => {
      if (this.isBusy && !document.hidden) this.#requestWakeLock();
    });
  }

  get isBusy() {
    return BUSY_STATES.has(this.#state);
  }

  #listMicrophones() {
    listMicrophones(this.#fields.device).catch(showError);
  }

  async #toggle() {
    try {
      await (this.isBusy ? this.#stop() : this.#start());
    } catch (error) {
      this.#end('failed');
      if (this.#client === null) showError(error); // the client reports its own errors as events
    }
  }

  async #start() {
    this.#setState('asking');
    this.#waveform.clear();
    this.#meter.reset();
    this.#progress = new RecordingProgress();
    this.#client = null;
    this.#isStopping = false;
    const settings = this.#readSettings();
    const stream = await openMicrophone(settings);
    this.#stream = stream;
    this.#listMicrophones();
    const client = this.#createClient(settings.channels);
    this.#client = client;
    this.#timer = setInterval(() => this.#showProgress(), UPDATE_INTERVAL_MS);
    this.#requestWakeLock();
    await client.start(this.#createSource(stream, settings));
    this.#progress.start();
  }

  /** Keep the screen on: a sleeping phone does not record. A hidden page loses the lock. */
  async #requestWakeLock() {
    const lock = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
    this.#wakeLock?.release();
    this.#wakeLock = lock;
    if (!this.isBusy) this.#releaseWakeLock();
  }

  #releaseWakeLock() {
    this.#wakeLock?.release();
    this.#wakeLock = null;
  }

  async #stop() {
    if (this.#client === null || this.#state === 'finishing') return;
    this.#isStopping = true;
    this.#progress.stop();
    const final = await this.#client.stop();
    this.#progress.complete(final.duration_seconds);
    this.#finish();
  }

  #finish() {
    this.#showProgress();
    this.#end('completed');
    this.#onSessionsChanged();
  }

  /** @returns {RecorderSettings} */
  #readSettings() {
    const { device, quality, channels, processed } = this.#fields;
    return {
      device: device.value,
      isCompressed: quality.value === 'opus',
      channels: Number(channels.value),
      isProcessed: processed.checked,
    };
  }

  /**
   * @param {MediaStream} stream
   * @param {RecorderSettings} settings
   */
  #createSource(stream, { isCompressed }) {
    if (!isCompressed) return new MicrophoneSource({ stream });
    this.#stopMeasuring = measurePeaks(stream, (peak) => this.#showLevel(peak));
    return new MediaRecorderSource({ stream });
  }

  /** @param {number} channels */
  #createClient(channels) {
    const client = new SessionClient({
      url: SERVICE_URL.href,
      channels,
      store: 'indexeddb',
      ...this.#api.credentials,
    });
    client.addEventListener('state', ({ detail }) => this.#handleState(detail.state));
    client.addEventListener('ack', ({ detail }) => this.#progress.ack(detail));
    client.addEventListener('persisted', ({ detail }) => this.#progress.persist(detail));
    client.addEventListener('level', ({ detail }) => this.#showLevel(detail.peak));
    client.addEventListener('warnings', ({ detail }) => showWarnings(detail.warnings));
    client.addEventListener('error', ({ detail }) => this.#handleError(detail));
    return client;
  }

  /** @param {number} peak */
  #showLevel(peak) {
    if (this.#state === 'finishing') return;
    this.#waveform.push(peak);
    this.#meter.show(peak);
  }

  /** @param {State} state */
  #handleState(state) {
    if (state === 'completed') {
      if (!this.#isStopping) this.#handleForeignClose();
      return;
    }
    if (state === 'failed') this.#end('failed');
    else this.#setState(state);
    if (state === 'failed') this.#onFailed();
    if (state === 'live' || state === 'failed') this.#onSessionsChanged();
  }

  #handleForeignClose() {
    this.#progress.stop();
    this.#progress.complete(this.#progress.receivedSeconds);
    this.#finish();
    showNotice('Another client finished this recording. Audio after that is not recorded.', {
      kind: 'error',
      actions: DISMISS_ACTION,
    });
  }

  /** @param {SessionError} error */
  #handleError(error) {
    showError(error);
    // Complete the session with what was recorded.
    if (error.code === 'microphone_ended' && !this.#isStopping) this.#toggle();
  }

  /** @param {keyof typeof STATE_TEXTS} state */
  #setState(state) {
    this.#state = state;
    this.#root.dataset.state = state;
    setText(this.#parts.label, this.isBusy ? 'Stop recording' : 'Start recording');
    // Not `disabled`, which would move the keyboard focus.
    const isDisabled = state === 'asking' || state === 'finishing';
    this.#parts.button.setAttribute('aria-disabled', String(isDisabled));
    for (const field of Object.values(this.#fields)) field.disabled = this.isBusy;
    setText(this.#parts.state, STATE_TEXTS[state]);
  }

  #showProgress() {
    const { received, safe, waiting, clock: time } = this.#parts;
    setText(time, formatClock(this.#progress.elapsedSeconds, { tenths: true }));
    setText(received, formatClock(this.#progress.receivedSeconds, { tenths: true }));
    setText(safe, formatClock(this.#progress.persistedSeconds, { tenths: true }));
    setText(waiting, formatBytes(this.#client?.bufferedBytes ?? 0));
  }

  /** @param {'completed' | 'failed'} state */
  #end(state) {
    clearInterval(this.#timer);
    this.#stopMeasuring();
    this.#stopMeasuring = () => {};
    this.#releaseWakeLock();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#meter.showSilence();
    this.#setState(state);
  }
}

/** @param {HTMLFormElement} form */
function findFields(form) {
  return {
    device: findElement(form, '[name=device]', HTMLSelectElement),
    quality: findElement(form, '[name=quality]', HTMLSelectElement),
    channels: findElement(form, '[name=channels]', HTMLSelectElement),
    processed: findElement(form, '[name=processed]', HTMLInputElement),
  };
}
