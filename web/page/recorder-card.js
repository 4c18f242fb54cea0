/** @import { SessionClient, SessionError } from '../client.js' */
/** @import { ApiClient } from './api-client.js' */
/** @import { PausedRecording, RecorderSettings } from './types.js' */

import { MicrophoneSource } from '../client.js';
import { findParts, setText } from './elements.js';
import { codeOf } from './errors.js';
import { formatBytes, formatClock } from './format.js';
import { LevelMeter } from './level-meter.js';
import { LiveWaveform } from './live-waveform.js';
import { MicrophoneCheck } from './microphone-check.js';
import { openMicrophone } from './microphones.js';
import { DISMISS_ACTION, showError, showNotice, showWarnings } from './notices.js';
import { RecorderForm } from './recorder-form.js';
import { Recording } from './recording.js';
import { RecordingControls } from './recording-controls.js';
import { ScreenLock } from './screen-lock.js';
import { texts } from './texts.js';
import { isVerified } from './verification.js';

const UPDATE_INTERVAL_MS = 100;
// After a stop, the user can start again after this time, whatever is not sent yet.
const HAND_OVER_MS = { connected: 5000, disconnected: 1000 };
const PART_TYPES = {
  button: HTMLButtonElement,
  label: HTMLElement,
  clock: HTMLElement,
  state: HTMLElement,
  problem: HTMLElement,
  received: HTMLElement,
  safe: HTMLElement,
  waiting: HTMLElement,
  wave: HTMLCanvasElement,
  meter: HTMLElement,
  decibels: HTMLElement,
  clip: HTMLElement,
  settings: HTMLFormElement,
  check: HTMLButtonElement,
};
const IDLE_STATES = new Set(['idle', 'unsent', 'completed', 'failed', 'checking']);
const CONTROLLED_STATES = new Set([
  'waiting', 'live', 'stalled', 'reconnecting', 'paused', 'resuming', 'pausedElsewhere',
  'resumedElsewhere',
]);
const RESTING_STATES = new Set([ // of the meter
  'stalled', 'paused', 'resuming', 'pausedElsewhere', 'resumedElsewhere', 'finishing',
]);

/**
 * @typedef {object} RecorderListener
 * @property {() => void} onSessionsChanged called when the list of recordings has changed
 * @property {(client: SessionClient, startedAt: Date) => void} onUnsent called when a stopped
 *   recording has not been sent completely
 * @property {() => void} onFailed called when a recording failed and may be unfinished
 */

/** The card of the page that records the microphone. */
export class RecorderCard {
  #root;
  #parts;
  #form;
  #api;
  #listener;
  #waveform;
  #meter;
  #controls;
  #screenLock = new ScreenLock(() => this.isBusy);
  /** @type {keyof typeof texts.recorder.states} */
  #state = 'idle';
  /** @type {Recording | null} */
  #recording = null; // null: none runs
  /** @type {MicrophoneCheck | null} */
  #check = null;
  /** @type {number | undefined} */
  #timer;
  /** @type {Promise<AudioContext | null>} */
  #context;

  /**
   * @param {HTMLElement} root
   * @param {ApiClient} api
   * @param {RecorderListener} listener
   */
  constructor(root, api, listener) {
    this.#root = root;
    this.#parts = findParts(root, PART_TYPES);
    this.#form = new RecorderForm(this.#parts.settings);
    this.#api = api;
    this.#listener = listener;
    this.#waveform = new LiveWaveform(this.#parts.wave);
    this.#meter = new LevelMeter(this.#parts);
    this.#controls = new RecordingControls(root);
    this.#context = prepareContext();
    this.#parts.button.addEventListener('click', () => this.toggle());
    this.#parts.check.addEventListener('click', () => this.#toggleCheck());
    addEventListener('beforeunload', (event) => {
      if (this.isBusy) event.preventDefault();
    });
  }

