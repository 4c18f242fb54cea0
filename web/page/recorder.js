import { MediaRecorderSource, MicrophoneSource, SessionClient } from '../client.js';
import { complain, DISMISS, notice, partsOf, write } from './elements.js';
import { LevelMeter, measure } from './levels.js';
import { LiveWave } from './live-wave.js';
import { listMicrophones, openMicrophone } from './microphones.js';
import { Progress } from './progress.js';
import { ROOT } from './service.js';
import { clock, size } from './text.js';

const REFRESH_MS = 100;
const SAID = {
  idle: 'Ready',
  asking: 'Waiting for the microphone…',
  connecting: 'Connecting…',
  live: 'Recording',
  finishing: 'Sending the rest…',
  completed: 'Saved',
  failed: 'Stopped',
};
const BUSY = new Set(['asking', 'connecting', 'live', 'reconnecting', 'finishing']);

/** The card that records. */
export class Recorder {
  #root;
  #parts;
  #service;
  #changed;
  #wave;
  #meter;
  #client = null;
  #stream = null;
  #progress = null;
  #unmeasure = null;
  #timer = null;
  #awake = null;
  #isStopping = false;
  #failed;

  /**
   * `changed()` is called when the list of recordings is not what it was, `failed()` when there may
   * be something left to send.
   */
  constructor(root, service, { changed, failed }) {
    this.#root = root;
    this.#parts = partsOf(root);
    this.#service = service;
    this.#changed = changed;
    this.#failed = failed;
    this.#wave = new LiveWave(this.#parts.wave);
    this.#meter = new LevelMeter(this.#parts);
    this.#parts.button.addEventListener('click', () => this.#toggle());
    const { device } = this.#parts.settings.elements;
    const list = () => listMicrophones(device).catch(complain);
    navigator.mediaDevices?.addEventListener('devicechange', list);
    list();
    addEventListener('beforeunload', (event) => {
      if (this.isBusy) event.preventDefault();
    });
    document.addEventListener('visibilitychange', () => {
      if (this.isBusy && !document.hidden) this.#stayAwake();
    });
  }

  get isBusy() {
    return BUSY.has(this.#root.dataset.state);
  }

  async #toggle() {
    try {
      await (this.isBusy ? this.#stop() : this.#start());
    } catch (error) {
      this.#end('failed');
      if (this.#client === null) complain(error); // what the client fails with, it has told
    }
  }

  async #start() {
    this.#become('asking');
    this.#wave.clear();
    this.#meter.clear();
    this.#progress = new Progress();
    this.#client = null;
    this.#isStopping = false;
    const wanted = this.#wanted();
    this.#stream = await openMicrophone(wanted);
    listMicrophones(this.#parts.settings.elements.device).catch(complain);
    this.#client = this.#makeClient(wanted.channels);
    this.#timer = setInterval(() => this.#show(), REFRESH_MS);
    this.#stayAwake();
    await this.#client.start(this.#source(wanted));
    this.#progress.begin();
  }

  /** A phone that goes to sleep hears nothing. It may again, once the page was out of sight. */
  async #stayAwake() {
    const lock = await navigator.wakeLock?.request('screen').catch(() => null);
    this.#awake?.release();
    this.#awake = lock;
    if (!this.isBusy) this.#letSleep();
  }

  #letSleep() {
    this.#awake?.release();
    this.#awake = null;
  }

  async #stop() {
    if (['asking', 'finishing'].includes(this.#root.dataset.state)) return;
    this.#isStopping = true;
    this.#progress.end();
    const final = await this.#client.stop();
    this.#progress.complete(final.duration_seconds);
    this.#finish();
  }

  #finish() {
    this.#show();
    this.#end('completed');
    this.#changed();
  }

  #wanted() {
    const { device, quality, channels, processed } = this.#parts.settings.elements;
    return {
      device: device.value,
      isCompressed: quality.value === 'opus',
      channels: Number(channels.value),
      isProcessed: processed.checked,
    };
  }

  #source({ isCompressed }) {
    const stream = this.#stream;
    if (!isCompressed) return new MicrophoneSource({ stream });
    this.#unmeasure = measure(stream, (peak) => this.#level(peak));
    return new MediaRecorderSource({ stream });
  }

  #makeClient(channels) {
    const client = new SessionClient({
      url: ROOT.href,
      channels,
      store: 'indexeddb',
      ...this.#service.credentials,
    });
    client.addEventListener('state', ({ detail }) => this.#follow(detail.state));
    client.addEventListener('ack', ({ detail }) => this.#progress.ack(detail));
    client.addEventListener('persisted', ({ detail }) => this.#progress.persist(detail));
    client.addEventListener('level', ({ detail }) => this.#level(detail.peak));
    client.addEventListener('error', ({ detail }) => this.#report(detail));
    return client;
  }

  #level(peak) {
    if (this.#root.dataset.state === 'finishing') return;
    this.#wave.push(peak);
    this.#meter.show(peak);
  }

  #follow(state) {
    if (state === 'completed') {
      if (!this.#isStopping) this.#finishedByOthers();
      return;
    }
    if (state === 'failed') this.#end('failed');
    else this.#become(state);
    if (state === 'failed') this.#failed();
    if (state === 'live' || state === 'failed') this.#changed();
  }

  #finishedByOthers() {
    this.#progress.end();
    this.#progress.complete(this.#progress.received);
    this.#finish();
    notice('Somebody else finished this recording. What was said after that is not in it.', {
      kind: 'error',
      actions: DISMISS,
    });
  }

  #report(error) {
    complain(error);
    // What it heard is kept.
    if (error.code === 'microphone_ended' && !this.#isStopping) this.#toggle();
  }

  #become(state) {
    this.#root.dataset.state = state;
    write(this.#parts.label, this.isBusy ? 'Stop recording' : 'Start recording');
    // Not disabled: that would take the focus away from who uses the keyboard.
    this.#parts.button.setAttribute('aria-disabled', state === 'asking' || state === 'finishing');
    for (const field of this.#parts.settings.elements) field.disabled = this.isBusy;
    this.#say();
  }

  #show() {
    const { received, safe, waiting, clock: time } = this.#parts;
    write(time, clock(this.#progress.elapsed, { tenths: true }));
    write(received, clock(this.#progress.received, { tenths: true }));
    write(safe, clock(this.#progress.safe, { tenths: true }));
    write(waiting, size(this.#client.bufferedBytes));
    this.#say();
  }

  #say() {
    const { state } = this.#root.dataset;
    if (state === 'reconnecting') {
      write(this.#parts.state, 'Connection lost. Recording goes on here.');
    } else {
      write(this.#parts.state, SAID[state]);
    }
  }

  #end(state) {
    clearInterval(this.#timer);
    this.#unmeasure?.();
    this.#unmeasure = null;
    this.#letSleep();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#meter.rest();
    this.#become(state);
  }
}
