/** @import { Format, MediaRecorderOptions, Parameters, Sink, Source } from '../sercuescribe.js' */

import { Deferred } from './deferred.js';
import { SessionError } from './errors.js';

// In order of preference: most browsers, Safari, Firefox.
const MIME_TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];
const TIMESLICE_MS = 250;
const SAMPLE_RATE = 48000; // the only rate of Opus

/**
 * A MediaRecorder as a source: compressed, with a delay of `timesliceMs`. It never restarts.
 *
 * @implements {Source}
 */
export class MediaRecorderSource {
  #options;
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {MediaRecorder | null} */
  #recorder = null;
  #lastRead = Promise.resolve();
  #stopped = new Deferred();

  /** @param {MediaRecorderOptions} options */
  constructor({ timesliceMs = TIMESLICE_MS, ...options } = {}) {
    this.#options = { timesliceMs, ...options };
  }

  /**
   * Open the microphone; return the parameters of the recording.
   *
   * @param {Parameters} wanted
   * @returns {Promise<Parameters>}
   */
  async open({ sampleRate, channels }) {
    const { stream, constraints: audio = true, bitsPerSecond } = this.#options;
    const mimeType =
      this.#options.mimeType ?? MIME_TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.#stream = stream ?? (await navigator.mediaDevices.getUserMedia({ audio }));
    const settings = bitsPerSecond ? { mimeType, audioBitsPerSecond: bitsPerSecond } : { mimeType };
    this.#recorder = new MediaRecorder(this.#stream, settings);
    // Without one of these names, the service recognises the format by its first bytes.
    const format = /\/(webm|mp4|ogg)\b/.exec(this.#recorder.mimeType || (mimeType ?? ''))?.[1];
    return {
      format: /** @type {Format | undefined} */ (format),
      sampleRate: sampleRate ?? SAMPLE_RATE,
      channels: channels ?? 1,
    };
  }

  /** @param {Sink} sink */
  async start(sink) {
    const recorder = this.#recorder;
    if (!recorder) throw new SessionError('source_failed', 'the recorder is not open');
    recorder.ondataavailable = ({ data }) => this.#readBlob(data, sink);
    recorder.onstop = () => this.#stopped.resolve();
    recorder.onerror = ({ error }) => {
      sink.failed(new SessionError('recorder_failed', String(error), error));
    };
    for (const track of recorder.stream.getAudioTracks()) {
      track.addEventListener('ended', () => sink.failed(new SessionError('microphone_ended')));
    }
    recorder.start(this.#options.timesliceMs);
  }

  /** Settles when the last blob was handed over. */
  async stop() {
    if (this.#recorder && this.#recorder.ondataavailable) {
      if (this.#recorder.state !== 'inactive') this.#recorder.stop();
      await this.#stopped.promise;
      await this.#lastRead;
    }
    if (this.#options.stream) return; // it belongs to the page
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }

  /**
   * Read blobs one after another: a later, smaller one could be read faster.
   *
   * @param {Blob} blob
   * @param {Sink} sink
   */
  #readBlob(blob, sink) {
    this.#lastRead = this.#lastRead
      .then(() => blob.arrayBuffer())
      .then((bytes) => {
        // Not awaited: that would delay the next blobs, and `send` keeps the order of its calls.
        sink.chunk(bytes).catch((error) => sink.failed(error));
      })
      .catch((error) => sink.failed(error));
  }
}
