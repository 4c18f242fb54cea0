import { deferred } from './deferred.js';
import { SessionError } from './errors.js';

// In the order of preference: what most browsers make, what Safari makes, what Firefox makes, too.
const TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];
const TIMESLICE_MS = 250;
const SAMPLE_RATE = 48000; // Opus has no other

/** A MediaRecorder: compressed, some tenths of a second late. It is never restarted. */
export class MediaRecorderSource {
  #options;
  #stream = null;
  #recorder = null;
  #inOrder = Promise.resolve();
  #ended = deferred();

  constructor(options = {}) {
    this.#options = { timesliceMs: TIMESLICE_MS, ...options };
  }

  /** Ask for the microphone; gives the parameters of the recording. */
  async open({ sampleRate, channels }) {
    const { stream, constraints: audio = true, bitsPerSecond } = this.#options;
    const mimeType = this.#options.mimeType ?? TYPES.find((t) => MediaRecorder.isTypeSupported(t));
    this.#stream = stream ?? (await navigator.mediaDevices.getUserMedia({ audio }));
    const settings = bitsPerSecond ? { mimeType, audioBitsPerSecond: bitsPerSecond } : { mimeType };
    this.#recorder = new MediaRecorder(this.#stream, settings);
    return {
      format: /\/(\w+)/.exec(this.#recorder.mimeType || mimeType)[1],
      sampleRate: sampleRate ?? SAMPLE_RATE,
      channels: channels ?? 1,
    };
  }

  async start(sink) {
    this.#recorder.ondataavailable = ({ data }) => this.#take(data, sink);
    this.#recorder.onstop = () => this.#ended.resolve();
    this.#recorder.onerror = ({ error }) => {
      sink.failed(new SessionError('recorder_failed', String(error), error));
    };
    for (const track of this.#stream.getAudioTracks()) {
      track.addEventListener('ended', () => sink.failed(new SessionError('microphone_ended')));
    }
    this.#recorder.start(this.#options.timesliceMs);
  }

  /** Settles when the last blob was handed over. */
  async stop() {
    if (this.#recorder && this.#recorder.ondataavailable) {
      if (this.#recorder.state !== 'inactive') this.#recorder.stop();
      await this.#ended.promise;
      await this.#inOrder;
    }
    if (this.#options.stream) return; // it belongs to the page
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }

  /** Blobs are read one after another: reading a small one may take less time. */
  #take(blob, sink) {
    this.#inOrder = this.#inOrder
      .then(() => blob.arrayBuffer())
      .then((bytes) => {
        // Not awaited: that would hold back the blobs behind it, which `send` puts in order anyway.
        sink.chunk(bytes).catch((error) => sink.failed(error));
      })
      .catch((error) => sink.failed(error));
  }
}
