/** @import { MicrophoneOptions, Parameters, Sink, Source } from '../sercuescribe.js' */
/** @import { WorkletMessage } from './types.js' */

import { Deferred } from './deferred.js';
import { SessionError } from './errors.js';

const WORKLET_URL = new URL('../microphone-worklet.js', import.meta.url);
const CHUNK_FRAMES = 2048; // 43 ms at 48 kHz: 4 KiB a channel
const SUPPORTED_SAMPLE_RATES = [8000, 16000, 22050, 44100, 48000, 96000]; // by the service
const DEFAULT_SAMPLE_RATE = 48000;
const STOP_TIMEOUT_MS = 2_000;

/**
 * The microphone, or any MediaStream, as a source of raw PCM.
 *
 * @implements {Source}
 */
export class MicrophoneSource {
  /** Frames that the worklet has delivered; final when `stop` has settled. */
  frames = 0;
  #options;
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {AudioWorkletNode | null} */
  #node = null;
  #channels = 1;
  #stopped = new Deferred();

  /** @param {MicrophoneOptions} options */
  constructor({ chunkFrames = CHUNK_FRAMES, workletUrl = WORKLET_URL, ...options } = {}) {
    this.#options = { chunkFrames, workletUrl, ...options };
  }

  /**
   * Open the microphone; return the parameters of the recording.
   *
   * @param {Parameters} wanted
   * @returns {Promise<Parameters>}
   */
  async open({ sampleRate, channels }) {
    this.#channels = this.#options.channels ?? channels ?? 1;
    this.#stream = this.#options.stream ?? (await this.#requestMicrophone());
    try {
      this.#context = createAudioContext(this.#options.sampleRate ?? sampleRate);
      await this.#context.audioWorklet.addModule(this.#options.workletUrl);
    } catch (error) {
      this.#close();
      throw error;
    }
    const { sampleRate: rate } = this.#context;
    return { format: 'pcm_s16le', sampleRate: rate, channels: this.#channels };
  }

  /** @param {Sink} sink */
  async start(sink) {
    const [context, stream] = [this.#context, this.#stream];
    if (!context || !stream) throw new SessionError('source_failed', 'the microphone is not open');
    this.#node = this.#createWorkletNode(context);
    this.#node.port.onmessage = ({ data }) => this.#receive(data, sink);
    this.#node.onprocessorerror = () => sink.failed(new SessionError('worklet_failed'));
    for (const track of stream.getAudioTracks()) {
      track.addEventListener('ended', () => sink.failed(new SessionError('microphone_ended')));
    }
    context.createMediaStreamSource(stream).connect(this.#node);
    // Some browsers do not run a node without an output. The output of the worklet is silence.
    this.#node.connect(context.destination);
    await context.resume();
  }

  /** Settles when the worklet has delivered every sample. */
  async stop() {
    if (this.#node) {
      this.#node.port.postMessage('stop');
      // An audio thread that the system has suspended does not answer.
      const timer = setTimeout(this.#stopped.resolve, STOP_TIMEOUT_MS);
      await this.#stopped.promise;
      clearTimeout(timer);
    }
    this.#close();
  }

  async #requestMicrophone() {
    const audio = { channelCount: this.#channels, ...this.#options.constraints };
    return await navigator.mediaDevices.getUserMedia({ audio });
  }

  /** @param {AudioContext} context */
  #createWorkletNode(context) {
    return new AudioWorkletNode(context, 'sercuescribe-microphone', {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      channelCount: this.#channels,
      channelCountMode: 'explicit',
      processorOptions: { channels: this.#channels, chunkFrames: this.#options.chunkFrames },
    });
  }

  /**
   * @param {WorkletMessage} message
   * @param {Sink} sink
   */
  #receive(message, sink) {
    if ('frames' in message) {
      this.frames = message.frames;
      this.#stopped.resolve();
      return;
    }
    sink.level(message.level);
    sink.chunk(message.chunk).catch((error) => sink.failed(error));
  }

  #close() {
    this.#node?.disconnect();
    if (this.#context?.state !== 'closed') this.#context?.close();
    if (this.#options.stream) return; // it belongs to the page
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }
}

/**
 * Create a context of that rate, or of the device's rate if the service supports it.
 *
 * @param {number | undefined} sampleRate
 */
function createAudioContext(sampleRate) {
  if (sampleRate) return new AudioContext({ sampleRate });
  const context = new AudioContext();
  if (SUPPORTED_SAMPLE_RATES.includes(context.sampleRate)) return context;
  context.close();
  return new AudioContext({ sampleRate: DEFAULT_SAMPLE_RATE });
}
