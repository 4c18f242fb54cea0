/** @import { FinalMessage, SessionError } from '../client.js' */
/** @import { ApiClient } from './api-client.js' */
/** @import { PausedRecording, RecorderSettings } from './types.js' */

import { MediaRecorderSource, MicrophoneSource, SessionClient } from '../client.js';
import { SERVICE_URL } from './api-client.js';
import { codeOf } from './errors.js';
import { measurePeaks } from './level-meter.js';
import { RecordingProgress } from './recording-progress.js';
import { SoundWatch } from './sound-watch.js';
import { WatchedSource } from './watched-source.js';

const RETRY_INTERVAL_MS = 1000;
// After one of these, what was not sent can never be sent.
const FINAL_CODES = ['session_not_found', 'session_deleted', 'session_completed'];

/**
 * What a recording does, as the user sees it:
 * - `waiting`: no sound has arrived yet, `stalled`: no more sound arrives
 * - `reconnecting`: sound arrives, and this browser keeps it
 * - `paused`: nothing is recorded, `resuming`: nor until the service has resumed the session
 * - `pausedElsewhere`: another client has paused the session
 * - `resumedElsewhere`: another client has resumed it, and this microphone is still silent
 *
 * @typedef {'connecting' | 'waiting' | 'live' | 'stalled' | 'reconnecting' | 'paused'
 *   | 'resuming' | 'pausedElsewhere' | 'resumedElsewhere' | 'finishing' | 'completed'
 *   | 'failed'} RecordingState
 */

/**
 * @typedef {object} RecordingListener
 * @property {(peak: number) => void} onLevel
 * @property {(error: SessionError) => void} onError
 * @property {() => void} onState called when `state` may have changed
 */

/** One recording of a microphone: its client, and whether sound arrives. */
export class Recording {
  progress;
  client;
  startedAt;
  #stream;
  #settings;
  #context;
  #watch;
  #source;
  #listener;
  #isContinued; // an earlier page has begun it
  #stopMeasuring = () => {};
  /** @type {Promise<FinalMessage> | null} */
  result = null; // null: `stop` was not called
  #lastCode = ''; // of the last error
  /** @type {'recording' | 'pausing' | 'paused' | 'resuming'} what the user has chosen here */
  #pauseState = 'recording';
  /** @type {Promise<void>} */
  #paused = Promise.resolve(); // settles when the service has paused the session

  /**
   * @param {MediaStream} stream its tracks are stopped at the end
   * @param {RecorderSettings} settings
   * @param {{ api: ApiClient, context: AudioContext | null, paused: PausedRecording | null }} given
   *   `context` as prepared by `MicrophoneSource.prepareContext`; `paused` is continued
   * @param {RecordingListener} listener
   */
  constructor(stream, settings, { api, context, paused }, listener) {
    this.#stream = stream;
    this.#settings = settings;
    this.#context = context;
    this.#listener = listener;
    const heard = settings.isCompressed ? null : context;
    this.#watch = new SoundWatch(stream.getAudioTracks()[0], heard, performance.now());
    this.#isContinued = paused !== null;
    this.startedAt = paused?.startedAt ?? new Date();
    this.progress = new RecordingProgress(paused?.session.duration_seconds);
    this.client = paused?.client ?? this.#createClient(api);
    this.#listen();
    this.#source = new WatchedSource(this.#createSource(), () => this.#noteSound());
  }