  get isBusy() {
    return !IDLE_STATES.has(this.#state);
  }

  /** Pause the recording that runs, or resume it. */
  async togglePause() {
    await this.#controls.togglePause();
  }

  /** Mark the moment in the recording that runs. */
  async mark() {
    await this.#controls.mark();
  }

  /** Start a recording, or stop it. */
  async toggle() {
    this.#check?.end();
    if (this.#state === 'asking' || this.#state === 'finishing') return;
    await (this.#recording ? this.#stop(this.#recording) : this.#start());
  }

  /**
   * Continue a recording whose page ended in a pause. Return when it runs, or throw an error; then
   * it is still paused.
   *
   * @param {PausedRecording} paused
   */
  async continue(paused) {
    this.#check?.end();
    if (this.isBusy) throw new Error(texts.recorder.busy);
    await this.#open(paused);
  }

  async #start() {
    await this.#open(null).catch(showError);
  }

  /** @param {PausedRecording | null} paused null: a new recording */
  async #open(paused) {
    this.#setState('asking');
    this.#waveform.clear();
    this.#meter.reset();
    const settings = { ...this.#form.read(), ...paused?.settings };
    try {
      const stream = await openMicrophone(settings);
      this.#form.listMicrophones();
      await this.#record(stream, settings, paused);
    } catch (error) {
      this.#end('failed');
      throw error;
    }
  }

  /**
   * @param {MediaStream} stream
   * @param {RecorderSettings} settings
   * @param {PausedRecording | null} paused
   */
  async #record(stream, settings, paused) {
    const context = (await this.#context) ?? (await prepareContext());
    this.#context = Promise.resolve(context);
    const recording = new Recording(stream, settings, { api: this.#api, context, paused }, {
      onLevel: (peak) => this.#recording === recording && this.#showLevel(peak),
      onError: (error) => this.#recording === recording && this.#handleError(error),
      onState: () => this.#recording === recording && this.#update(),
    });
    recording.client.addEventListener('warnings', ({ detail }) => showWarnings(detail.warnings));
    recording.client.addEventListener('state', ({ detail }) => {
      if (detail.state === 'live') this.#listener.onSessionsChanged();
    });
    this.#recording = recording;
    this.#timer = setInterval(() => this.#update(), UPDATE_INTERVAL_MS);
    this.#screenLock.request();
    // The client reports its errors as events, and its state is `failed`.
    await recording.start().catch(() => {});
  }

  /** @param {Recording} recording */
  async #stop(recording) {
    if (recording.isEmpty && !recording.client.isConnected) {
      recording.client.abandon();
      showError({ code: 'nothing' });
      return;
    }
    const stoppedAt = performance.now();
    const final = recording.stop();
    final.catch(() => {}); // the state is `failed`
    this.#update();
    const isHandedOver = () => {
      const { isConnected } = recording.client;
      const limitMs = HAND_OVER_MS[isConnected ? 'connected' : 'disconnected'];
      return this.#recording === recording && performance.now() - stoppedAt > limitMs;
    };
    const timer = setInterval(() => {
      if (!isHandedOver()) return;
      this.#end('unsent');
      this.#listener.onUnsent(recording.client, recording.startedAt);
    }, UPDATE_INTERVAL_MS);
    await final.catch(() => {}).finally(() => clearInterval(timer));
  }

  /** Show what the recording does; end it when its client has ended. */
  #update() {
    const recording = this.#recording;
    if (recording === null) return;
    recording.update();
    this.#showProgress(recording);
    const { state } = recording;
    if (state === 'completed') this.#complete(recording);
    else if (state === 'failed') this.#fail(recording);
    else this.#setState(state);
  }

  /** @param {Recording} recording */
  async #complete(recording) {
    const { client, progress, result, isEmpty } = recording;
    this.#end(isEmpty ? 'failed' : 'completed');
    if (result === null) showError({ code: 'session_completed' }); // another client has closed it
    const final = await result;
    if (isVerified(final) && !isEmpty) setText(this.#parts.state, texts.recorder.states.verified);
    progress.complete(final?.duration_seconds ?? progress.receivedSeconds);
    this.#showProgress(recording);
    if (isEmpty) {
      showError({ code: 'nothing' });
      await this.#deleteEmpty(client.sessionId);
    }
    this.#listener.onSessionsChanged();
  }

