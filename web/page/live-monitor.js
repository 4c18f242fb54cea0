/** @import { ApiClient } from './api-client.js' */
/** @import { ErrorBody } from './types.js' */

import { ApiError } from './api-client.js';
import { texts } from './texts.js';

const COLUMN_SECONDS = 0.05;
const POSITION_BYTES = 8; // before the samples of each message
const PLAYBACK_DELAY_SECONDS = 0.2; // a buffer against jitter
const MAX_PLAYBACK_DELAY_SECONDS = 1.5; // audio beyond this delay is skipped
const RETRY_DELAY_MS = 1000;
const FINAL_HTTP_STATUSES = new Set([401, 403, 404]);
const [NORMAL_CLOSURE, POLICY_VIOLATION] = [1000, 1008];
const FULL_SCALE = 32768;

/** Receive the audio of an active session: report its peaks and, unless muted, play it. */
export class LiveMonitor {
  #api;
  #id;
  #listener;
  /** @type {WebSocket | null} */
  #socket = null;
  #format = { rate: 0, channels: 0 }; // of the session; known before the first samples
  /** @type {ErrorBody | null} */
  #lastError = null; // of the last error message; it gives the reason of the close code
  /** @type {number | 'now'} */
  #nextFrame = 'now'; // where the next connection continues
  #isStopped = false;
  /** @type {number | undefined} */
  #timer;
  #column = { frames: 0, peak: 0 };
  /** @type {AudioContext | null} */
  #context = null; // null: muted
  #playedUntilSeconds = 0;

  /**
   * @param {ApiClient} api
   * @param {string} id of the session
   * @param {{ onPeak: (peak: number) => void, onState: (text: string) => void }} listener
   *   `onPeak` is called for each column of the waveform, `onState` with a text for the user.
   */
  constructor(api, id, listener) {
    this.#api = api;
    this.#id = id;
    this.#listener = listener;
  }

  async start() {
    try {
      this.#connect(await this.#api.listen(this.#id, this.#nextFrame));
    } catch (error) {
      const isFinal = error instanceof ApiError && FINAL_HTTP_STATUSES.has(error.status);
      if (isFinal) this.#finish(error.message);
      else this.#scheduleRetry();
    }
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.mute();
  }

  /** Play the audio from now on. */
  async unmute() {
    this.#context = new AudioContext();
    this.#playedUntilSeconds = 0;
    await this.#context.resume();
  }

  mute() {
    this.#context?.close();
    this.#context = null;
  }

  /** @param {WebSocket} socket */
  #connect(socket) {
    this.#socket = socket;
    this.#lastError = null;
    if (this.#isStopped) return socket.close();
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#handleClose(code);
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    if (typeof data === 'string') {
      const message = JSON.parse(data);
      if (message.type === 'session') {
        this.#format = { rate: message.sample_rate, channels: message.channels };
        this.#listener.onState(texts.recording.live);
      }
      if (message.type === 'error') this.#lastError = message;
      return;
    }
    const position = Number(new DataView(data).getBigUint64(0, true));
    const samples = new Int16Array(data, POSITION_BYTES);
    this.#nextFrame = position + samples.length / this.#format.channels;
    this.#measurePeaks(samples);
    if (this.#context) this.#play(samples, this.#context);
  }

  /** @param {Int16Array} samples */
  #measurePeaks(samples) {
    const { rate, channels } = this.#format;
    const columnFrames = rate * COLUMN_SECONDS;
    for (let at = 0; at < samples.length; at += channels) {
      for (let channel = 0; channel < channels; channel++) {
        this.#column.peak = Math.max(this.#column.peak, Math.abs(samples[at + channel]));
      }
      if (++this.#column.frames >= columnFrames) {
        this.#listener.onPeak(this.#column.peak / FULL_SCALE);
        this.#column = { frames: 0, peak: 0 };
      }
    }
  }

  /**
   * @param {Int16Array} samples
   * @param {AudioContext} context
   */
  #play(samples, context) {
    const { rate, channels } = this.#format;
    const now = context.currentTime;
    if (this.#playedUntilSeconds < now) this.#playedUntilSeconds = now + PLAYBACK_DELAY_SECONDS;
    if (this.#playedUntilSeconds > now + MAX_PLAYBACK_DELAY_SECONDS) return;
    const buffer = context.createBuffer(channels, samples.length / channels, rate);
    for (let channel = 0; channel < channels; channel++) {
      const plane = buffer.getChannelData(channel);
      for (let frame = 0; frame < plane.length; frame++) {
        plane[frame] = samples[frame * channels + channel] / FULL_SCALE;
      }
    }
    const player = new AudioBufferSourceNode(context, { buffer });
    player.connect(context.destination);
    player.start(this.#playedUntilSeconds);
    this.#playedUntilSeconds += buffer.duration;
  }

  /** @param {number} code */
  #handleClose(code) {
    if (this.#isStopped) return;
    if (code === NORMAL_CLOSURE) this.#finish(texts.recording.finished);
    else if (code !== POLICY_VIOLATION) this.#scheduleRetry();
    else if (this.#lastError?.code === 'credentials_expired') this.#retryWithNewToken();
    else this.#finish(this.#lastError?.error ?? texts.recording.refused);
  }

  #retryWithNewToken() {
    this.#api.forgetToken(this.#id);
    this.#scheduleRetry();
  }

  /** @param {string} text */
  #finish(text) {
    this.#listener.onState(text);
    this.stop();
  }

  #scheduleRetry() {
    if (this.#isStopped) return;
    this.#listener.onState(texts.recording.lost);
    this.#timer = setTimeout(() => this.start(), RETRY_DELAY_MS);
  }
}
