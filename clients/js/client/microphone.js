import { deferred } from './deferred.js';
import { SessionError } from './errors.js';

const WORKLET = new URL('../microphone-worklet.js', import.meta.url);
const CHUNK_FRAMES = 2048; // 43 ms at 48 kHz: 4 KiB a channel
const TAKEN = [8000, 16000, 22050, 44100, 48000, 96000]; // by the service
const USUAL = 48000;
const LAST_WORD_MS = 2_000;

/** The microphone, or any MediaStream, as raw PCM. */
export class MicrophoneSource {
  /** Frames that the worklet has handed over; whole once `stop` has settled. */
  frames = 0;
  #options;
  #stream = null;
  #context = null;
  #node = null;
  #channels = 1;
  #ended = deferred();

  constructor(options = {}) {
    this.#options = { chunkFrames: CHUNK_FRAMES, workletUrl: WORKLET, ...options };
  }

  /** Ask for the microphone; gives the parameters of the recording. */
  async open({ sampleRate, channels }) {
    this.#channels = this.#options.channels ?? channels ?? 1;
    this.#stream = this.#options.stream ?? (await this.#microphone());
    try {
      this.#context = contextOf(this.#options.sampleRate ?? sampleRate);
      await this.#context.audioWorklet.addModule(this.#options.workletUrl);
    } catch (error) {
      this.#close();
      throw error;
    }
    const { sampleRate: rate } = this.#context;
    return { format: 'pcm_s16le', sampleRate: rate, channels: this.#channels };
  }

  async start(sink) {
    this.#node = this.#worklet();
    this.#node.port.onmessage = ({ data }) => this.#take(data, sink);
    this.#node.onprocessorerror = () => sink.failed(new SessionError('worklet_failed'));
    for (const track of this.#stream.getAudioTracks()) {
      track.addEventListener('ended', () => sink.failed(new SessionError('microphone_ended')));
    }
    this.#context.createMediaStreamSource(this.#stream).connect(this.#node);
    // What leads nowhere is not run by every browser. The worklet's output is silence.
    this.#node.connect(this.#context.destination);
    await this.#context.resume();
  }

  /** Settles when every sample that the worklet heard was handed over. */
  async stop() {
    if (this.#node) {
      this.#node.port.postMessage('stop');
      // An audio thread that the system has taken away answers nothing any more.
      const timer = setTimeout(this.#ended.resolve, LAST_WORD_MS);
      await this.#ended.promise;
      clearTimeout(timer);
    }
    this.#close();
  }

  async #microphone() {
    const audio = { channelCount: this.#channels, ...this.#options.constraints };
    return await navigator.mediaDevices.getUserMedia({ audio });
  }

  #worklet() {
    return new AudioWorkletNode(this.#context, 'sercuescribe-microphone', {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      channelCount: this.#channels,
      channelCountMode: 'explicit',
      processorOptions: { channels: this.#channels, chunkFrames: this.#options.chunkFrames },
    });
  }

  #take({ chunk, level, frames }, sink) {
    if (chunk === undefined) {
      this.frames = frames;
      this.#ended.resolve();
      return;
    }
    sink.level(level);
    sink.chunk(chunk).catch((error) => sink.failed(error));
  }

  #close() {
    this.#node?.disconnect();
    if (this.#context?.state !== 'closed') this.#context?.close();
    if (this.#options.stream) return; // it belongs to the page
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }
}

/** A context of that rate; else of the device's own, where the service takes it. */
function contextOf(sampleRate) {
  if (sampleRate) return new AudioContext({ sampleRate });
  const context = new AudioContext();
  if (TAKEN.includes(context.sampleRate)) return context;
  context.close();
  return new AudioContext({ sampleRate: USUAL });
}
