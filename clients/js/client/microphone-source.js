/** @import { MicrophoneOptions, Parameters, Sink, Source } from '../sercuescribe.js' */
/** @import { WorkletMessage } from './types.js' */

import { Deferred } from './deferred.js';
import { SessionError } from './errors.js';

const WORKLET_URL = new URL('../microphone-worklet.js', import.meta.url);
const CHUNK_FRAMES = 2048; // 43 ms at 48 kHz: 4 KiB a channel
const SUPPORTED_SAMPLE_RATES = [8000, 16000, 22050, 44100, 48000, 96000]; // by the service
const DEFAULT_SAMPLE_RATE = 48000;
const START_TIMEOUT_MS = 5_000;
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
  /** @type {MediaStreamAudioSourceNode | null} */
  #input = null;
  #channels = 1;
  #stopped = new Deferred();

  /** @param {MicrophoneOptions} options */
  constructor({
    chunkFrames = CHUNK_FRAMES,
    workletUrl = WORKLET_URL,
    startTimeoutMs = START_TIMEOUT_MS,
    ...options
  } = {}) {
    this.#options = { chunkFrames, workletUrl, startTimeoutMs, ...options };
  }

  /**
   * Create a suspended context that has loaded the worklet, for the option `context`: then a
   * recording can start while the service is away.
   *
   * @param {Pick<MicrophoneOptions, 'sampleRate' | 'workletUrl'>} options
   */
  static async prepareContext({ sampleRate, workletUrl = WORKLET_URL } = {}) {
    const context = createAudioContext(sampleRate);
    try {
      await context.audioWorklet.addModule(workletUrl);
    } catch (error) {
      context.close();
      throw error;
    }
    suspend(context);
    return context;
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
      this.#context = await this.#prepareContext(this.#options.sampleRate ?? sampleRate);
      await resume(this.#context, this.#options.startTimeoutMs);
    } catch (error) {
      this.#close();
      throw error;
    }
    const { sampleRate: rate } = this.#context;
    return { format: 'pcm_s16le', sampleRate: rate, channels: this.#channels };
  }

  /** @param {number | undefined} sampleRate */
  async #prepareContext(sampleRate) {
    const { context, workletUrl } = this.#options;
    if (context && [undefined, context.sampleRate].includes(sampleRate)) return context;
    return await MicrophoneSource.prepareContext({ sampleRate, workletUrl });
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
    this.#input = context.createMediaStreamSource(stream);
    this.#input.connect(this.#node);
    // Some browsers do not run a node without an output. The output of the worklet is silence.
    this.#node.connect(context.destination);
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
    this.#input?.disconnect();
    this.#node?.disconnect();
    const isOwn = this.#context !== this.#options.context;
    if (isOwn && this.#context?.state !== 'closed') this.#context?.close();
    else if (this.#context) suspend(this.#context);
    if (this.#options.stream) return; // it belongs to the page
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }
}

/**
 * Start the audio thread. Firefox without an audio output neither starts it nor reports an error.
 *
 * @param {AudioContext} context
 * @param {number} timeoutMs
 */
async function resume(context, timeoutMs) {
  const isRunning = await Promise.race([
    context.resume().then(() => true),
    new Promise((resolve) => setTimeout(resolve, timeoutMs, false)),
  ]);
  if (isRunning) return;
  const text = 'the browser does not start its audio; it may need a loudspeaker or headphones';
  throw new SessionError('audio_not_started', text);
}

/**
 * Stop the audio thread. Not awaited: it does not settle if the thread never started.
 *
 * @param {AudioContext} context
 */
function suspend(context) {
  if (context.state !== 'closed') context.suspend().catch(() => {});
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