  /** @param {string | null} id of a session without any sound */
  async #deleteEmpty(id) {
    if (id !== null) await this.#api.delete(id).catch(() => {}); // the service does so, later
  }

  /** @param {Recording} recording */
  async #fail(recording) {
    this.#end('failed');
    const { client } = recording;
    if (recording.isEmpty) await this.#deleteEmpty(client.sessionId);
    if (recording.isRestUseless || recording.isEmpty) await client.abandon();
    else this.#listener.onFailed();
    this.#listener.onSessionsChanged();
  }

  /** @param {SessionError} error */
  #handleError(error) {
    if (codeOf(error) === 'abandoned') return;
    if (codeOf(error) === 'audio_not_started') this.#offerCompressed(error);
    else showError(error);
    // Complete the session with what was recorded.
    const recording = this.#recording;
    const isEnded = codeOf(error) === 'microphone_ended';
    if (isEnded && recording?.result === null) this.#stop(recording);
  }

  /** @param {SessionError} error */
  #offerCompressed(error) {
    this.#context = prepareContext(); // the next attempt begins afresh
    const record = () => {
      this.#form.chooseCompressed();
      return this.toggle();
    };
    const actions = { [texts.errors.recordCompressed]: record, ...DISMISS_ACTION };
    showNotice(texts.errors[/** @type {'audio_not_started'} */ (error.code)], {
      kind: 'error',
      actions,
    });
  }

  async #toggleCheck() {
    if (this.#check) this.#check.end();
    else await this.#runCheck().catch(showError);
  }

  async #runCheck() {
    this.#meter.reset();
    this.#waveform.clear();
    const stream = await openMicrophone(this.#form.read());
    this.#form.listMicrophones();
    this.#check = new MicrophoneCheck();
    this.#setState('checking');
    setText(this.#parts.check, texts.recorder.endCheck);
    const result = await this.#check.run(stream, (peak) => this.#showLevel(peak));
    this.#check = null;
    setText(this.#parts.check, texts.recorder.check);
    if (this.#state !== 'checking') return; // a recording has started
    this.#meter.showSilence();
    this.#setState('idle');
    setText(this.#parts.state, texts.recorder.checks[result]);
  }

  /** @param {number} peak */
  #showLevel(peak) {
    if (RESTING_STATES.has(this.#state)) return;
    this.#waveform.push(peak);
    this.#meter.show(peak);
  }

  /** @param {keyof typeof texts.recorder.states} state */
  #setState(state) {
    this.#state = state;
    this.#root.dataset.state = state;
    const { label, button, state: text, problem, check } = this.#parts;
    setText(label, this.isBusy ? texts.recorder.stop : texts.recorder.start);
    // Not `disabled`, which would move the keyboard focus.
    const isDisabled = state === 'asking' || state === 'finishing';
    button.setAttribute('aria-disabled', String(isDisabled));
    this.#form.setDisabled(this.isBusy);
    check.disabled = this.isBusy;
    setText(text, texts.recorder.states[state]);
    const reason = state === 'stalled' ? this.#recording?.problem : null;
    problem.hidden = !reason;
    setText(problem, reason ? texts.problems[reason] : '');
    if (RESTING_STATES.has(state)) this.#meter.showSilence();
    this.#controls.show(CONTROLLED_STATES.has(state) ? this.#recording : null);
  }

  /** @param {Recording} recording */
  #showProgress({ progress, client }) {
    const { received, safe, waiting, clock } = this.#parts;
    const elapsed = progress.elapsedSeconds(performance.now());
    setText(clock, formatClock(elapsed, { tenths: true }));
    setText(received, formatClock(progress.receivedSeconds, { tenths: true }));
    setText(safe, formatClock(progress.persistedSeconds, { tenths: true }));
    setText(waiting, formatBytes(client.bufferedBytes));
  }

  /** @param {'completed' | 'failed' | 'unsent'} state */
  #end(state) {
    clearInterval(this.#timer);
    this.#recording?.release();
    this.#recording = null;
    this.#screenLock.release();
    this.#meter.showSilence();
    this.#setState(state);
  }
}

/** Load the worklet with the page; null if that fails now. */
async function prepareContext() {
  try {
    return await MicrophoneSource.prepareContext();
  } catch {
    return null; // an old browser, or the service is away: the source tries again and reports it
  }
}