  /** @returns {RecordingState} */
  get state() {
    const { state } = this.client;
    if (isFinal(state)) return state;
    if (this.result !== null) return 'finishing';
    if (this.#pauseState === 'pausing') return 'paused';
    if (this.#pauseState === 'resuming') return 'resuming';
    if (this.#pauseState === 'paused') return this.client.isPaused ? 'paused' : 'resumedElsewhere';
    if (this.client.isPaused) return 'pausedElsewhere';
    if (this.problem !== null) return 'stalled';
    if (state === 'connecting' || state === null) return 'connecting';
    if (!this.#watch.hasArrived) return 'waiting';
    return state;
  }

  /** Why no sound arrives; null while it does. */
  get problem() {
    return this.#watch.problem(performance.now());
  }

  /** Whether all that was not sent is useless: the session is gone, or never began. */
  get isRestUseless() {
    return this.client.sessionId === null || FINAL_CODES.includes(this.#lastCode);
  }

  /** Whether nothing can be in the session. */
  get isEmpty() {
    return !this.#watch.hasArrived && !this.#isContinued;
  }

  /** Start recording; continue a recording that was paused. */
  async start() {
    await this.client.start(this.#source);
    if (this.#isContinued) await this.resume();
  }

  /** Count the time while sound arrives, and try to continue if the browser has stopped its audio. */
  update() {
    if (this.problem === null) return;
    this.progress.stop(this.#watch.lastArrivalMs);
    if (this.problem === 'suspended') this.#context?.resume().catch(() => {});
  }

  /**
   * Record nothing from now on, also without a connection: the microphone is silent, and raw PCM is
   * dropped until the service has paused the session. Then silence keeps the connection in use.
   */
  pause() {
    if (this.#pauseState !== 'recording') return;
    this.#pauseState = 'pausing';
    this.progress.stop(performance.now());
    this.#enableMicrophone(false);
    this.#source.isDropping = !this.#settings.isCompressed;
    this.#paused = this.#tryUntilDone(() => this.client.pause()).then(() => {
      this.#source.isDropping = false;
      if (this.#pauseState === 'pausing') this.#pauseState = 'paused';
    });
  }

  /** Record again when the service has resumed the session: it records nothing sent before. */
  async resume() {
    if (!this.isPaused || this.#pauseState === 'resuming') return;
    this.#pauseState = 'resuming';
    await this.#paused;
    await this.#tryUntilDone(() => this.client.resume());
    if (this.#isOver) return;
    this.#enableMicrophone(true);
    this.#watch.note(performance.now());
    this.#pauseState = 'recording';
  }

  /** Whether no more requests are made: after a stop, they would meet a completed session. */
  get #isOver() {
    return this.result !== null || isFinal(this.client.state);
  }

  /** Whether nothing of this microphone is recorded until `resume`. */
  get isPaused() {
    return this.#pauseState !== 'recording' || this.client.isPaused;
  }

  /**
   * End the microphone and deliver everything; return the final message.
   *
   * @returns {Promise<FinalMessage>}
   */
  stop() {
    this.progress.stop(performance.now());
    this.result = this.client.stop();
    return this.result;
  }

  /** Stop the microphone and its measuring. */
  release() {
    this.progress.stop(performance.now());
    this.#stopMeasuring();
    for (const track of this.#stream.getTracks()) track.stop();
  }

  /** @param {ApiClient} api */
  #createClient(api) {
    return new SessionClient({
      url: SERVICE_URL.href,
      channels: this.#settings.channels,
      store: 'indexeddb',
      ...api.credentials,
    });
  }

  #listen() {
    const { client } = this;
    client.addEventListener('state', () => this.#listener.onState());
    client.addEventListener('paused', ({ detail }) => {
      if (detail.isPaused) this.progress.stop(performance.now());
      this.#listener.onState();
    });
    client.addEventListener('ack', ({ detail }) => this.progress.ack(detail));
    client.addEventListener('persisted', ({ detail }) => this.progress.persist(detail));
    client.addEventListener('level', ({ detail }) => this.#listener.onLevel(detail.peak));
    client.addEventListener('error', ({ detail }) => {
      this.#lastCode = codeOf(detail);
      this.#listener.onError(detail);
    });
  }

  #createSource() {
    const stream = this.#stream;
    if (!this.#settings.isCompressed) {
      return new MicrophoneSource({ stream, context: this.#context ?? undefined });
    }
    this.#stopMeasuring = measurePeaks(stream, (peak) => this.#listener.onLevel(peak));
    return new MediaRecorderSource({ stream });
  }

  /**
   * Repeat a request until it succeeds or the recording ends; report what the service refuses.
   *
   * @param {() => Promise<void>} request
   */
  async #tryUntilDone(request) {
    while (!this.#isOver) {
      try {
        if (this.client.sessionId !== null) return await request();
      } catch (error) {
        if (this.#isOver) return;
        if (codeOf(error)) this.#listener.onError(/** @type {SessionError} */ (error));
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS));
    }
  }

  /** @param {boolean} isEnabled a disabled track delivers silence */
  #enableMicrophone(isEnabled) {
    for (const track of this.#stream.getAudioTracks()) track.enabled = isEnabled;
  }

  #noteSound() {
    const now = performance.now();
    this.#watch.note(now);
    const isCounted = this.problem === null && this.result === null && !this.isPaused;
    if (isCounted) this.progress.start(now);
  }
}

/**
 * @param {SessionClient['state']} state
 * @returns {state is 'completed' | 'failed'}
 */
function isFinal(state) {
  return state === 'completed' || state === 'failed';
}
